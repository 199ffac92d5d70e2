"""Headers of ours that tell callers why a third party refused a call, and what would help."""

import math
from collections.abc import Iterable, Mapping, MutableMapping

from foundation.oauth_client.announced_waits import parse_seconds
from integrations.calls.echoes import SHORTEST
from integrations.calls.header_policy import RENAMED, may_pass_on
from integrations.calls.meanings import Answer, AnswerMeaning
from integrations.connections import step_up
from integrations.connections.renewal import UsableToken

REASON = "Keyrack-Reason"
MISSING_SCOPES = "Keyrack-Missing-Scopes"
UNKNOWN_SCOPES = "Keyrack-Unknown-Scopes"  # those of them that an administrator has to add first
INITIATOR_URL = "Keyrack-Initiator-Url"
CHALLENGE = "WWW-Authenticate"
ASK_THE_PERSON = frozenset({"scope_missing", "person_must_act"})


def tell_caller(headers: MutableMapping[str, str], meaning: AnswerMeaning, token: UsableToken) -> None:
    """Put headers of ours into those of a response, and remove those that only look like ours."""
    for name in [name for name in headers if name.lower().startswith("keyrack-")]:
        del headers[name]
    headers.update(describe(meaning, headers, token))


def reason_of(response: Answer) -> str:
    """What a response of `send` means: insufficient_scope, token_refused, rate_limited or another reason; or ""."""
    return response.headers.get(REASON, "")


def describe(meaning: AnswerMeaning, headers: Mapping[str, str], token: UsableToken) -> dict[str, str]:
    """The headers for the caller. `headers`: those of the third party."""
    ours: dict[str, str] = {}
    if (challenge := headers.get(CHALLENGE, "")) and may_pass_on(CHALLENGE, challenge):
        ours[RENAMED[CHALLENGE.lower()]] = challenge.strip(" \t")
    if not meaning.reason:
        return ours
    ours[REASON] = meaning.reason
    if meaning.wait is not None and not is_announced(meaning.wait, headers):
        ours["Retry-After"] = str(math.ceil(meaning.wait))
    if meaning.code in ASK_THE_PERSON:
        step = step_up.find_step_up(token.pk, without_token(meaning.scopes, token.access_token))
        ours |= {
            MISSING_SCOPES: " ".join(step.missing),
            UNKNOWN_SCOPES: " ".join(step.unknown),
            INITIATOR_URL: step.initiator_url,
        }
    return {name: value for name, value in ours.items() if value}


def without_token(scopes: Iterable[str], access_token: str) -> list[str]:
    """The scopes without those that repeat the token: they are stored, and shown to people and programs."""
    return [scope for scope in scopes if len(access_token) < SHORTEST or access_token not in scope]


def is_announced(wait: float, headers: Mapping[str, str]) -> bool:
    """Whether the third party's own Retry-After says as much."""
    announced = parse_seconds(headers.get("Retry-After", ""))
    return announced is not None and abs(announced - wait) <= 1
