"""Numbers and truth values as APIs write them, to the last digit."""

from decimal import Decimal
from typing import Any

import pytest

from integrations.models.remote_tables import RemoteTableColumn
from integrations.remote_tables.cells import make_cell
from integrations.remote_tables.csv_export import csv_lines


@pytest.mark.parametrize("raw", ["12345678901234567890.5", "0.123456789012345678", "-99999999999999999.99", "1e-400"])
def test_a_number_that_a_double_would_round_keeps_its_digits(raw: str) -> None:
    cell = make_cell("number", f" {raw} ")
    assert (cell.type, cell.text, cell.exact_value) == ("number", raw, str(Decimal(raw)))
    column = RemoteTableColumn(label="Amount", type="number")
    assert list(csv_lines([column], [[cell]]))[1] == f"{raw}\r\n"


@pytest.mark.parametrize(("raw", "value"), [("0.1", 0.1), ("12.50", 12.5), ("1e5", 1e5), ("7", 7), ("-2.5", -2.5)])
def test_other_numbers_are_numbers_to_programs(raw: str, value: float) -> None:
    cell = make_cell("number", raw)
    assert (cell.exact_value, type(cell.exact_value)) == (value, type(value))


@pytest.mark.parametrize("raw", ["1e-99999999999999999999", "0e99999999999999999999", "-0e-99999999999999999999"])
def test_a_number_beyond_all_exponents_is_the_double_that_it_was(raw: str) -> None:
    cell = make_cell("number", raw)
    assert (cell.type, cell.exact_value) == ("number", 0.0)
    column = RemoteTableColumn(label="Amount", type="number")
    assert list(csv_lines([column], [[cell]]))[1].strip("-") == "0.0\r\n"


def test_numbers_at_the_edges_sort_and_are_written() -> None:
    edges = [
        "1e-999999999999999999",
        "12345678901234567890.5",
        "1e-400",
        10**400,
        "nan",
        "inf",
        "1e308",
        2,
        "-0.0",
        1.5,
    ]
    cells = sorted((make_cell("number", raw) for raw in edges), key=lambda cell: cell.order)
    assert all(str(cell.exact_value) and cell.words for cell in cells)
    assert list(csv_lines([RemoteTableColumn(label="Amount", type="number")], [[cell] for cell in cells]))


def test_numbers_sort_by_value_however_exact_they_are() -> None:
    cells = [make_cell("number", raw) for raw in ("3", "12345678901234567890.5", 2, "0.123456789012345678", 0.2)]
    assert [cell.text[:3] for cell in sorted(cells, key=lambda cell: cell.order)] == ["0.1", "0.2", "2", "3", "123"]


@pytest.mark.parametrize(
    ("raw", "value"), [("Y", True), ("n", False), ("T", True), ("F", False), (0, False), ("1", True)]
)
def test_a_truth_value_is_read_in_each_spelling(raw: Any, value: bool) -> None:
    cell = make_cell("boolean", raw)
    assert (cell.type, cell.value) == ("boolean", value)


@pytest.mark.parametrize("raw", ["X", 2, "maybe", "null"])
def test_what_may_be_no_truth_value_is_shown_as_it_came(raw: Any) -> None:
    assert make_cell("boolean", raw).type == "text"
