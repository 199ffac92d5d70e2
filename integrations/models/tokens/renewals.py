"""Refresh journal: each renewal is recorded before its request is sent, and settled after the answer."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from foundation.oauth_client import error_codes
from foundation.oauth_client.errors import (
    Misconfigured,
    OAuthError,
    Refused,
    Unexplained,
    Unreachable,
    Unusable,
)
from integrations.models.registry import SysIdModel

KEPT_FOR = timedelta(days=30)
SUCCESSES_KEPT_FOR = timedelta(days=2)


class RenewalOutcome(models.TextChoices):
    ASKED = "asked", _("Asked")  # under way, or the process died
    RENEWED = "renewed", _("Renewed")
    REFUSED = "refused", _("Refused")
    FAILED = "failed", _("Failed")
    BROKEN = "broken", _("Broken off by a fault of Keyrack")  # whether the server answered is unknown


NOT_RENEWED = (RenewalOutcome.FAILED, RenewalOutcome.BROKEN)
KINDS: dict[str, type[OAuthError]] = {
    kind.__name__.lower(): kind for kind in (Unreachable, Refused, Misconfigured, Unusable, Unexplained)
}
# Codes of errors of these kinds after which nothing was granted, besides those of servers. 0.2.0 wrote too_early.
NOTHING_GRANTED = ("dns_failed", "tls_refused", "too_early", "wait", "temporary", "keep_token")
LOST_KINDS = ("unreachable", "unusable")  # no answer, or an unreadable one


class RenewalQuerySet(models.QuerySet["Renewal"]):
    def past(self) -> Self:
        """Entries past the time for which they are kept: of successes only as long as a limit of a provider counts."""
        now = timezone.now()
        is_success = models.Q(outcome=RenewalOutcome.RENEWED, asked_at__lt=now - SUCCESSES_KEPT_FOR)
        return self.filter(models.Q(asked_at__lt=now - KEPT_FOR) | is_success)

    def unanswered(self) -> Self:
        """Renewals whose result is unknown: the refresh token may be used up, and its successor may live.

        After an HTTP error status, or a failure before anything was sent, nothing was granted.
        """
        unknown = models.Q(outcome__in=(RenewalOutcome.ASKED, RenewalOutcome.BROKEN))
        lost = models.Q(outcome=RenewalOutcome.FAILED, kind__in=LOST_KINDS)
        nothing = models.Q(code__startswith="http_") | models.Q(code__in=[*error_codes.TRANSIENT, *NOTHING_GRANTED])
        return self.filter(unknown | (lost & ~nothing))


class Renewal(SysIdModel):
    """Journal entry of one renewal request. Its id is that of the attempt."""

    token_id = models.UUIDField(db_index=True)  # no foreign key: the entry outlives the token
    version = models.PositiveIntegerField()
    refresh_token_hash = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(_("Outcome"), max_length=10, choices=RenewalOutcome, default=RenewalOutcome.ASKED)
    code = models.CharField(_("Code"), max_length=100, blank=True)
    kind = models.CharField(max_length=20, blank=True, editable=False)  # of the error: a key of `KINDS`
    asked_at = models.DateTimeField(pgettext_lazy("moment", "Asked"), default=timezone.now, db_index=True)
    settled_at = models.DateTimeField(_("Settled"), null=True, blank=True)

    objects = RenewalQuerySet.as_manager()
    is_access_token_dead = False  # an API said so, which is why the token is renewed; not stored

    class Meta:
        verbose_name = _("Token Renewal")
        verbose_name_plural = _("Token Renewals")
        indexes = [
            models.Index(
                fields=["asked_at"],
                name="renewal_refused_or_failed",
                condition=models.Q(outcome__in=[RenewalOutcome.REFUSED, RenewalOutcome.FAILED]),
            )
        ]

    def error(self) -> OAuthError:
        """Rebuild the error that the renewal raised."""
        return KINDS.get(self.kind, Unreachable)(self.code or "renewal_postponed")

    def __str__(self) -> str:
        return f"{self.token_id.hex} v{self.version} ({self.outcome})"
