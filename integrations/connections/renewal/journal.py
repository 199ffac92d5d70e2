"""What was sent to a provider, written down before anybody knew what would come of it.

An entry that nobody settled belongs to a process that is gone, and one that was broken off to a fault of ours. The
refresh token it names may have been spent, and the answer lost. Keeps a keyed hash of that token, never the token: who
holds the database learns nothing from it.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Min, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from foundation.oauth_client.errors import OAuthError, Unexplained, Unreachable, Unusable
from foundation.secrets_at_rest import readable
from integrations.connections.renewal.validity import Versioned
from integrations.models.tokens import NOT_RENEWED, Renewal, RenewalOutcome, Token


def entry(token: Token) -> Renewal:
    """Not saved: whoever takes the lease commits both at once. Its id is the owner's mark in the lease."""
    return Renewal(token_id=token.pk, version=token.version, refresh_token_hash=fingerprint(token))


def fingerprint(token: Token) -> str:
    """ "" where there is nothing that could be spent."""
    refresh_token = readable(token, "refresh_token")
    return salted_hmac("keyrack.renewal", refresh_token, algorithm="sha256").hexdigest() if refresh_token else ""


def settle(attempt: Renewal, outcome: RenewalOutcome, error: OAuthError | None = None) -> None:
    """Call it in the transaction that keeps what came of it."""
    kind, code = (type(error).__name__.lower(), error.code[:100]) if error else ("", "")
    entries = Renewal.objects.filter(pk=attempt.pk)
    entries.update(outcome=outcome, code=code, kind=kind, settled_at=timezone.now())


def last_failure(token: Versioned) -> OAuthError:
    """Why the last renewal of this version failed: whoever comes while others wait is told the same."""
    ended = Renewal.objects.filter(token_id=token.pk, version=token.version, outcome__in=NOT_RENEWED)
    entry = ended.order_by("-settled_at").first()
    return entry.error() if entry else Unreachable("renewal_postponed")


def failures(token_id: UUID, version: int) -> QuerySet[Renewal]:
    """Since the last success, which made a new version."""
    return Renewal.objects.filter(token_id=token_id, version=version, outcome=RenewalOutcome.FAILED)


def unexplained_since(token: Versioned) -> datetime | None:
    refused = failures(token.pk, token.version).filter(kind=Unexplained.__name__.lower())
    since: datetime | None = refused.aggregate(since=Min("asked_at"))["since"]
    return since


def break_off(attempt: Renewal) -> None:
    """Ended by a fault of our own; an outcome that is written down already stays."""
    entries = Renewal.objects.filter(pk=attempt.pk, outcome=RenewalOutcome.ASKED)
    told = {"code": "internal_error", "kind": Unusable.__name__.lower()}
    entries.update(outcome=RenewalOutcome.BROKEN, settled_at=timezone.now(), **told)


def was_broken_off(token: Versioned) -> bool:
    """The last request for this version ended by a fault of our own, which says nothing of the provider."""
    last = Renewal.objects.filter(token_id=token.pk, version=token.version).order_by("-asked_at").first()
    return last is not None and last.outcome == RenewalOutcome.BROKEN


def follows_an_interruption(attempt: Renewal) -> bool:
    """Somebody sent the same refresh token before, and died before he could say what became of it."""
    return bool(attempt.refresh_token_hash) and interrupted(attempt).exists()


def interrupted(attempt: Renewal) -> QuerySet[Renewal]:
    same = Renewal.objects.filter(
        token_id=attempt.token_id, version=attempt.version, refresh_token_hash=attempt.refresh_token_hash
    )
    unknown = (RenewalOutcome.ASKED, RenewalOutcome.BROKEN)
    return same.filter(outcome__in=unknown).exclude(pk=attempt.pk)
