"""Whether a revoked token is dead, by the provider's own word. A proof that cannot be had changes nothing.

"Inactive" proves something only where the provider called the same token alive before it was told: servers that know
only access tokens call every refresh token inactive, and some do so whenever the access token has run out. A refused
refresh needs no such witness.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from foundation.oauth_client import client, transport
from foundation.oauth_client.errors import OAuthError
from integrations.connections.revocations.refresh_proof import refresh_is_refused
from integrations.models import revocation_reach
from integrations.models.tokens import Revocation

WITNESS_SECONDS = 5.0  # the provider is not told before, so this is short
SECONDS = 10.0

Question = Callable[[Revocation, str], bool | None]


class Verdict(StrEnum):
    DEAD = "dead"
    ALIVE = "alive"
    UNKNOWN = "unknown"


def collect_witnesses(revocation: Revocation) -> None:
    """Note which tokens the provider calls alive before it is told of them."""
    if revocation.told:  # it has heard of one at least, so what it says now is no witness
        return
    witnesses = {}
    with transport.deadline(WITNESS_SECONDS):
        for name in unexpired_tokens(revocation):
            for way in ways_to_ask(revocation, name):
                if answer_to(QUESTIONS[way], revocation, name):
                    witnesses[name] = {"by": way, "at": timezone.now().isoformat()}
                    break
    if witnesses != revocation.witnesses:
        revocation.note(witnesses=witnesses)


def examine(revocation: Revocation) -> Verdict:
    """DEAD only where each token that could still live is proved dead. Asks for a refresh last, for it may succeed."""
    verdicts = {}
    with transport.deadline(SECONDS):
        for name in unexpired_tokens(revocation):
            verdicts[name] = verdict_on(revocation, name)
            if verdicts[name] == Verdict.ALIVE:
                return Verdict.ALIVE
        if verdicts.get("refresh_token") == Verdict.UNKNOWN:
            verdicts["refresh_token"] = verdict_by_refresh(revocation)
    if Verdict.ALIVE in verdicts.values():
        return Verdict.ALIVE
    return Verdict.DEAD if verdicts and set(verdicts.values()) == {Verdict.DEAD} else Verdict.UNKNOWN


def verdict_on(revocation: Revocation, name: str) -> Verdict:
    for way in ways_to_ask(revocation, name):
        is_alive = answer_to(QUESTIONS[way], revocation, name)
        if is_alive:
            return Verdict.ALIVE
        if is_alive is False and has_witness(revocation, name, way):
            return Verdict.DEAD
    return Verdict.UNKNOWN


def verdict_by_refresh(revocation: Revocation) -> Verdict:
    """ALIVE: the provider gave new tokens, which are to be revoked now.

    Not asked where a newer sign-in hangs on the same grant: a server may take the refresh for a stolen token, and end
    the grant.
    """
    if revocation_reach.would_end_a_newer_grant(revocation) or revocation_reach.may_end_a_coming_grant(revocation):
        return Verdict.UNKNOWN
    try:
        return Verdict.DEAD if refresh_is_refused(revocation) else Verdict.ALIVE
    except OAuthError:
        return Verdict.UNKNOWN


def unexpired_tokens(revocation: Revocation) -> list[str]:
    """Those that no clock has ended. Of an access token that has run out, a refusal proves nothing."""
    names = ["refresh_token"] if revocation.refresh_token else []
    return [*names, "access_token"] if outlives(revocation, timezone.now()) else names


def outlives(revocation: Revocation, moment: datetime) -> bool:
    """The access token lives at this moment, by its own time."""
    expires_at = revocation.access_token_expires_at
    return bool(revocation.access_token) and (expires_at is None or expires_at > moment)


def ways_to_ask(revocation: Revocation, name: str) -> Iterator[str]:
    if revocation.introspection_url:
        yield "introspection"
    if revocation.userinfo_url and name == "access_token":
        yield "userinfo"


def has_witness(revocation: Revocation, name: str, way: str) -> bool:
    """The same endpoint called the same token alive. For a refresh token, not if the access token ran out since:
    there are servers that call both inactive from then on.
    """
    witness = revocation.witnesses.get(name, {})
    if witness.get("by") != way:
        return False
    lived_then = outlives(revocation, datetime.fromisoformat(witness["at"]))
    return name == "access_token" or not lived_then or outlives(revocation, timezone.now())


def answer_to(ask: Question, revocation: Revocation, name: str) -> bool | None:
    """Whether the token is alive. None: no clear answer."""
    with suppress(OAuthError):
        return ask(revocation, name)
    return None


def ask_introspection(revocation: Revocation, name: str) -> bool | None:
    """RFC 7662. Only a true `true` and a false `false` are answers."""
    told = client.introspect(revocation.registration(), getattr(revocation, name), hint=name)
    active = told.claims.get("active")
    return active if isinstance(active, bool) else None


def ask_userinfo(revocation: Revocation, name: str) -> bool | None:
    try:
        client.userinfo(revocation.registration(), getattr(revocation, name))
    except OAuthError as error:
        return False if error.status == 401 else None
    return True


QUESTIONS: dict[str, Question] = {"introspection": ask_introspection, "userinfo": ask_userinfo}
