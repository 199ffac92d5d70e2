"""The refresh journal: each refresh request is recorded before it is sent, and settled with its result.

An entry that is not settled belongs to a process that died, and a broken one to an internal error. In both cases the
refresh token may have been spent and the response lost. An entry holds a keyed hash of the token, never the token.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Min, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from foundation.oauth_client.errors import OAuthError, Unreachable, Unusable
from foundation.secrets_at_rest import value_or_blank
from integrations import metrics
from integrations.connections.renewal.validity import Versioned
from integrations.models.tokens import NOT_RENEWED, Renewal, RenewalOutcome, RenewalQuerySet, Token


def new_entry(token: Token) -> Renewal:
    """A new entry, saved together with the lease. Its id identifies the holder of the lease."""
    return Renewal(token_id=token.pk, version=token.version, refresh_token_hash=fingerprint(token))


def fingerprint(token: Token) -> str:
    """A keyed hash of the refresh token; "" if there is none."""
    refresh_token = value_or_blank(token, "refresh_token")
    return salted_hmac("keyrack.renewal", refresh_token, algorithm="sha256").hexdigest() if refresh_token else ""


def settle(attempt: Renewal, outcome: RenewalOutcome, error: OAuthError | None = None) -> None:
    """Record the result. Call it in the transaction that stores the result."""
    kind, code = (type(error).__name__.lower(), error.code[:100]) if error else ("", "")
    entries = Renewal.objects.filter(pk=attempt.pk)
    entries.update(outcome=outcome, code=code, kind=kind, settled_at=timezone.now())
    metrics.count_renewal(outcome, kind)


def last_failure(token: Versioned) -> OAuthError:
    """The error of the last failed renewal of this version, for callers that arrive during the pause."""
    failed_entries = Renewal.objects.filter(token_id=token.pk, version=token.version, outcome__in=NOT_RENEWED)
    failed_entry = failed_entries.order_by("-settled_at").first()
    return failed_entry.error() if failed_entry else Unreachable("renewal_postponed")


def failures(token_id: UUID, version: int) -> QuerySet[Renewal]:
    """Failed renewals since the last success, which made a new version."""
    return Renewal.objects.filter(token_id=token_id, version=version, outcome=RenewalOutcome.FAILED)


def seconds_until_allowed(token: Token) -> float:
    """Seconds until the provider allows another renewal of this sign-in; 0 if it does now.

    It may limit renewals per sign-in, and renew an access token with itself only from some age on.
    """
    profile, now = token.credential.registry.readable_profile, timezone.now()
    moments = [now]
    if profile.self_renewal:
        moments.append(token.granted_at + timedelta(seconds=profile.self_renewal.not_before))
    limits = profile.limits
    if limits.renewals and limits.seconds:
        span = timedelta(seconds=limits.seconds)
        recent = Renewal.objects.filter(token_id=token.pk, asked_at__gt=now - span).order_by("-asked_at")
        moments += [entry.asked_at + span for entry in recent[limits.renewals - 1 : limits.renewals]]
    return (max(moments) - now).total_seconds()


def failing_since(token: Versioned, kind: type[OAuthError]) -> datetime | None:
    """When the first renewal of this version failed with this kind of error."""
    failed = failures(token.pk, token.version).filter(kind=kind.__name__.lower())
    since: datetime | None = failed.aggregate(since=Min("asked_at"))["since"]
    return since


def break_off(attempt: Renewal) -> None:
    """Record an internal error, unless a result is recorded already."""
    entries = Renewal.objects.filter(pk=attempt.pk, outcome=RenewalOutcome.ASKED)
    error = {"code": "internal_error", "kind": Unusable.__name__.lower()}
    if entries.update(outcome=RenewalOutcome.BROKEN, settled_at=timezone.now(), **error):
        metrics.count_renewal(RenewalOutcome.BROKEN, "internal")


def was_broken_off(token: Versioned) -> bool:
    """Whether the last renewal of this version ended with an internal error, which says nothing about the provider."""
    last = Renewal.objects.filter(token_id=token.pk, version=token.version).order_by("-asked_at").first()
    return last is not None and last.outcome == RenewalOutcome.BROKEN


def follows_an_interruption(attempt: Renewal) -> bool:
    """Whether the same refresh token was sent before by a process that died before it recorded the result."""
    return bool(attempt.refresh_token_hash) and interrupted_entries(attempt).exists()


def follows_a_lost_answer(attempt: Renewal) -> bool:
    """Whether the same refresh token was sent before, with a result that is not known: it may be used up."""
    return bool(attempt.refresh_token_hash) and entries_alike(attempt).unanswered().exists()


def interrupted_entries(attempt: Renewal) -> RenewalQuerySet:
    return entries_alike(attempt).filter(outcome__in=(RenewalOutcome.ASKED, RenewalOutcome.BROKEN))


def entries_alike(attempt: Renewal) -> RenewalQuerySet:
    """The other renewals with the same refresh token."""
    entries = Renewal.objects.filter(
        token_id=attempt.token_id, version=attempt.version, refresh_token_hash=attempt.refresh_token_hash
    )
    return entries.exclude(pk=attempt.pk)
