"""What a stranger can make long or large is looked at before it is made, and ends within one budget."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from integrations import calls, expressions
from integrations.expressions import BadExpression, budget
from integrations.remote_tables import cells, reading

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[3]
DOUBLED = "|".join(["[@, @]"] * 60)  # names one value 2^60 times, in little room


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the bounds of a process are read in /proc")
def test_no_expression_takes_more_room_or_work_than_its_budget() -> None:
    """In a process of its own, which the system ends if it does."""
    program = [sys.executable, "-m", "tests.integrations.fuzzed_expressions"]
    process = subprocess.run(
        program, cwd=ROOT, env=os.environ | {"DATABASE_URL": "sqlite://:memory:"}, capture_output=True, text=True
    )
    assert process.returncode == 0, f"{process.returncode} {process.stdout[-2000:]} {process.stderr[-4000:]}"


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The characters of all texts that were paid for."""
    characters_taken = [0]
    take = budget.Budget.take

    def counted(self: budget.Budget, steps: int = 1, *, characters: int = 0) -> None:
        characters_taken[0] += characters
        take(self, steps, characters=characters)

    monkeypatch.setattr(budget.Budget, "take", counted)
    return lambda: characters_taken[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "data"),
    [
        (f"join(@, [{', '.join(['@'] * 2000)}])", "x" * 1_000_000),
        (f"[{', '.join(['@'] * 5000)}][]", [1] * 200_000),
        (f"{{a: {DOUBLED}, b: {DOUBLED}}} | a == b", [1]),
        (f"{{a: {DOUBLED}, b: {DOUBLED}}} | contains([a, a], b)", [1]),
        (f"{DOUBLED} | to_string(@)", [1]),
        (f"[{', '.join(['reverse(@)'] * 1500)}]", "x" * 1_000_000),
        (f"[{', '.join(['reverse(@)'] * 1500)}]", [1] * 200_000),
        (f"[{', '.join(['@[:]'] * 3000)}]", [1] * 200_000),
        (f"a[{'9' * 6000}]", {"a": []}),
        ("to_number(@)", "9" * 6000),
        ("&a", {"a": 1}),
        ("to_array(&a)", {"a": 1}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_path_is_paid_for_before_it_makes_anything(path: str, data: Any, spent: Callable[[], int]) -> None:
    with pytest.raises(BadExpression):
        expressions.as_json(expressions.extract_value(path, data))
    assert spent() < 2 * budget.MOST_CHARACTERS


TREES = {"left": [{"a": [number] * 10} for number in range(60_000)]}
TREES["right"] = json.loads(json.dumps(TREES["left"]))
INPUTS = {**TREES, "text": "x" * 900_000, "number": 10**4000, "one": 1, "digits": "9" * 900_000}


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "9" * 6000 + " }}",
        "{{ 0x" + "f" * 6000 + " }}",
        "{{ inputs.number * inputs.number }}",
        "{{ " + " * ".join(["1" + "0" * 300] * 25) + " }}",
        "{{ (inputs.digits | int(0, 16)) * 2 }}",
        "{{ [inputs.text, inputs.text] | tojson(limit=999999999) }}",
        "{{ [" + ", ".join(["inputs.text[1:]"] * 1000) + "] | length }}",
        "{{ inputs.text | trim(inputs.text) }}",
        "{{ [" + ", ".join(["inputs.left"] * 500) + "] == [" + ", ".join(["inputs.right"] * 500) + "] }}",
        "{{ inputs.left in [" + ", ".join(["inputs.right"] * 500) + "] }}",
        "{{ [1, 1] | join(inputs.left) }}",
        "{{ 1 | compare('eq', 1) }}",
        "{{ inputs.text | part(1, 2, 1) }}",
    ],
    ids=lambda source: source[:40],
)
def test_a_template_is_paid_for_before_it_makes_anything(source: str, spent: Callable[[], int]) -> None:
    for render in (expressions.evaluate_template, expressions.render_text, expressions.render_path):
        with pytest.raises(BadExpression):
            render(source, {"inputs": INPUTS})
    assert spent() < 4 * budget.MOST_CHARACTERS


def test_comparisons_and_slices_mean_what_they_did() -> None:
    names = {"inputs": {"n": 5, "text": "abcdef", "list": [1, 2, 3]}}
    for source, value in {
        "{{ 1 < inputs.n <= 5 < 9 }}": True,
        "{{ 1 < inputs.n < 3 }}": False,
        "{{ inputs.n not in [1, 2] }}": True,
        "{{ 'bc' in inputs.text }}": True,
        "{{ inputs.n is gt 3 and inputs.n is in [5] }}": True,
        "{{ inputs.text[1:-1] }}": "bcde",
        "{{ inputs.list[::-1] }}": [3, 2, 1],
        "{{ inputs.text[:2] | upper }}": "AB",
    }.items():
        assert expressions.evaluate_template(source, names) == value, source


def test_all_texts_of_a_structure_share_one_budget() -> None:
    body = [["a{{ inputs.text }}"] * 1000]
    with pytest.raises(BadExpression, match="too large"):
        expressions.evaluate_structure(body, {"inputs": INPUTS})


def test_what_ends_ends_every_expression_inside() -> None:
    with expressions.until(monotonic() - 1), pytest.raises(BadExpression, match="takes too long"):
        expressions.evaluate_template("{{ inputs.one }}", {"inputs": INPUTS})
    with (
        expressions.until(monotonic() - 1),
        expressions.until(monotonic() + 60),
        pytest.raises(BadExpression, match="takes too long"),
    ):
        expressions.extract_value("one", INPUTS)


ENCODED = ["%" + "25" * 30_000 + "41", "%" + "25" * 3_000 + "2e", "%" * 7_000 + "41", "x" * 9_000]


@pytest.mark.parametrize("value", ENCODED, ids=lambda value: value[:12])
def test_a_value_in_a_path_is_decoded_a_few_times_or_refused(value: str) -> None:
    try:
        written = expressions.render_path("notes/{{ inputs.v }}", {"inputs": {"v": value}})
    except BadExpression:
        return
    assert calls.target_url("https://northwind.example", written).endswith(written)


@pytest.mark.parametrize("path", ["%" + "25" * 500_000, "a" * 70_000, "a?q=" + "b" * 70_000])
def test_a_path_that_is_far_too_long_is_not_looked_into(path: str) -> None:
    with pytest.raises(calls.BadPath):
        calls.target_url("https://northwind.example", path)


def test_a_cell_is_cut_before_all_of_it_is_written() -> None:
    assert len(reading.evaluate_cell(DOUBLED, [1])) == cells.LONGEST_TEXT + 1
    assert reading.evaluate_cell("&a", {"a": 1}) is None


@pytest.mark.parametrize("raw", [10**400, -(10**4000), "1" * 400, "-" + "1" * 4000, 1e999])
@pytest.mark.parametrize("kind", ["number", "text", "date", "date_time", "boolean", "badge", "link"])
def test_a_number_that_no_other_program_reads_is_a_text(kind: str, raw: Any) -> None:
    made = cells.make_cell(kind, raw)
    assert not isinstance(made.value, int | float)
    assert made.order is not None
    assert made.words
