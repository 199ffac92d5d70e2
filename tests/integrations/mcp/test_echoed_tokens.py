"""Tokens that a third party repeats, in the forms that libraries write them in."""

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from integrations.mcp.echoed_tokens import REMOVED, remove_tokens
from integrations.mcp.results import ToolAnswer

OPAQUE = "CANARY-4/0AX4XfWg+7q==~x"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.CANARY-dQw4w9WgXcQ_1"


def lower_hex(text: str) -> str:
    return quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d")


def escaped_json(text: str) -> str:
    """As PHP and .NET write a string."""
    return json.dumps({"token": text}).replace("/", "\\/").replace("+", "\\u002B").replace("=", "\\u003d")


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda token: quote(token, safe=""),
    "percent, in lower case": lower_hex,
    "percent, but not the slashes": quote,
    "percent, all of it that may be": lambda token: quote(token, safe="").replace("-", "%2D").replace(".", "%2E"),
    "percent, twice": lambda token: quote(quote(token, safe=""), safe=""),
    "form": lambda token: urlencode({"access_token": token}),
    "JSON in a string": lambda token: json.dumps({"token": token}),
    "JSON with escapes in a string": escaped_json,
    "JSON with escapes in a string in a string": lambda token: json.dumps(escaped_json(token)),
    "base64": lambda token: base64.b64encode(token.encode()).decode(),
    "base64 for addresses": lambda token: base64.urlsafe_b64encode(token.encode()).decode().rstrip("="),
    "base64 of a header": lambda token: base64.b64encode(f"Bearer {token}".encode()).decode(),
    "base64 of two headers": lambda token: base64.b64encode(f"Authorization: Bearer {token}\r\nx: y".encode()).decode(),
    "base64 of JSON": lambda token: base64.b64encode(json.dumps({"a": 1, "t": token, "b": 2}).encode()).decode(),
    "hexadecimal": lambda token: f"Bearer {token}".encode().hex(),
    "hexadecimal in capitals": lambda token: token.encode().hex().upper(),
    "base64, percent": lambda token: quote(base64.b64encode(token.encode()).decode(), safe=""),
}


@pytest.mark.parametrize("token", [OPAQUE, JWT])
@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_found_in_each_form(form: str, token: str) -> None:
    written = FORMS[form](token)
    answer = ToolAnswer(values={"before": "x", "echo": f"a {written} b", written: 1}).without([token])
    text = json.dumps(answer.values)
    assert text.count(REMOVED) == 2
    for known in (token, token[3:], written, written[10:-10]):
        assert known not in text
        assert json.dumps(known)[1:-1] not in text
    assert (answer.values or {})["before"] == "x"


def test_the_rest_of_the_answer_stays_as_it_is() -> None:
    values: dict[str, Any] = {"a": OPAQUE[:12], "b": [1, None, '\\"/\u20ac'], "c": html.escape("<&>"), "d": "x" * 100}
    assert ToolAnswer(values=values).without([OPAQUE, JWT, "x" * 7]).values == values


@pytest.mark.parametrize("token", ['CANARY"quote\\and-more', "\\CANARY-first\\", '"CANARY-quoted"'])
def test_a_token_with_quotes_and_backslashes_leaves_json(token: str) -> None:
    values = {"a": token, "b": f"{token}\n", "c": f'{token}"', "d": [f"\\{token}"]}
    text = json.dumps(ToolAnswer(values=values).without([token]).values)
    assert text.count(REMOVED) == 4
    assert "CANARY" not in text


def test_a_token_in_a_file_is_found() -> None:
    content = b"\xff\x00" + OPAQUE.encode() + b"\xfe" + base64.b64encode(OPAQUE.encode()) + b"\x80"
    answer = ToolAnswer(values={}, binary=content).without([OPAQUE])
    assert OPAQUE.encode() not in answer.binary
    assert answer.binary.count(REMOVED.encode()) == 2
    assert answer.binary[:2] + answer.binary[-1:] == b"\xff\x00\x80"


@pytest.mark.parametrize("hostile", ["\\" * 300_000, "%25" * 100_000, "/CANARY" * 50_000])
def test_no_answer_makes_the_search_long(hostile: str) -> None:
    """Quadratic time would be hours."""
    token = "/CANARY-/-a"
    text = remove_tokens(json.dumps({"a": hostile, "b": token}), [token])
    assert text.endswith(f'"b": "{REMOVED}"}}')
