"""A profile is read strictly, and its rules say what a response means."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine
from requests.structures import CaseInsensitiveDict

from foundation.oauth_client import default_call_rules, default_good_answer_rules, default_rules
from foundation.oauth_client.provider_profile import (
    STANDARD,
    BadProfile,
    Reply,
    find_rule,
    parse_profile,
    seconds_to_wait,
    value_at,
)
from foundation.oauth_client.provider_profile.parsing import find_faults
from foundation.oauth_client.provider_profile.rule_format import Place, Rule, Wait

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def rule_for(rules: list[dict[str, object]], reply: Reply, request: str = "refresh") -> str:
    rule = find_rule(parse_profile({"rules": rules}), request, reply)  # type: ignore[arg-type]
    return rule.means if rule else ""


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([], "A provider profile is a JSON object"),
        ({"x": 1}, "Object contains unknown field `x`."),
        ({"calls": {"parametres": {}}}, "Object contains unknown field `parametres`, in calls."),
        ({"rules": [{"means": "nope", "status": 400}]}, "in rules[0].means."),
        ({"rules": [{"means": "wait"}]}, "has neither a status nor a condition"),
        ({"rules": [{"means": "wait", "status": "400"}]}, "in rules[0].status."),
        ({"rules": [{"means": "wait", "when": [{"at": "error"}]}]}, "begins with a slash"),
        ({"rules": [{"means": "wait", "when": [{"at": "/a", "header": "B"}]}]}, "looks at one thing"),
        ({"rules": [{"means": "wait", "when": [{"text": True}]}]}, "needs “matches”"),
        ({"rules": [{"means": "wait", "when": [{"at": "/a", "matches": "("}]}]}, "isn’t a regular expression"),
        ({"error": {"code": "code"}}, "begins with a slash"),
        ({"token_answer": {"members": {"access_token": "accessToken"}}}, "begins with a slash"),
        ({"authorization": {"names": {"state": "s"}}}, "Keyrack sets this itself: state."),
        ({"authorization": {"parameters": {"code_challenge": "x"}}}, "Keyrack sets this itself: code_challenge."),
        ({"callback": {"keep": {"access_token": {}}}}, "can’t be the name of a kept value"),
        ({"exchange": {"url": "https://{site}.example/token"}}, "a placeholder before its path"),
        ({"self_renewal": {"url": "/token"}}, "isn’t an address"),
        ({"value_maps": {"dc": {"a": "b"}}}, "There is a map for “dc”, which isn’t a kept value."),
        ({"paging": {"style": "last_row", "next": "/id"}}, "Paging by the last row needs"),
        ({"paging": {"style": "page", "next_header": "X"}}, "is for the styles next_url and cursor."),
        ({"callback": {"signature": {"parameter": ""}}}, "needs the name of its parameter."),
        ({"rules": [{"means": "wait", "status": 400, "ambiguous": True}]}, "can be ambiguous."),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(raw: object, sentence: str) -> None:
    with pytest.raises(BadProfile, match=r"\.$") as refusal:
        parse_profile(raw)
    assert sentence in str(refusal.value)


def test_an_empty_profile_is_the_standard() -> None:
    assert parse_profile({}) is STANDARD
    assert find_rule(STANDARD, "refresh", Reply(status=400, document={"error": "invalid_grant"})) is None


def test_the_first_rule_that_matches_says_what_is_meant() -> None:
    rules: list[dict[str, object]] = [
        {"request": "refresh", "status": 400, "when": [{"at": "/error", "equals": "early"}], "means": "keep_token"},
        {
            "status": [400, 403],
            "when": [{"at": ["/code", "/error"], "equals": ["gone", 40030]}],
            "means": "sign_in_over",
        },
        {"status": 400, "means": "unsure"},
    ]
    assert rule_for(rules, Reply(status=400, document={"error": "early"})) == "keep_token"
    assert rule_for(rules, Reply(status=400, document={"error": "early"}), "code") == "unsure"
    assert rule_for(rules, Reply(status=403, document={"error": "gone"})) == "sign_in_over"
    assert rule_for(rules, Reply(status=400, document={"code": 40030})) == "sign_in_over"
    assert rule_for(rules, Reply(status=403, document={"code": "40030"})) == ""
    assert rule_for(rules, Reply(status=400, document=None)) == "unsure"


def test_conditions_are_joined_by_and() -> None:
    rules: list[dict[str, object]] = [
        {
            "request": "call",
            "when": [
                {"at": "/ok", "equals": False},
                {"header": "X-Kind", "matches": "token"},
                {"text": True, "matches": "revoked"},
                {"at": "/retry", "absent": True},
            ],
            "means": "token_over",
        }
    ]
    headers = CaseInsensitiveDict({"x-kind": "Token-Error"})
    reply = Reply(status=200, headers=headers, document={"ok": False}, text='{"ok": false, "why": "REVOKED"}')
    assert rule_for(rules, reply, "call") == "token_over"
    for other in (
        Reply(status=200, headers=headers, document={"ok": True}, text=reply.text),
        Reply(status=200, headers=headers, document={"ok": 0}, text=reply.text),
        Reply(status=200, document={"ok": False}, text=reply.text),
        Reply(status=200, headers=headers, document={"ok": False}, text=""),
        Reply(status=200, headers=headers, document={"ok": False, "retry": 1}, text=reply.text),
    ):
        assert rule_for(rules, other, "call") == ""


@pytest.mark.parametrize(
    ("wait", "reply", "seconds"),
    [
        (Wait(header="Retry-After"), Reply(headers={"Retry-After": "7"}), 7.0),
        (
            Wait(header="X-Reset", unit="epoch_seconds"),
            Reply(headers={"X-Reset": str(int(NOW.timestamp()) + 30)}),
            30.0,
        ),
        (Wait(at="/reset", unit="epoch_milliseconds"), Reply(document={"reset": NOW.timestamp() * 1000 + 500}), 0.5),
        (Wait(at="/wait", unit="milliseconds"), Reply(document={"wait": "1500"}), 1.5),
        (Wait(header="X-At", unit="date"), Reply(headers={"X-At": (NOW + timedelta(minutes=1)).isoformat()}), 60.0),
        (Wait(header="Limits", pattern=r"reset=(\d+)"), Reply(headers={"Limits": "left=0; reset=12"}), 12.0),
        (Wait(seconds=600), Reply(), 600.0),
        (Wait(header="X-Reset", seconds=5), Reply(headers={"X-Reset": "soon"}), 5.0),
        (Wait(header="X-Reset", unit="epoch_seconds"), Reply(headers={"X-Reset": "0"}), 0.0),
        (Wait(header="X-Reset"), Reply(headers={"X-Reset": "1e300"}), 86400.0),
        (Wait(header="X-Reset"), Reply(headers={"X-Reset": "nan"}), None),
        (Wait(header="X-Reset"), Reply(), None),
    ],
)
def test_waits_are_read_in_their_unit(wait: Wait, reply: Reply, seconds: float | None) -> None:
    with time_machine.travel(NOW, tick=False):
        assert seconds_to_wait((wait,), reply) == (pytest.approx(seconds) if seconds is not None else None)


def test_the_longest_of_several_waits_counts() -> None:
    reply = Reply(headers={"A": "5", "B": "50"})
    assert seconds_to_wait((Wait(header="A"), Wait(header="B")), reply) == 50.0


def test_a_value_is_read_from_the_first_place_that_has_one() -> None:
    reply = Reply(headers={"WWW-Authenticate": 'Bearer scope="a b"'}, document={"needed": ["c", "d"], "number": 7})
    assert value_at(Place(header="WWW-Authenticate", pattern='scope="([^"]+)"'), reply) == "a b"
    assert value_at(Place(at=("/missing", "/needed")), reply) == "c d"
    assert value_at(Place(at="/number"), reply) == "7"
    assert value_at(Place(at="/missing"), reply) == ""


@pytest.mark.parametrize(
    "rules",
    [default_rules.RULES.rules, default_call_rules.CALL_RULES.rules, default_good_answer_rules.LIKE_A_401],
    ids=["of answers", "of calls", "like a 401"],
)
def test_the_rules_for_any_provider_are_without_faults(rules: tuple[Rule, ...]) -> None:
    assert rules
    assert list(find_faults(msgspec.structs.replace(STANDARD, rules=rules))) == []
