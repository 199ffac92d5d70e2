"""Who may ask the server about a token: one process at a time, for a while, by compare-and-swap in the row.

Times are the database's. The clocks of the processes may differ by minutes, and a lease that looks over to one of them
would be stolen while its holder waits for the answer.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from integrations.connections.renewal import journal
from integrations.connections.renewal.validity import NoUsableToken, Versioned
from integrations.models.tokens import Renewal, Token, TokenState

# Longer than the total deadline of a call. Short enough that the old token is tried again, after a crash, while
# the half minute of grace lasts that providers commonly give it.
LEASE = timedelta(seconds=25)


def take(token: Token) -> Renewal | None:
    """The lease on exactly this version, with its entry in the journal. None: another holds it, or nobody may now."""
    attempt = journal.entry(token)
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    with transaction.atomic(durable=True):
        rows = Token.objects.filter(free, pk=token.pk, version=token.version, state=TokenState.VALID)
        if not rows.update(lease_owner=attempt.hex, lease_expires_at=Now() + LEASE):
            return None
        attempt.save(force_insert=True)
    return attempt


def drop(attempt: Renewal, pause: timedelta) -> None:
    """Nobody holds it, and for the pause nobody can: whoever waited gives up at once instead of asking in turn."""
    rows = Token.objects.filter(pk=attempt.token_id, lease_owner=attempt.hex)
    rows.update(lease_owner="", lease_expires_at=Now() + pause)


def prolong(attempt: Renewal) -> None:
    """The holder has one more thing to ask before it settles."""
    Token.objects.filter(pk=attempt.token_id, lease_owner=attempt.hex).update(lease_expires_at=Now() + LEASE)


def is_held(token: Token) -> bool:
    """Somebody is asking about this version."""
    held = Token.objects.filter(pk=token.pk, version=token.version, lease_expires_at__gt=Now())
    return held.exclude(lease_owner="").exists()


def is_pausing(token: Token) -> bool:
    """The last renewal failed a moment ago."""
    return Token.objects.filter(pk=token.pk, lease_owner="", lease_expires_at__gt=Now()).exists()


def as_stored(token: Versioned) -> Token:
    """The row as it is now, if it is there and the provider has not refused it."""
    stored = Token.objects.with_registry().filter(pk=token.pk).first()
    if stored is None or stored.state != TokenState.VALID:
        raise NoUsableToken(stored.failure_code if stored else "not_connected")
    return stored


def locked(token: Token, **held_by: str) -> Token | None:
    """The row, for writing, if it is still there and nobody renewed or replaced this version. In a transaction."""
    stored = Token.objects.select_for_update().filter(pk=token.pk, version=token.version, **held_by).first()
    if stored:
        stored.credential = token.credential  # with its registry, as it was when the server was asked
    return stored
