"""One attempt at one promise: refresh token first, then access token (RFC 7009 §2.1), each remembered when heard."""

import logging
from datetime import timedelta
from functools import partial

from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.oauth_client import revocation as wire
from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused
from foundation.oauth_client.revocation import Ending
from foundation.oauth_client.revocation_requests import Dialect
from foundation.secrets_at_rest import Unreadable
from integrations.connections.revocations import verification
from integrations.connections.revocations.postponement import (
    abandon,
    postpone,
    postpone_after_fault,
    put_off,
)
from integrations.connections.revocations.refresh_proof import is_dead_by_its_refresh_token, lives
from integrations.connections.revocations.settlement import settle
from integrations.models import revocation_reach
from integrations.models.registry import Use
from integrations.models.tokens import Revocation, RevocationState

logger = logging.getLogger(__name__)

SECONDS = 20.0  # for all calls of one attempt that tell; the proof has its own
LEASE = timedelta(seconds=55)  # longer than an attempt with its proof
OUR_FAULT = frozenset({"invalid_client", "unauthorized_client", "http_401", "bad_revocation_request"})


class Hopeless(Exception):
    """However often it is tried: what the call would have to carry is not there."""


class Overtaken(Exception):
    """Somebody settled it meanwhile; nothing more must be sent."""


def deliver(revocation: Revocation) -> None:
    """One attempt, if it is due and nobody else is at it."""
    if revocation.claim(LEASE) and (state := pursue(revocation)):
        settle([(revocation, state)])


def pursue(revocation: Revocation) -> RevocationState | None:
    """One attempt at a promise that is claimed: the state that it has earned, still to be settled, or None.

    Whatever goes wrong, the attempt is counted and the next one waits.
    """
    work, count = f"Revocation {revocation.hex}", partial(postpone_after_fault, revocation)
    with error_boundary(work, on_error=count):
        return pursue_claimed(revocation)
    return None


def pursue_claimed(revocation: Revocation) -> RevocationState | None:
    """What would hit a newer sign-in is not kept."""
    if revocation_reach.would_end_a_newer_grant(revocation):
        revocation.settle(RevocationState.SUPERSEDED)
    elif revocation_reach.may_end_a_coming_grant(revocation):
        put_off(revocation)
    elif not revocation.holds_copies:
        abandon(revocation, "no copy left")
    else:
        return attempt(revocation)
    return None


def attempt(revocation: Revocation) -> RevocationState | None:
    try:
        verification.collect_witnesses(revocation)
        with transport.deadline(SECONDS):
            state = tell(revocation)
    except OAuthError as error:
        blame_registry(revocation, error)
        postpone(revocation, error)
    except Unreadable:
        logger.error("Revocation %s cannot be opened: is its key missing?", revocation.hex)
        postpone(revocation, "unreadable")
    except Hopeless as error:
        abandon(revocation, str(error))
    except Overtaken:
        logger.info("Revocation %s was settled while it was delivered.", revocation.hex)
    else:
        return conclusion(revocation, state)
    return None


def tell(revocation: Revocation) -> RevocationState:
    """Tell the provider of each token that it wants to hear of. What it comes to hangs on the first."""
    dialect = wire.dialect_of(revocation.revocation_request)
    held = [name for name in dialect.send if getattr(revocation, name)]
    if not held:
        revocation.last_answer = f"no {dialect.send[0].replace('_', ' ')}"
        return RevocationState.UNSUPPORTED
    if is_dead_by_its_refresh_token(revocation, dialect):
        return RevocationState.VERIFIED
    for name in held:
        if name not in revocation.told:
            note_progress(revocation)
            tell_of(revocation, dialect, name)
    return RevocationState.CONFIRMED if held[0] in revocation.told else RevocationState.UNSUPPORTED


def tell_of(revocation: Revocation, dialect: Dialect, name: str) -> None:
    """One call. Where the provider cannot revoke this kind of token, that is noted."""
    registration = revocation.registration()
    ending = Ending(
        refresh_token=revocation.refresh_token,
        access_token=revocation.access_token,
        account_id=revocation.account_id,
    )
    if lacking := wire.missing(registration, ending, name, dialect):
        raise Hopeless("no " + ", no ".join(lacking).replace("_", " "))
    try:
        wire.revoke(registration, ending, name, dialect)
    except Refused as error:
        if not is_expected(error, revocation):
            raise
        revocation.last_answer = error.code
        if error.code == "unsupported_token_type":
            return
    revocation.told = [*revocation.told, name]


def note_progress(revocation: Revocation) -> None:
    """Before the next call: what was heard need not be said again, whatever becomes of us."""
    if revocation.told and not revocation.note(told=revocation.told):
        raise Overtaken


def is_expected(error: Refused, revocation: Revocation) -> bool:
    """This kind of token cannot be revoked there; or it has run out, and nothing is left that could get another."""
    if error.code != "dead_access_token":
        return error.code == "unsupported_token_type"
    if revocation.refresh_token:
        revocation.note(access_token_expires_at=timezone.now())  # the next attempt gets one that lives
    return not revocation.refresh_token and not lives(revocation)


def blame_registry(revocation: Revocation, error: OAuthError) -> None:
    """Where the provider doesn't know us any more, or nobody can read how it is to be told, an administrator learns."""
    if revocation.registry and isinstance(error, Misconfigured) and error.code in OUR_FAULT:
        revocation.registry.note_misconfigured(error.code, use=Use.REVOCATION, reason=error.reason)


def conclusion(revocation: Revocation, state: RevocationState) -> RevocationState | None:
    """Verified where the provider's own word proves it. A token that still works was not revoked, whatever it said."""
    if state != RevocationState.CONFIRMED:
        return state
    revocation.note(told=revocation.told)
    verdict = verification.examine(revocation)
    if verdict == verification.Verdict.ALIVE:
        revocation.told = []
        postpone(revocation, "still active")
        return None
    return RevocationState.VERIFIED if verdict == verification.Verdict.DEAD else state
