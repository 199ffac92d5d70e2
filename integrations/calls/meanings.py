"""What a third party's answer means for a call: the provider's own rules, then those for any provider.

The rules are data: those of the profile of the registry, and `default_call_rules.CALL_RULES`. Sends nothing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from foundation.oauth_client import (
    announced_waits,
    default_call_rules,
    default_good_answer_rules,
    error_documents,
    response_bodies,
)
from foundation.oauth_client.errors import Fault
from foundation.oauth_client.provider_profile import (
    Meaning,
    ProviderProfile,
    Reply,
    Rule,
    find_rule,
    seconds_to_wait,
    value_at,
)

MOST_PEEKED = 20_000  # bytes of a body that rules may look at
MOST_SCOPES, LONGEST_NAMES = 50, 2000
A_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")  # RFC 6749 §3.3
LONGEST_CLAIMS = 4000
# For callers; the others are not about the call.
REASONS: Mapping[Meaning, str] = {
    "token_over": "token_refused",
    "sign_in_over": "token_refused",
    "scope_missing": "insufficient_scope",
    "person_must_act": "person_must_act",
    "wait": "rate_limited",
    "registration_wrong": "registration_wrong",
    "plan_ended": "plan_ended",
    "temporary": "temporary",
    "not_found": "not_found",
}
FAULTS = {
    "token_refused": Fault.PERSON,
    "insufficient_scope": Fault.PERSON,
    "person_must_act": Fault.PERSON,
    "rate_limited": Fault.PROGRAM,
    "not_found": Fault.PROGRAM,
    "registration_wrong": Fault.SET_UP,
    "plan_ended": Fault.SET_UP,
    "temporary": Fault.PROVIDER,
}  # whose failure it is, by reason
ABOUT_THE_TOKEN = frozenset({"token_over", "sign_in_over", "person_must_act"})
# What an error in a good answer may look like; whether it is one is for the rules.
A_FAILURE = re.compile(
    rb'"status(_?code)?"\s*:\s*"?([4-9]|(fail(ed|ure)?|error)")|"(ok|success)"\s*:\s*false|"(is|has)_?errors?"\s*:\s*true'
    rb'|"errors?"\s*:\s*["\[{]|"result"\s*:\s*"(fail|error)'
    rb'|"(errcode|error_?code|errmsg|error_?message|code|response_?code)"\s*:\s*"?(-?[1-9]|[A-Z])',
    re.IGNORECASE,
)
# Objects that some servers put around all that they answer, and in which an error may stand.
ENVELOPES = ("payload", "response", "error_response", "detail", "header", "meta", "result", "status")
MAY_BE_JSON = ("json", "javascript", "text/html", "text/plain")  # as some servers call it
STREAMS = ("text/event-stream", "application/x-ndjson", "multipart/")  # they begin long before they end


class Answer(Protocol):
    """A response, buffered or streamed."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, kw_only=True)
class AnswerMeaning:
    """What an answer means. An empty `code` is any answer that says nothing about token, scopes or limits.

    `renewing_helps`: a new access token may cure it. `repeatable`: the third party has done nothing. `is_certain`: it
    is the provider's word about this token, not only a status. `wait`: seconds, if it says so.
    """

    code: Meaning | None = None
    renewing_helps: bool = False
    repeatable: bool = False
    is_certain: bool = False
    scopes: tuple[str, ...] = ()
    claims: str = ""
    wait: float | None = None

    @property
    def reason(self) -> str:
        return REASONS.get(self.code, "") if self.code else ""

    @property
    def is_about_the_token(self) -> bool:
        return self.code in ABOUT_THE_TOKEN

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed later."""
        return self.code in {"wait", "temporary"}


NOTHING_SAID = AnswerMeaning()


def read_meaning(
    profile: ProviderProfile, answer: Answer, content: Callable[[], bytes], *, length: int | None = None
) -> AnswerMeaning:
    """What the answer means. `content`: reads the beginning of its body; called only if a rule may depend on it.

    `length`: bytes of the body, if it was read already; otherwise that which the answer announces.
    """
    status, headers = answer.status_code, answer.headers
    body = content() if needs_body(profile, answer, length_of(answer) if length is None else length) else b""
    may_refuse = status == 203 or (300 <= status < 400 and "Location" in headers)
    if status < 400 and not may_refuse and not profile.rules and not (status == 200 and A_FAILURE.search(body)):
        return NOTHING_SAID  # no common rule is about such an answer
    document = without_empty_data(parse_body(body))
    reply = Reply(status=status, headers=headers, document=document, text=body.decode("utf-8", "replace"))
    if own := find_rule(profile, "call", reply):
        return meaning_by_rule(own, profile, reply)
    if profile.default_rules and (meaning := common_meaning(profile, reply)):
        return meaning
    if announced_waits.is_limited(status, headers):
        return AnswerMeaning(code="wait", wait=wait_of(None, profile, reply))
    return NOTHING_SAID


def common_meaning(profile: ProviderProfile, reply: Reply) -> AnswerMeaning | None:
    """By the rules for any provider. Words count before a status alone, in whichever object of the body they stand.

    In a good answer only an envelope is opened. What it holds may be data: it proves nothing, and no call is repeated.
    """
    is_error = reply.status >= 400
    outermost = replace(reply, document=error_documents.spell_plainly(reply.document))
    rule = find_rule(default_call_rules.CALL_RULES, "call", outermost)
    if rule and rule.when:
        return meaning_by_rule(rule, profile, reply, view=outermost)
    inner = error_documents.views_of(reply.document)[1:] if is_error else objects_in_envelopes(outermost.document)
    for view in (replace(reply, document=each) for each in inner):
        inner_rule = find_rule(default_call_rules.CALL_RULES, "call", view)
        if inner_rule and inner_rule.when:
            meaning = meaning_by_rule(inner_rule, profile, reply, view=view)
            return meaning if is_error else replace(meaning, repeatable=False, is_certain=False)
    return meaning_by_rule(rule, profile, reply, view=outermost) if rule else None


def objects_in_envelopes(document: object) -> list[object]:
    if not isinstance(document, dict) or not document.keys().isdisjoint({"data", "id"}):
        return []
    return [document[name] for name in ENVELOPES if isinstance(document.get(name), dict)]


def meaning_by_rule(rule: Rule, profile: ProviderProfile, reply: Reply, *, view: Reply | None = None) -> AnswerMeaning:
    """`view`: the part of the reply that a common rule is about; None for a rule of the profile."""
    names_the_token = (
        view is None or reply.status in {200, 401} or "_token" in reply.headers.get("WWW-Authenticate", "")
    )
    return AnswerMeaning(
        code=rule.means,
        renewing_helps=rule.renewing_helps,
        repeatable=rule.repeatable,
        is_certain=bool(rule.when) and names_the_token and rule not in default_good_answer_rules.LIKE_A_401,
        scopes=missing_scopes(rule, reply) if rule.means == "scope_missing" else (),
        claims=value_at(rule.claims, reply)[:LONGEST_CLAIMS] if rule.claims else "",
        wait=wait_of(rule, profile, reply) if rule.means in {"wait", "temporary"} else None,
    )


def needs_body(profile: ProviderProfile, answer: Answer, length: int | None) -> bool:
    """Whether a rule may depend on the body: that of any 4xx or 500, or of a status of such a rule of the profile.

    Bodies of good answers are looked at if they are short, and never wait for what is still to come.
    """
    status = answer.status_code
    if 400 <= status <= 500 and profile.default_rules:
        return True
    content_type = answer.headers.get("Content-Type", "").strip().lower()
    may_be_json = not content_type or any(name in content_type for name in MAY_BE_JSON)
    if status == 200 and profile.default_rules and may_be_json and length is not None:
        return length <= MOST_PEEKED
    if status < 400 and (content_type.startswith(STREAMS) or (length or 0) > MOST_PEEKED):
        return False
    return any(looks_at_body(rule) and applies_to(rule, status) for rule in profile.rules)


def length_of(answer: Answer) -> int | None:
    length = answer.headers.get("Content-Length", "").strip()
    return int(length[:18]) if length.isascii() and length.isdigit() else None


def applies_to(rule: Rule, status: int) -> bool:
    kinds = (rule.request,) if isinstance(rule.request, str) else rule.request
    statuses = (rule.status,) if isinstance(rule.status, int) else rule.status
    return "call" in kinds and (not statuses or status in statuses)


def looks_at_body(rule: Rule) -> bool:
    places = (*rule.when, rule.wait, rule.scopes, rule.claims)
    return any(place.at or getattr(place, "text", False) for place in places if place)


def parse_body(body: bytes) -> object:
    if not body:
        return None
    try:
        return response_bodies.parse_json(body)
    except ValueError:
        return response_bodies.xml_members(body) or response_bodies.sentence_of(body)


def without_empty_data(document: object) -> object:
    """The document without the member `data` if nothing in it has a value, as GraphQL has it beside errors."""
    if not (isinstance(document, dict) and document.get("errors") and isinstance(data := document.get("data"), dict)):
        return document
    has_values = any(value not in (None, {}, []) for value in data.values())
    return document if has_values else {name: value for name, value in document.items() if name != "data"}


def missing_scopes(rule: Rule, reply: Reply) -> tuple[str, ...]:
    """The scopes that the answer names, where the rule says, or at the usual places."""
    if rule.scopes:
        named = value_at(rule.scopes, reply)
    else:
        views = [replace(reply, document=each) for each in error_documents.views_of(reply.document)]
        values = (value_at(place, view) for place in default_call_rules.MISSING_SCOPES for view in views)
        named = next(filter(None, values), "")
    scopes = dict.fromkeys(named[:LONGEST_NAMES].replace(",", " ").split())
    return tuple(filter(A_SCOPE.fullmatch, scopes))[:MOST_SCOPES]


def wait_of(rule: Rule | None, profile: ProviderProfile, reply: Reply) -> float | None:
    """Seconds to wait: as the profile says; otherwise the longest that the usual places name."""
    own = seconds_to_wait(profile.limits.wait, reply)
    by_rule = seconds_to_wait((rule.wait,), reply) if rule and rule.wait else None
    if rule in profile.rules and by_rule is not None:
        return by_rule
    if own is not None:
        return own
    announced = (announced_waits.announced_wait(reply.headers), announced_waits.wait_in_body(reply.document))
    return max((wait for wait in (by_rule, *announced) if wait is not None), default=None)
