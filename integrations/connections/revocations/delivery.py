"""One attempt to deliver a revocation: the refresh token first, then the access token (RFC 7009 §2.1).

Each token that the provider confirms is recorded before the next request.
"""

import logging
from datetime import timedelta
from functools import partial

from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.exceptions import Explained
from foundation.oauth_client import revocation as wire
from foundation.oauth_client import transport
from foundation.oauth_client.dialects import Dialect
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unreachable
from foundation.oauth_client.revocation import GrantTokens
from foundation.secrets_at_rest import Unreadable
from integrations import metrics
from integrations.connections.revocations import verification
from integrations.connections.revocations.results import (
    delay_for_sign_in,
    give_up,
    postpone,
    postpone_after_fault,
    settle,
)
from integrations.connections.revocations.verification import has_valid_access_token, is_dead_by_its_refresh_token
from integrations.models import revocation_reach
from integrations.models.card import QUICK_ATTEMPTS
from integrations.models.failures import failure_of
from integrations.models.registry import Use
from integrations.models.tokens import Revocation, RevocationState

logger = logging.getLogger(__name__)

SECONDS = 20.0  # for all revocation requests of one attempt, without verification
LEASE = timedelta(seconds=55)  # longer than an attempt with its verification


class CannotBeSent(Explained):
    """The request cannot be sent, however often it is tried, because a value that it needs is missing."""

    message = "The revocation request lacks a value."


class AlreadySettled(Explained):
    """Another process has settled the revocation meanwhile; nothing more must be sent."""

    message = "Another process has settled the revocation."


def deliver(revocation: Revocation) -> None:
    """Make one attempt, if the revocation is due and not claimed by another process."""
    if revocation.claim(LEASE) and (state := attempt_claimed(revocation)):
        settle([(revocation, state)])


def attempt_claimed(revocation: Revocation) -> RevocationState | None:
    """Make one attempt at a claimed revocation. Returns the new state, still to be settled, or None.

    Whatever goes wrong, the attempt is counted and the next one is delayed.
    """
    on_error = partial(postpone_after_fault, revocation)
    with error_boundary(f"Revocation {revocation.hex}", on_error=on_error), metrics.third_party("revocation"):
        return attempt_unless_superseded(revocation)
    return None


def attempt_unless_superseded(revocation: Revocation) -> RevocationState | None:
    """Make the attempt, unless it would end a newer sign-in."""
    if revocation_reach.would_end_a_newer_grant(revocation):
        revocation.settle(RevocationState.SUPERSEDED)
    elif revocation_reach.may_end_a_coming_grant(revocation):
        delay_for_sign_in(revocation)
    elif not revocation.holds_copies:
        give_up(revocation, "no copy left")
    else:
        return attempt_delivery(revocation)
    return None


def attempt_delivery(revocation: Revocation) -> RevocationState | None:
    try:
        verification.collect_witnesses(revocation)
        with transport.deadline(SECONDS):
            state = revoke_tokens(revocation)
    except OAuthError as error:
        if is_gone_already(revocation, error):
            return RevocationState.VERIFIED
        report_registry(revocation, error)
        postpone(revocation, error)
    except Unreadable:
        logger.error("Revocation %s cannot be opened: is its key missing?", revocation.hex)
        postpone(revocation, "unreadable")
    except CannotBeSent as error:
        give_up(revocation, str(error))
    except AlreadySettled:
        logger.info("Revocation %s was settled by another process during delivery.", revocation.hex)
    else:
        return verified_state(revocation, state)
    return None


def revoke_tokens(revocation: Revocation) -> RevocationState:
    """Revoke each token that the dialect sends. The result depends on the first of them."""
    dialect = wire.dialect_of(revocation.revocation_request)
    names = [name for name in dialect.send if getattr(revocation, name)]
    if not names:
        revocation.last_answer = f"no {dialect.send[0].replace('_', ' ')}"
        return RevocationState.UNSUPPORTED
    if is_dead_by_its_refresh_token(revocation, dialect):
        return RevocationState.VERIFIED
    for name in names:
        if name not in revocation.told:
            store_progress(revocation)
            try:
                revoke_token(revocation, dialect, name)
            except OAuthError as error:
                if not is_settled_by_another(revocation, names, error):
                    raise
    return RevocationState.CONFIRMED if names[0] in revocation.told else RevocationState.UNSUPPORTED


def revoke_token(revocation: Revocation, dialect: Dialect, name: str) -> None:
    """Send one request. An unsupported kind of token is recorded as the answer, and does not raise."""
    registration = revocation.registration()
    tokens = GrantTokens(
        refresh_token=revocation.refresh_token,
        access_token=revocation.access_token,
        account_id=revocation.account_id,
    )
    if missing_names := wire.missing_values(registration, tokens, name, dialect):
        raise CannotBeSent("no " + ", no ".join(missing_names).replace("_", " "))
    try:
        wire.revoke(registration, tokens, name, dialect)
    except Refused as error:
        if not is_expected(error, revocation):
            raise
        revocation.last_answer = error.code
        if error.code == "unsupported_token_type":
            return
    revocation.told = [*revocation.told, name]


def is_settled_by_another(revocation: Revocation, names: list[str], error: OAuthError) -> bool:
    """Whether a failure at a later token changes nothing, because the provider has revoked the first one.

    That ends the grant, and with it what is left (RFC 7009 §2.1). If the provider only fails for a moment, the other
    token is sent again a few times.
    """
    is_passing = isinstance(error, Unreachable) and revocation.attempts < QUICK_ATTEMPTS
    return names[0] in revocation.told and not is_passing


def store_progress(revocation: Revocation) -> None:
    """Store the confirmed tokens before the next request, so that they are not sent again."""
    if revocation.told and not revocation.note(told=revocation.told):
        raise AlreadySettled


def is_expected(error: Refused, revocation: Revocation) -> bool:
    """Whether the provider does not support this kind of token, or it has expired and cannot be refreshed."""
    if error.code != "dead_access_token":
        return error.code == "unsupported_token_type"
    if revocation.refresh_token:
        revocation.note(access_token_expires_at=timezone.now())  # the next attempt refreshes it
    return not revocation.refresh_token and not has_valid_access_token(revocation)


def is_gone_already(revocation: Revocation, error: OAuthError) -> bool:
    """Whether the provider does not confirm, and proves by its other endpoints that there is nothing to revoke.

    Many answer 400 if the person has removed access there, or if the grant has expired. Some answer with a page or a
    no, and a status of success.
    """
    is_refusal = error.status // 100 in {2, 4} and error.status not in {401, 408, 429}
    row = failure_of(error.code)
    is_ours = bool(row and row.is_about_revocation)
    return is_refusal and not is_ours and verification.proves_dead(revocation)


def report_registry(revocation: Revocation, error: OAuthError) -> None:
    """Report to administrators that the provider rejects our registration, or that the dialect is invalid."""
    row = failure_of(error.code)
    if revocation.registry and isinstance(error, Misconfigured) and row and row.is_about_revocation:
        revocation.registry.note_misconfigured(error.code, use=Use.REVOCATION, reason=error.reason)


def verified_state(revocation: Revocation, state: RevocationState) -> RevocationState | None:
    """The state after verification. A token that is still active was not revoked, even if the provider confirmed."""
    if state != RevocationState.CONFIRMED:
        return state
    revocation.note(told=revocation.told)
    verdict = verification.verify(revocation)
    if verdict == verification.Verdict.ALIVE:
        revocation.told = []
        postpone(revocation, "still active")
        return None
    return RevocationState.VERIFIED if verdict == verification.Verdict.DEAD else state
