"""Our registrations at authorization servers. Deleting an administrator does not delete one."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.provider_profile import STANDARD, BadProfile, ProviderProfile, parse_profile
from foundation.oauth_client.signatures import has_proof
from foundation.secrets_at_rest import NoKeys, Unreadable, keyring, value_or_blank
from integrations.models.registry.choices import ClientAuthentication
from integrations.models.registry.health import Health
from integrations.models.registry.registration_record import RegistrationRecord

OBJECTS = ("authorization_parameters", "token_parameters", "call_headers", "userinfo_request")
LOGO_LIMIT = 100_000  # bytes


class ApplicationRegistry(Health, RegistrationRecord):
    """Our client registration at one authorization server (RFC 6749 §2). [oauth_entity]"""

    class Meta:
        verbose_name = _("Application Registry")
        verbose_name_plural = _("Application Registries")

    def __str__(self) -> str:
        return self.name

    def sealing_context(self) -> str:
        return self.hex

    def save(self, **options: Any) -> None:
        """Save, and record when our identity at the provider changes. Any save by a form releases held renewals.

        The end of the secret is that of the stored one: a new secret without an end of its own has none.
        """
        before = None if self._state.adding else type(self)._default_manager.filter(pk=self.pk).first()
        if before and before.client_secret_expires_on == self.client_secret_expires_on and self.has_new_secret(before):
            self.client_secret_expires_on = None
        super().save(**options)
        if before is None or options.get("update_fields") is not None:
            return
        changes: dict[str, Any] = {"renewals_held_until": None, "client_check_until": None}
        if before.identity() != self.identity():
            changes["registration_changed_at"] = timezone.now()
        vars(self).update(changes)
        type(self)._default_manager.filter(pk=self.pk).update(**changes)

    def has_new_secret(self, before: "ApplicationRegistry") -> bool:
        return value_or_blank(self, "client_secret") != value_or_blank(before, "client_secret")

    def identity(self) -> list[Any]:
        """What identifies us to the token endpoint, and its address. Contains the secret: only for comparison."""
        address = [self.token_url, self.refresh_url, self.token_parameters]
        return [self.client_id, value_or_blank(self, "client_secret"), self.send_credentials, *address]

    @property
    def profile(self) -> ProviderProfile:
        """The parsed provider profile. Raises `Misconfigured` if it is not valid any more."""
        try:
            return parse_profile(self.provider_profile)
        except BadProfile as error:
            raise Misconfigured("bad_provider_profile", str(error)) from None

    @property
    def readable_profile(self) -> ProviderProfile:
        """The profile, or the standard one if it is not valid any more: for revocations, which must not fail."""
        try:
            return self.profile
        except Misconfigured:
            return STANDARD

    @property
    def needs_secret(self) -> bool:
        return ClientAuthentication.needs_secret(self.send_credentials)

    @property
    def redirect_url(self) -> str:
        """Redirect URL of this registry alone. Built from SITE_URL, never from a Host header."""
        return f"{settings.SITE_URL}{reverse('integrations:redirect', args=[self.hex])}"

    @property
    def host(self) -> str:
        return urlsplit(self.issuer or self.authorization_url or self.token_url).hostname or ""

    def registration(self) -> Registration:
        """This row as the OAuth client takes it. Raises `Misconfigured` if the key of its secret is missing.

        Also raises it if there is no key at all, because the server's answer could not be stored.
        """
        if bad_field := next((name for name in OBJECTS if not isinstance(getattr(self, name), dict)), ""):
            raise Misconfigured("bad_registration", f"{bad_field} is not a JSON object")
        return Registration(
            client_id=self.client_id,
            client_secret=self.readable_secret,
            client_authentication=self.send_credentials,
            authorization_url=self.authorization_url,
            token_url=self.token_url,
            refresh_url=self.refresh_url,
            revocation_url=self.token_revocation_url,
            introspection_url=self.token_introspection_url,
            userinfo_url=self.userinfo_url,
            issuer=self.issuer,
            pkce=self.pkce_required,
            code_challenge_method=self.code_challenge_method,
            scope_separator=self.scope_separator or " ",
            scope_parameter=self.scope_parameter or "scope",
            token_path=self.token_path,
            base_url_path=self.base_url_path,
            authorization_parameters=self.authorization_parameters,
            token_parameters=self.token_parameters,
            call_headers=self.call_headers,
            userinfo_request=self.userinfo_request,
            profile=self.profile,
        )

    @property
    def readable_secret(self) -> str:
        """The client secret. Raises `Misconfigured` if its key, or any key, is missing."""
        try:
            keyring()
            client_secret: str = self.client_secret
        except NoKeys as error:
            raise Misconfigured("no_keys", str(error)) from None
        except Unreadable:
            raise Misconfigured("unreadable_secret", "the client secret cannot be opened") from None
        return client_secret

    def endpoints(self) -> list[str]:
        """Values that must not change during a sign-in, nor without the client secret being entered again."""
        return [self.client_id, self.send_credentials, self.issuer, self.authorization_url, self.token_url]

    @property
    def has_plain_calls(self) -> bool:
        """Whether calls need no header of their own, apart from the media type that they accept, and no hash."""
        if has_proof(self.readable_profile.calls):
            return False
        return isinstance(self.call_headers, dict) and {name.lower() for name in self.call_headers} <= {"accept"}

    def revocation_addresses(self) -> dict[str, Any]:
        """Addresses for a revocation: where and how to revoke, and where to verify it."""
        return {
            "revocation_url": self.token_revocation_url,
            "revocation_request": self.revocation_request,
            "introspection_url": self.token_introspection_url,
            # Verification uses plain requests only: a refusal of any other would not prove that the token is dead.
            "userinfo_url": "" if self.userinfo_request or not self.has_plain_calls else self.userinfo_url,
        }

    def revocation_snapshot(self) -> dict[str, Any]:
        """Values that a revocation copies, so that it can be delivered when this row is gone."""
        return {
            **self.revocation_addresses(),
            "token_url": self.token_url,
            "client_id": self.client_id,
            "client_secret": value_or_blank(self, "client_secret"),
            "send_credentials": self.send_credentials,
        }
