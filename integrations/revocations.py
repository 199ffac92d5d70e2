"""What keeps a promise to revoke: deliver. Safe to repeat; whoever calls it and how often, the provider ends up told.

Refresh token first, then access token (RFC 7009 §2.1), each remembered when it is done. A provider that doesn't answer
is asked again: five times within a minute, then at growing intervals, until the promise is older than GIVE_UP_AFTER.
"""

import logging
import random
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.models import diary
from integrations.models.diary import EventKind
from integrations.models.integration import QUICK_ATTEMPTS
from integrations.models.tokens import UNSETTLED, Revocation, RevocationState
from integrations.oauth import revocation as wire
from integrations.oauth.errors import Misconfigured, OAuthError, Refused, Unreachable
from integrations.vault import Unreadable

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=55)  # longer than two calls with their total deadlines
QUICK_DELAY = timedelta(seconds=4)
SLOW_DELAY = timedelta(minutes=1)
SLOWEST_DELAY = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=14)
NOT_KNOWN_THERE = frozenset({"invalid_client", "unauthorized_client", "http_401"})
TOKENS = ("refresh_token", "access_token")  # in this order: the refresh token takes the access token along


def deliver(revocation: Revocation) -> None:
    """One attempt, if it is due and nobody else is at it."""
    if not revocation.claim(LEASE):
        return
    try:
        told = [tell(revocation, hint) for hint in TOKENS if getattr(revocation, hint)]
    except OAuthError as error:
        if isinstance(error, Misconfigured):
            blame_registry(revocation, error.code)
        postpone(revocation, answer_words(error), error.retry_after if isinstance(error, Unreachable) else None)
    except Unreadable:
        logger.error("Revocation %s cannot be opened: is its key missing?", revocation.hex)
        postpone(revocation, "unreadable", None)
    else:
        settle(revocation, confirmed=not told or told[0])  # the first is the one that the other hangs on


def tell(revocation: Revocation, hint: str) -> bool:
    """Revoke one of the two, and remember that it is done. False where the provider cannot revoke this kind."""
    token: str = getattr(revocation, hint)
    try:
        wire.revoke(revocation.registration(), token, hint=hint)
    except Refused as error:
        if error.code != "unsupported_token_type":
            raise
        revocation.last_answer = error.code
        revocation.save(update_fields=["last_answer"])
        return False
    setattr(revocation, hint, "")
    revocation.save(update_fields=[hint])
    return True


def blame_registry(revocation: Revocation, code: str) -> None:
    """Where the provider doesn't know us any more, an administrator must learn of it."""
    if revocation.registry and code in NOT_KNOWN_THERE:
        revocation.registry.note_misconfigured(code)


def settle(revocation: Revocation, *, confirmed: bool) -> None:
    state, kind = (
        (RevocationState.CONFIRMED, EventKind.REVOCATION_CONFIRMED)
        if confirmed
        else (RevocationState.UNSUPPORTED, EventKind.REVOCATION_FAILED)
    )
    with transaction.atomic():
        revocation.settle(state)
        diary.write(revocation.user, revocation.credential, kind, "" if confirmed else revocation.last_answer)


def postpone(revocation: Revocation, last_answer: str, retry_after: float | None) -> None:
    """Not confirmed this time. The row says when it is due again; the sweep finds it. What was settled stays so."""
    revocation.last_answer, revocation.claimed_until = last_answer[:100], None
    asked_to_wait = timedelta(seconds=retry_after or 0)
    delay = max(backoff(revocation.attempts), min(asked_to_wait, SLOWEST_DELAY))
    too_old = timezone.now() - revocation.created_at > GIVE_UP_AFTER
    revocation.next_attempt_at = None if too_old else timezone.now() + delay
    if revocation.attempts >= QUICK_ATTEMPTS and revocation.state != RevocationState.FAILED:
        revocation.state = RevocationState.FAILED
        diary.write(revocation.user, revocation.credential, EventKind.REVOCATION_FAILED, revocation.last_answer)
    fields = ("last_answer", "claimed_until", "next_attempt_at", "state")
    rows = Revocation.objects.filter(pk=revocation.pk, state__in=UNSETTLED)
    rows.update(**{name: getattr(revocation, name) for name in fields})


def backoff(attempts: int) -> timedelta:
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
    if attempts < QUICK_ATTEMPTS:
        return QUICK_DELAY * attempts * jitter
    slow: timedelta = SLOW_DELAY * 2 ** min(attempts - QUICK_ATTEMPTS, 10)
    return min(slow, SLOWEST_DELAY) * jitter


def answer_words(error: OAuthError) -> str:
    """What the provider said, for the card: a status or our own short word, never a body."""
    return str(error.status) if error.status else error.code.replace("_", " ")
