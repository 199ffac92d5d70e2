"""Columns of a token, and what they say: how long it works, and which values and servers the provider named."""

import json
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from foundation.secrets_at_rest import EncryptedField, has_key, is_sealed, value_or_blank
from integrations.models.registry import GrantType, IntegrationType, OAuth2Credential, SysIdModel
from integrations.models.tokens import consent
from integrations.models.tokens.expiry import ENTERED, TOLD, RefreshExpiry, has_ended

SOON = timedelta(days=7)
SOON_SHARE = 0.2  # of the lifetime


class TokenState(models.TextChoices):
    VALID = "valid", _("Valid")
    NEEDS_REAUTH = "needs_reauth", _("Sign in again")


class TokenRecord(SysIdModel):
    """Abstract base of `Token`: its columns, and properties that are computed from them. Writes nothing."""

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="tokens", verbose_name=_("User"))
    credential = models.ForeignKey(
        OAuth2Credential, models.CASCADE, related_name="tokens", verbose_name=_("OAuth 2.0 Credential")
    )
    integration_type = models.CharField(_("Integration Type"), max_length=10, choices=IntegrationType)
    access_token = EncryptedField(purpose="token")
    refresh_token = EncryptedField(purpose="token")
    base_url = EncryptedField(
        purpose="token"
    )  # not secret; sealed so that a change in the database cannot redirect a token
    provider_values = EncryptedField(purpose="token")  # JSON object of texts that calls need, such as a tenant
    token_type = models.CharField(_("Token type"), max_length=20, default="Bearer")
    expires_at = models.DateTimeField(_("Expires"), null=True, blank=True)
    refresh_expires_at = models.DateTimeField(_("Refresh token expires"), null=True, blank=True)
    refresh_expiry = models.CharField(max_length=10, choices=RefreshExpiry, blank=True, editable=False)
    scopes = models.JSONField(_("Granted scopes"), default=list)
    requested_scopes = models.JSONField(_("Requested scopes"), default=list)
    account_id = models.CharField(_("Account id"), max_length=255, blank=True)
    account_label = models.CharField(_("Account"), max_length=255, blank=True)
    has_userinfo = models.BooleanField(default=False, editable=False)  # at sign-in, the Userinfo URL accepted the token
    state = models.CharField(_("State"), max_length=20, choices=TokenState, default=TokenState.VALID)
    failure_code = models.CharField(_("Last error"), max_length=100, blank=True)
    failed_at = models.DateTimeField(_("Stopped"), null=True, blank=True)
    signed_in_at = models.DateTimeField(_("Signed in"), default=timezone.now)
    refreshed_at = models.DateTimeField(_("Last renewed"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("Last used"), null=True, blank=True)
    last_used_by = models.CharField(_("Last used by"), max_length=100, blank=True)
    notice = models.CharField(max_length=20, blank=True, editable=False)  # code of the last mail to its owner
    agreed = models.JSONField(null=True, editable=False)  # addresses that its owner agreed to (`consent`)
    version = models.PositiveIntegerField(default=1, editable=False)
    # When it is renewed ahead, and when its refresh token has to be used; null: never (`deadlines`).
    due_at = models.DateTimeField(null=True, editable=False)
    idle_due_at = models.DateTimeField(null=True, editable=False)
    lease_owner = models.CharField(max_length=32, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What a third party said of this sign-in. A new sign-in forgets it.
    forced_at = models.DateTimeField(null=True, blank=True, editable=False)  # when a refusal last forced a renewal
    forced_version = models.PositiveIntegerField(default=0, editable=False)  # that was refused then
    unhelpful_renewals = models.PositiveSmallIntegerField(default=0, editable=False)  # forced in a row, for nothing
    lacking_scopes = models.JSONField(default=list, blank=True, editable=False)  # without which calls were refused
    claims_challenge = models.TextField(blank=True, editable=False)  # as sent: what the next sign-in has to ask for

    not_renewed_since: datetime | None = None  # annotated by `with_failed_renewals`, like the next
    last_failure_kind: str | None = None

    class Meta:
        abstract = True

    @property
    def has_refresh_token(self) -> bool:
        """Whether there is a refresh token. Does not open it."""
        return bool(self.__dict__.get("refresh_token"))

    @property
    def holds_sealed(self) -> bool:
        """Whether the database holds an access or refresh token, readable or not."""
        return any(is_sealed(self, name) for name in ("access_token", "refresh_token"))

    @property
    def cannot_be_opened(self) -> bool:
        """Whether tokens are stored and all of their keys are missing. Reads only the headers of the sealed values."""
        sealed_names = [name for name in ("access_token", "refresh_token") if is_sealed(self, name)]
        return bool(sealed_names) and not any(has_key(self, name) for name in sealed_names)

    @property
    def values(self) -> dict[str, str]:
        """Values that the provider sent for this person, by the names that URLs and headers have in braces."""
        stored = value_or_blank(self, "provider_values") if is_sealed(self, "provider_values") else ""
        return dict(json.loads(stored)) if stored else {}

    def at_home(self, url: str) -> str:
        """Return the URL with this person's values, at the server that the provider named, if it named one."""
        hosts = self.credential.registry.base_url_hosts
        return consent.home_of(url, base_url=self.agreed_base_url, values=self.values, agreed=self.agreed, hosts=hosts)

    @property
    def agreed_base_url(self) -> str:
        """Origin that the token answer named for calls, if the set-up and the owner still allow it; else ""."""
        base_url = value_or_blank(self, "base_url") if is_sealed(self, "base_url") else ""
        return consent.allowed_base_url(self.agreed, base_url, self.credential.registry.base_url_hosts)

    @property
    def server(self) -> str:
        """Origin of the authorization server that the callback named for this person; "" if it named none."""
        registry = self.credential.registry
        parameter = registry.readable_profile.callback.token_host
        named = self.values.get(parameter, "") if parameter else ""
        return consent.allowed_base_url(self.agreed, named, registry.base_url_hosts)

    def lives_for(self, seconds: float = 0) -> bool:
        """Whether the access token lives that long. Without a known expiry it lives for ever."""
        return self.expires_at is None or self.expires_at > timezone.now() + timedelta(seconds=seconds)

    def usable_for(self, seconds: float = 0) -> bool:
        return self.state == TokenState.VALID and self.lives_for(seconds)

    @property
    def granted_at(self) -> datetime:
        """When the access token was granted."""
        return self.refreshed_at or self.signed_in_at

    @property
    def is_client_credentials(self) -> bool:
        """Whether it was granted to this site itself (RFC 6749 §4.4): requested anew, never refreshed."""
        is_system = self.integration_type == IntegrationType.SYSTEM
        return is_system and self.credential.profile.grant_type == GrantType.CLIENT_CREDENTIALS

    @property
    def renews_itself(self) -> bool:
        """Whether it is renewed without the person. False once a renewal was refused, even while the token is valid."""
        if self.is_client_credentials:
            return self.state == TokenState.VALID
        if not self.has_refresh_token or self.state != TokenState.VALID or self.failure_code:
            return False
        return not self.refresh_token_is_over

    @property
    def refresh_token_is_over(self) -> bool:
        """Whether the end of the refresh token is past, and the provider named it. An end that we assume ends nothing.

        A refresh token past an assumed or entered end is tried as any other.
        """
        return has_ended(self.refresh_expiry, self.refresh_expires_at)

    @property
    def renewal_fails(self) -> bool:
        """Whether the access token has expired and the last renewal failed.

        False if our registration was refused: the registry reports that, and reports it as fixed, too.
        """
        if self.lives_for() or not self.renews_itself or self.not_renewed_since is None:
            return False
        return self.last_failure_kind != Misconfigured.__name__.lower()

    @property
    def known_end(self) -> datetime | None:
        """When both tokens will have expired at the provider; None if that is unknown or past.

        An end of the refresh token that the registry only assumes counts as unknown.
        """
        ends = [self.expires_at]
        if self.has_refresh_token:
            ends.append(None if self.refresh_expiry == RefreshExpiry.ASSUMED else self.refresh_expires_at)
        known_ends = [end for end in ends if end]
        return max(known_ends) if len(known_ends) == len(ends) and max(known_ends) > timezone.now() else None

    @property
    def sign_in_again_by(self) -> datetime | None:
        """When the person has to sign in again at the latest; None if that is unknown.

        The end of the refresh token, or of the access token if nothing renews it. In the past if it is over already.
        An end that was entered for the registry is named while it is ahead; once it is past, it has proved wrong.
        """
        if self.state != TokenState.VALID:
            return self.failed_at
        if self.is_client_credentials:
            return None
        if not self.renews_itself:
            return self.expires_at
        if self.refresh_expiry in TOLD:
            return self.refresh_expires_at
        is_ahead = self.refresh_expires_at is not None and self.refresh_expires_at > timezone.now()
        return self.refresh_expires_at if self.refresh_expiry in ENTERED and is_ahead else None

    @property
    def is_locked(self) -> bool:
        """Whether the key of the token that is needed next is missing. Once the key is back, the token works as before.

        Reads only the header, so that a page of cards opens no token. A wrong key with the same id is noticed on use.
        """
        return not has_key(self, "access_token" if self.lives_for() else "refresh_token")

    @property
    def is_valid(self) -> bool:
        """Whether it works: the access token lives or can be renewed, and its key is set."""
        return self.state == TokenState.VALID and (self.lives_for() or self.renews_itself) and not self.is_locked

    @property
    def expires_soon(self) -> bool:
        """Whether nothing renews it and it is within 7 days, or a fifth of its lifetime if shorter, of its end.

        Or whether its renewal was refused, so that the person has to come back anyway.
        """
        if self.renews_itself or self.expires_at is None:
            return False
        if self.failure_code:
            return True
        lifetime = self.expires_at - self.granted_at
        return self.expires_at - timezone.now() <= min(SOON, lifetime * SOON_SHARE)
