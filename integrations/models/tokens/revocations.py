"""A promise to tell the provider that tokens are over (RFC 7009)."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import ApplicationRegistry, OAuth2Credential, SysIdModel
from integrations.oauth.client import Registration
from integrations.vault import EncryptedField


class RevocationState(models.TextChoices):
    PENDING = "pending", _("Under way")
    CONFIRMED = "confirmed", _("Confirmed by the provider")
    FAILED = "failed", _("Not confirmed")
    UNSUPPORTED = "unsupported", _("The provider has no such call")
    SUPERSEDED = "superseded", _("Replaced by a new sign-in")


UNSETTLED = (RevocationState.PENDING, RevocationState.FAILED)


class RevocationQuerySet(models.QuerySet["Revocation"]):
    def due(self) -> Self:
        now = timezone.now()
        return self.filter(state__in=UNSETTLED, next_attempt_at__lte=now).exclude(claimed_until__gt=now)

    def visible(self) -> Self:
        """What a card still has to tell: a promise that is not kept yet, until the person puts it away."""
        return self.filter(state__in=UNSETTLED, by_the_person=True, dismissed_at__isnull=True)


class Revocation(SysIdModel):
    """A promise to tell the provider that tokens are over (RFC 7009). Holds its own copy of all it needs to keep it."""

    user = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="revocations", verbose_name=_("User")
    )
    username = models.CharField(max_length=150, blank=True)
    credential = models.ForeignKey(
        OAuth2Credential,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="revocations",
        verbose_name=_("Credential"),
    )
    registry = models.ForeignKey(
        ApplicationRegistry, models.SET_NULL, null=True, related_name="revocations", verbose_name=_("Registry")
    )
    provider = models.CharField(_("Provider"), max_length=100)
    account_label = models.CharField(_("Account"), max_length=255, blank=True)
    reason = models.CharField(_("Reason"), max_length=100)
    by_the_person = models.BooleanField(default=True)
    revocation_url = models.CharField(max_length=500, blank=True)
    token_url = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255)
    client_secret = EncryptedField(purpose="revocation")
    send_credentials = models.CharField(max_length=20)
    refresh_token = EncryptedField(purpose="revocation")
    access_token = EncryptedField(purpose="revocation")
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(_("State"), max_length=20, choices=RevocationState, default=RevocationState.PENDING)
    attempts = models.PositiveIntegerField(_("Attempts"), default=0)
    last_answer = models.CharField(_("Last answer"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("Promised"), default=timezone.now)
    pursued_since = models.DateTimeField(default=timezone.now, editable=False)  # later than the promise after a retry
    next_attempt_at = models.DateTimeField(_("Next attempt"), default=timezone.now, null=True, db_index=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(_("Settled"), null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    objects = RevocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("Token Revocation")
        verbose_name_plural = _("Token Revocations")

    def __str__(self) -> str:
        return f"{self.provider} / {self.username or _('System')}"

    def sealing_context(self) -> str:
        return self.hex

    def registration(self) -> Registration:
        """As it was when the promise was made, but with today's secret where the registration is still the same."""
        registry = self.registry
        unchanged = registry and (registry.client_id, registry.token_url) == (self.client_id, self.token_url)
        return Registration(
            client_id=self.client_id,
            client_secret=registry.client_secret if registry and unchanged else self.client_secret,
            client_authentication=self.send_credentials,
            authorization_url="",
            token_url=self.token_url,
            revocation_url=self.revocation_url,
        )

    def claim(self, lease: timedelta) -> bool:
        """Take it for so long; True for exactly one caller (a compare-and-swap, on any database)."""
        now = timezone.now()
        rows = Revocation.objects.due().filter(pk=self.pk, attempts=self.attempts)
        claimed = rows.update(claimed_until=now + lease, attempts=F("attempts") + 1)
        self.attempts += claimed
        return bool(claimed)

    def settle(self, state: RevocationState) -> None:
        """The promise is kept, or there is nobody to tell. The copies of the secrets are wiped."""
        self.state, self.settled_at, self.claimed_until, self.next_attempt_at = state, timezone.now(), None, None
        self.refresh_token = self.access_token = self.client_secret = ""
        self.save()
