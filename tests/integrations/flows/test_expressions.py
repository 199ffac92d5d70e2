"""Templates and paths: what they can say, what they cannot do, and how large anything may become."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import calls, expressions
from integrations.expressions import LARGEST, BadExpression, budget
from integrations.expressions.percent_encoding import unquote_fully

NAMES = {
    "inputs": {"n": 5, "text": "a b", "none": None, "yes": True, "list": [1, "x"], "items": "an item",
               "big": "x" * 900_000},
    "steps": {"first": {"status": 200, "body": {"items": [{"y": "é"}], "keys": {"a": 1}}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ inputs.n }}", 5),
        (" {{ inputs.n }} ", 5),
        ("{{ inputs.none }}", None),
        ("{{ inputs.list }}", [1, "x"]),
        ("{{ steps.first.body.items[0].y }}", "é"),  # a key, though dictionaries have a method of this name
        ("{{ steps.first.body.keys }}", {"a": 1}),
        ("{{ inputs['items'] }}", "an item"),
        ("{{ inputs.n * 2 + 1 }}", 11),
        ("{{ inputs.n > 3 and not inputs.none }}", True),
        ("{{ 'many' if inputs.n > 3 else 'few' }}", "many"),
        ("{{ inputs.n if inputs.none }}", None),
        ("n={{ inputs.n if inputs.none }}", "n="),
        ("{{ inputs.missing | default(7) }}", 7),
        ("{{ steps.first.body.no.such.thing | default('') }}", ""),
        ("{{ inputs.list | join('-') }}", "1-x"),
        ("{{ inputs.text | upper | length }}", 3),
        ("{{ inputs.n in [4, 5] }}", True),
        ("n={{ inputs.n }}&{{ inputs.none }}{{ inputs.yes }}", "n=5&true"),
        ("{{ inputs.list }}!", '[1, "x"]!'),
        ("5", "5"),
        ("{% raw %}{{ inputs.n }}{% endraw %}{# note #}", "{{ inputs.n }}"),
    ],
)
def test_a_template_says_what_it_stands_for(source: str, value: Any) -> None:
    expressions.check_template(source)
    assert expressions.evaluate_template(source, NAMES) == value


HOSTILE = [
    "{{ ''.__class__.__mro__ }}",
    "{{ inputs.__class__ }}",
    "{{ inputs.text.format }}",
    "{{ inputs.list.append(1) }}",
    "{{ inputs.list.__init__.__globals__ }}",
    "{{ inputs['__class__'] }}",
    "{{ self }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ lipsum() }}",
    "{{ range(10**9) }}",
    "{{ dict(a=1) }}",
    "{{ namespace() }}",
    "{{ inputs | attr('__class__') }}",
    "{{ inputs.list | map(attribute='__class__') | list }}",
    "{{ inputs.text | format(1) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ 'a' * 999999999 }}",
    "{{ [1] * 999999999 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ inputs.big ~ inputs.big }}",
    "{{ inputs.text | replace('', inputs.big) }}",
    "{{ inputs.text | center(999999999) }}",
    "{{ 1.5 | round(999999999) }}",
    "{% for a in inputs.list %}{% for b in inputs.list %}x{% endfor %}{% endfor %}",
    "{% set x = 1 %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% extends 'base.html' %}",
    "{% import 'x' as y %}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = 1 %}{% endwith %}",
    "{% if inputs.n %}x{% endif %}",
    "{% do x %}",
    "{{ inputs.n | default(*inputs.list) }}",
    "{{" + "(" * 4000 + "1" + ")" * 4000 + "}}",
    "{{" + "[" * 300 + "]" * 300 + "}}",
    "{{" + "not " * 3000 + "1 }}",
    "{{" + "-" * 3000 + "1 }}",
    "{{ 1" + "+1" * 3000 + " }}",
    "{{ inputs" + ".a" * 3000 + " }}",
    "x" * 20_001,
    "{{ inputs.big }}{{ inputs.big }}",
    "{{ [inputs.big, inputs.big] | tojson }}",
    "{{ [inputs.big, inputs.big] | join }}",
    "{{ [inputs.big, inputs.big] | string }}",
    "a{{ [inputs.big, inputs.big] }}",
    "{{ inputs.missing }}",
    "{{ nowhere }}",
    "{{ 1 / 0 }}",
    "{{ inputs.text + inputs.text }}",
    "{{ inputs.n",
    "{{ }}",
    "{{ inputs.n | nofilter }}",
    "{{ inputs.n is notest }}",
]


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:40])
def test_a_hostile_template_gets_nothing_and_says_so_in_a_sentence(source: str) -> None:
    for render in (expressions.evaluate_template, expressions.render_text, expressions.render_path):
        with pytest.raises(BadExpression) as refused:
            render(source, NAMES)
        assert "xxxx" not in str(refused.value)
        assert len(str(refused.value)) < 300


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(alphabet="{}%#()[]|.'\"+-*/~ abinputs019_=,:<>\\\n", max_size=60))
def test_whatever_is_typed_either_renders_or_is_refused(typed: str) -> None:
    for source in (typed, "{{" + typed + "}}"):
        try:
            expressions.check_template(source)
            expressions.render_text(source, NAMES)
            expressions.evaluate_template(source, NAMES)
        except BadExpression:
            pass


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(max_size=30))
def test_a_value_in_a_path_stays_in_its_segment(value: str) -> None:
    try:
        path = expressions.render_path("notes/{{ inputs.v }}/text", {"inputs": {"v": value}})
    except BadExpression:
        return
    head, segment, tail = path.split("/")
    assert (head, tail) == ("notes", "text")
    decoded = unquote_fully(segment)
    assert decoded.strip() not in {"", ".", ".."}
    assert not set(decoded) & set("/\\;\r\n\0")
    assert calls.target_url("https://northwind.example/api", path) == f"https://northwind.example/api/{path}"


@pytest.mark.parametrize(
    "value",
    ["", " ", ".", "..", "a/b", "..%2f..", "%2e%2e", "%252e%252e", "%25252f", "a\\b", "a;b", "a\nb", "\ud800", None],
)
def test_a_value_that_could_lead_out_of_its_segment_is_refused(value: str | None) -> None:
    with pytest.raises(BadExpression):
        expressions.render_path("notes/{{ inputs.v }}", {"inputs": {"v": value}})


def test_the_texts_of_a_json_structure_are_templates_and_nothing_else_is() -> None:
    body = {"{{ inputs.n }}": ["{{ inputs.n }}", {"a": "n {{ inputs.n }}"}, 1, None, True], "b": "{{ inputs.list }}"}
    made = {"{{ inputs.n }}": [5, {"a": "n 5"}, 1, None, True], "b": [1, "x"]}
    assert expressions.evaluate_structure(body, NAMES) == made


def test_what_comes_from_outside_is_never_a_template() -> None:
    names = {"inputs": {"v": "{{ inputs.secret }}", "secret": "CANARY"}}
    assert expressions.evaluate_template("{{ inputs.v }}", names) == "{{ inputs.secret }}"
    assert expressions.render_text("a {{ inputs.v }}", names) == "a {{ inputs.secret }}"


def test_json_is_written_within_bounds() -> None:
    large = "x" * (LARGEST // 2)
    with pytest.raises(BadExpression, match="too large"):
        expressions.as_json([large] * 1000)
    for strange in (float("nan"), float("inf"), object(), {1, 2}):
        with pytest.raises(BadExpression, match="as JSON"):
            expressions.as_json(strange)
    with pytest.raises(BadExpression, match="half a character"):
        expressions.as_json({"a": "\ud800"})
    assert json.loads(expressions.as_json({"a": "\U0001f600 \\ud800"})) == {"a": "\U0001f600 \\ud800"}


def test_paths_lead_into_answers() -> None:
    data = {"steps": {"list": {"body": {"result": [{"n": 1}, {"n": 2}, {}]}}}}
    assert expressions.extract_value("steps.list.body.result[*].n", data) == [1, 2]
    assert expressions.extract_value("steps.list.body.result[?n > `1`] | [0].n", data) == 2
    assert expressions.extract_value("steps.other.body", data) is None
    assert expressions.first_names("steps.list.body.result[*].n") == ("steps", "list")
    assert expressions.first_names("length(steps.list.body)") == ("", "")


@pytest.mark.parametrize(
    "path", ["a[?", "", "a..b", "nofunction(a)", "a | [?nofunction(b)]", "x" * 20_001, "(" * 3000, f"a{'[]' * 3000}"]
)
def test_a_path_that_cannot_be_read_is_refused_in_words(path: str) -> None:
    with pytest.raises(BadExpression):
        expressions.check_path(path)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("|".join(["[@,@][]"] * 60), [1]),  # doubles at each step
        ("|".join(["[to_string(@),to_string(@)] | join('', @)"] * 60), "x"),
        ("abs(a)", {"a": "x"}),
        ("[*].sort(@)", [[1, "a"]]),
    ],
)
@pytest.mark.slow
def test_a_path_that_grows_or_does_not_fit_stops_in_a_sentence(path: str, data: Any) -> None:
    expressions.check_path(path)
    with pytest.raises(BadExpression):
        expressions.extract_value(path, data)


def test_a_path_that_goes_through_megabytes_again_and_again_stops_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LONGEST", -1.0)
    with pytest.raises(BadExpression, match="takes too long"):
        expressions.extract_value("reverse(@)", "x")
