"""Columns of a revocation, and what they say about its state and its delivery."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.oauth_client.client import Registration
from foundation.oauth_client.provider_profile import STANDARD
from foundation.oauth_client.registration import origin, trusted_origin, with_origin
from foundation.secrets_at_rest import EncryptedField, is_sealed
from integrations.models.registry import ApplicationRegistry, OAuth2Credential, SysIdModel
from integrations.models.tokens.renewals import Renewal


class RevocationState(models.TextChoices):
    PENDING = "pending", _("Under way")
    CONFIRMED = "confirmed", _("Accepted by the provider")
    VERIFIED = "verified", _("Verified: the token is dead")
    FAILED = "failed", _("Not confirmed")
    ABANDONED = "abandoned", _("Given up")
    UNSUPPORTED = "unsupported", _("The provider has no such call")
    SUPERSEDED = "superseded", _("Replaced by a new sign-in")


UNSETTLED = (RevocationState.PENDING, RevocationState.FAILED)  # attempted again and again
UNDELIVERED = (*UNSETTLED, RevocationState.ABANDONED)  # these, and those that can be retried by hand
COPIES = ("refresh_token", "access_token", "client_secret")
FOR_CALLERS = {RevocationState.VERIFIED: RevocationState.CONFIRMED, RevocationState.ABANDONED: RevocationState.FAILED}


class RevocationRecord(SysIdModel):
    """Abstract base of `Revocation`: its columns, with copies of all it needs, and what follows from them."""

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
    account_id = models.CharField(max_length=255, blank=True)
    has_userinfo = models.BooleanField(default=False, editable=False)  # at sign-in, the Userinfo URL accepted the token
    reason = models.CharField(_("Reason"), max_length=100)
    by_the_person = models.BooleanField(default=True)
    revocation_url = models.CharField(max_length=500, blank=True)
    revocation_request = models.JSONField(default=dict, blank=True)
    introspection_url = models.CharField(max_length=500, blank=True)
    userinfo_url = models.CharField(max_length=500, blank=True)
    token_url = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255)
    client_secret = EncryptedField(purpose="revocation")
    send_credentials = models.CharField(max_length=40)
    refresh_token = EncryptedField(purpose="revocation")
    access_token = EncryptedField(purpose="revocation")
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    told = models.JSONField(default=list, blank=True)  # which of the two tokens the provider has accepted
    # By token: which of the provider's endpoints confirmed that it was alive before the revocation, and when.
    witnesses = models.JSONField(default=dict, blank=True, editable=False)
    # A refresh request got no answer: the refresh token may be used up, so that a refusal of it proves nothing.
    refresh_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_id = models.UUIDField(null=True, blank=True, editable=False)  # in the refresh journal
    granted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The tokens were granted to the registration as it is now. If that has changed since, it may be another client's or
    # have a wrong secret, and some servers answer that the token is invalid then.
    is_refusal_proof = models.BooleanField(default=True, editable=False)
    state = models.CharField(_("State"), max_length=20, choices=RevocationState, default=RevocationState.PENDING)
    attempts = models.PositiveIntegerField(_("Attempts"), default=0)
    last_answer = models.CharField(_("Last answer"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("Promised"), default=timezone.now)
    pursued_since = models.DateTimeField(default=timezone.now, editable=False)  # after a retry, later than `created_at`
    next_attempt_at = models.DateTimeField(_("Next attempt"), default=timezone.now, null=True, db_index=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    left_alone_until = models.DateTimeField(null=True, blank=True, editable=False)  # the provider's Retry-After
    settled_at = models.DateTimeField(_("Settled"), null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    # Given up for good: the copies of the tokens have been deleted.
    purged_at = models.DateTimeField(_("Copies wiped"), null=True, blank=True)
    notice = models.CharField(max_length=20, blank=True, editable=False)  # code of the last mail to the person

    class Meta:
        abstract = True

    @property
    def holds_copies(self) -> bool:
        """Whether it holds a copy of a token, readable or not."""
        return any(is_sealed(self, name) for name in ("refresh_token", "access_token"))

    @property
    def is_kept(self) -> bool:
        return self.state not in UNDELIVERED

    @property
    def is_retryable(self) -> bool:
        """Whether it can be tried again: not delivered, or accepted without proof that the token is dead."""
        is_accepted = self.state == RevocationState.CONFIRMED and self.holds_copies
        return (is_accepted or self.state in UNDELIVERED) and self.purged_at is None

    @property
    def state_for_callers(self) -> str:
        """The state as one of the five that programs know. The others are for people."""
        return str(FOR_CALLERS.get(RevocationState(self.state), RevocationState(self.state)).value)

    @property
    def registry_now(self) -> ApplicationRegistry | None:
        """The registry, if it still is the registration that the tokens were granted to; else None."""
        registry = self.registry
        if registry is None or registry.client_id != self.client_id:
            return None
        here = with_origin(registry.token_url, self.token_url)  # the server of this person may be another one
        is_elsewhere = origin(registry.token_url) != origin(self.token_url)
        is_known = not is_elsewhere or trusted_origin(self.token_url, registry.base_url_hosts)
        return registry if is_known and here == self.token_url else None

    @property
    def may_be_spent(self) -> bool:
        """Whether a renewal with a lost answer may have used up the refresh token, so that its successor lives."""
        if self.refresh_asked_at is not None:
            return True
        if self.token_id is None or self.granted_at is None:  # created before these columns existed
            return False
        return Renewal.objects.unanswered().filter(token_id=self.token_id, asked_at__gte=self.granted_at).exists()

    @property
    def is_registration_proven(self) -> bool:
        """Whether the provider has accepted our registration as it is now."""
        registry = self.registry_now
        return self.is_refusal_proof and not (registry and registry.is_unproven)

    def registration(self) -> Registration:
        """The registration as of the revocation, but with the current secret if it is still the same registration."""
        registry = self.registry_now
        return Registration(
            client_id=self.client_id,
            client_secret=registry.client_secret if registry else self.client_secret,
            client_authentication=self.send_credentials,
            authorization_url="",
            token_url=self.token_url,
            revocation_url=self.revocation_url,
            introspection_url=self.introspection_url,
            userinfo_url=self.userinfo_url,
            token_path=registry.token_path if registry else "",
            refresh_url=registry.refresh_url if registry and self.may_be_sent_to(registry.refresh_url) else "",
            token_parameters=registry.token_parameters if registry else {},
            profile=registry.readable_profile if registry else STANDARD,
        )

    def may_be_sent_to(self, url: str, *others: str) -> bool:
        """Whether a URL is at one of the servers of this revocation, or of `others`."""
        agreed_urls = (self.token_url, self.revocation_url, self.introspection_url, *others)
        return not url or origin(url) in {origin(agreed_url) for agreed_url in agreed_urls if agreed_url}
