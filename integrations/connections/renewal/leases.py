"""Leases: one process at a time may renew a token, for a limited time, by compare-and-swap in its row.

Times are those of the database. The clocks of processes may differ by minutes, and a lease that looks expired to one of
them would be stolen while its holder waits for the response.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from integrations.connections.renewal import journal
from integrations.connections.renewal.validity import NoUsableToken, Versioned
from integrations.models.tokens import Renewal, Token, TokenState, deadlines

# Longer than the deadline of a call. Short enough to try the old refresh token again after a crash, within the 30
# seconds of grace that providers commonly give it.
LEASE = timedelta(seconds=25)


def take(token: Token) -> Renewal | None:
    """Take the lease on this version, and write its journal entry. None if it is held, pausing or refused."""
    attempt = journal.new_entry(token)
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    with transaction.atomic(durable=True):
        rows = Token.objects.filter(free, pk=token.pk, version=token.version, state=TokenState.VALID)
        if not rows.update(lease_owner=attempt.hex, lease_expires_at=Now() + LEASE):
            return None
        attempt.save(force_insert=True)
    return attempt


def drop(attempt: Renewal, pause: timedelta) -> None:
    """Release the lease, and block it for the pause: waiting callers give up instead of sending one request each."""
    rows, until = Token.objects.filter(pk=attempt.token_id, lease_owner=attempt.hex), Now() + pause
    rows.update(lease_owner="", lease_expires_at=until, **deadlines.not_before(until))


def extend(attempt: Renewal) -> None:
    """Extend the lease, because its holder has another request to send."""
    Token.objects.filter(pk=attempt.token_id, lease_owner=attempt.hex).update(lease_expires_at=Now() + LEASE)


def is_held(token: Token) -> bool:
    """Whether a process is renewing this version."""
    rows = Token.objects.filter(pk=token.pk, version=token.version, lease_expires_at__gt=Now())
    return rows.exclude(lease_owner="").exists()


def is_pausing(token: Token) -> bool:
    """Whether the last renewal failed a moment ago."""
    return Token.objects.filter(pk=token.pk, lease_owner="", lease_expires_at__gt=Now()).exists()


def reload(token: Versioned) -> Token:
    """Read the row again. Raises `NoUsableToken` if it is gone or refused."""
    stored = Token.objects.with_registry().filter(pk=token.pk).first()
    if stored is None or stored.state != TokenState.VALID:
        raise NoUsableToken(stored.failure_code if stored else "not_connected")
    return stored


def lock_row(token: Token, **held_by: str) -> Token | None:
    """Lock and return the row if it still has this version. Needs a transaction."""
    stored = Token.objects.select_for_update().filter(pk=token.pk, version=token.version, **held_by).first()
    if stored:
        stored.credential = token.credential  # with its registry as it was when the request was sent
    return stored
