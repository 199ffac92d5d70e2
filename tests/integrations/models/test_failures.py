"""The catalogue of failures: each code that the product can raise has a row, and there is no second table."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from foundation.oauth_client import error_codes, errors
from foundation.oauth_client.errors import Fault, OAuthError
from foundation.oauth_client.provider_profile import Meaning
from integrations.models import failures
from integrations.models.card import Ending
from integrations.models.card.endings import BY_FAULT
from integrations.models.tokens.renewals import KINDS
from integrations.remote_tables.errors import TableMisconfigured

PRODUCT = [path for top in ("foundation", "integrations") for path in sorted(Path(top).rglob("*.py"))]
RAISED = {kind.__name__ for kind in KINDS.values()} | {"OAuthError", "NoUsableToken", "NotAuthenticated"}
OF_RUNS = {"StepFailed", "Failure", "step_failure", "run_failure"}
RECORDED = {"fail_attempt", "end_token", "hold_renewals", "note_misconfigured"}  # code: the last positional text
MADE_AT_RUN_TIME = {"no_", "malformed_", "http_"}  # with the name of a member, or a status
ABOUT_MEANINGS = {"error_answers.py", "meanings.py", "offered_tools.py"}  # of rules; some are codes as well
# `Refused` of the configuration import is another class: its first argument is a column.
ELSEWHERE = {"integrations/provider_setup/configuration/guards.py"}


def calls() -> Iterator[tuple[str, str, list[ast.expr]]]:
    for path in PRODUCT:
        if str(path) in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                codes = [word.value for word in node.keywords if word.arg in {"code", "error_code", "failure_code"}]
                yield str(path), name, [*node.args, *codes]


def texts_of(node: ast.expr) -> Iterator[str]:
    """Texts that an expression can have: of both branches, but not of what it calls or of its condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts_of(node.body), *texts_of(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (text for each in node.values for text in texts_of(each))
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value)


def codes_of_sign_ins() -> dict[str, str]:
    """Codes that functions named `…_code` of the sign-in return, to be recorded."""
    codes: dict[str, str] = {}
    for path in Path("integrations/connections/authorization").glob("*.py"):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            if function.name.endswith("_code") and function.returns and ast.unparse(function.returns) == "str":
                returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
                codes |= {text: str(path) for value in returned for text in texts_of(value) if text}
    return codes


def codes_raised(names: set[str]) -> dict[str, str]:
    """Codes by the module that raises or records them with one of these names."""
    codes: dict[str, str] = {}
    for path, name, arguments in calls():
        if name in names:
            for argument in arguments[: 2 if name in RECORDED else 1] + arguments[-1:]:
                codes |= {text: path for text in texts_of(argument) if text.isidentifier() and text.islower()}
    return {code: path for code, path in codes.items() if code not in MADE_AT_RUN_TIME}


@pytest.mark.slow
def test_each_code_that_is_raised_or_recorded_has_a_row() -> None:
    codes = codes_raised(RAISED | RECORDED) | codes_of_sign_ins()
    assert len(codes) > 40
    assert {"issuer_missing", "missing_code", "http_401", "bad_url"} <= set(codes)
    assert {code: path for code, path in codes.items() if not failures.failure_of(code)} == {}


@pytest.mark.slow
def test_each_code_of_a_run_has_a_row() -> None:
    codes = codes_raised(OF_RUNS)
    assert len(codes) > 10
    assert {code: path for code, path in codes.items() if code not in failures.ANSWERS} == {}


def test_a_code_of_a_server_has_the_fault_of_its_class() -> None:
    kinds: dict[Fault, type[errors.OAuthError]] = {
        Fault.PERSON: errors.Refused,
        Fault.SET_UP: errors.Misconfigured,
        Fault.PROVIDER: errors.Unreachable,
    }
    for code, row in error_codes.CODES.items():
        assert failures.FAILURES[code].fault == (row.fault or Fault.ANSWER)
        assert row.fault is None or kinds[row.fault].fault == row.fault


@pytest.mark.parametrize("kind", [OAuthError, *KINDS.values(), errors.ClockSkew, TableMisconfigured])
def test_each_error_has_an_answer_for_programs(kind: type[OAuthError]) -> None:
    assert failures.OF_FAULT[kind.fault].sentence
    assert failures.OF_FAULT[kind.fault].status == 502


def test_each_ending_that_a_row_names_exists() -> None:
    for row in failures.FAILURES.values():
        assert not row.ending or Ending(row.ending)
    assert set(BY_FAULT) <= set(Fault)


@pytest.mark.slow
def test_no_other_module_has_a_table_of_codes() -> None:
    codes = (set(failures.FAILURES) | set(failures.ANSWERS)) - set(get_args(Meaning))  # meanings of rules are no codes
    tables = [
        (path, node.lineno, {text for each in elements_of(node) for text in texts_of(each)} & codes)
        for path in PRODUCT
        if path.name not in {"failures.py", "error_codes.py", *ABOUT_MEANINGS}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict | ast.Set)
    ]
    assert len(tables) > 300
    assert [(path, line, named) for path, line, named in tables if len(named) > 2] == []


def elements_of(table: ast.Dict | ast.Set) -> list[ast.expr]:
    return [key for key in table.keys if key] if isinstance(table, ast.Dict) else table.elts
