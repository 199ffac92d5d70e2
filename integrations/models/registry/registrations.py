"""Our registrations at authorization servers. Deleting an administrator does not delete one."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.provider_profile import STANDARD, BadProfile, ProviderProfile, parse_profile
from foundation.oauth_client.signatures import has_proof
from foundation.secrets_at_rest import EncryptedField, NoKeys, Unreadable, keyring, value_or_blank
from integrations.models.registry.base import SysIdModel
from integrations.models.registry.health import Health

OBJECTS = ("authorization_parameters", "token_parameters", "call_headers", "userinfo_request")
LOGO_LIMIT = 100_000  # bytes
DEFAULT_REFRESH_TOKEN_LIFESPAN = 8_640_000  # seconds; an assumption, not known from a server


class GrantType(models.TextChoices):
    AUTHORIZATION_CODE = "authorization_code", _("Authorization Code")
    PASSWORD = "password", _("Resource Owner Password Credentials")
    CLIENT_CREDENTIALS = "client_credentials", _("Client Credentials")


class ClientAuthentication(models.TextChoices):
    """Client authentication method at the token endpoint (names of RFC 7591)."""

    BASIC = "client_secret_basic", _("As Basic Authorization Header")
    BASIC_UNENCODED = "client_secret_basic_unencoded", _("As Basic Authorization Header, not form-encoded")
    POST = "client_secret_post", _("In Request Body (Form URL-Encoded)")
    NONE = "none", _("None (public client)")

    @classmethod
    def needs_secret(cls, method: object) -> bool:
        return method != cls.NONE


class CodeChallengeMethod(models.TextChoices):
    S256 = "S256", "S256"
    PLAIN = "plain", "plain"


class RevocationReach(models.TextChoices):
    """What else one revocation ends at the server."""

    UNKNOWN = "unknown", _("Not known")
    TOKEN = "token", _("Only what belongs to that sign-in")
    GRANT = "grant", _("Everything the person granted to this client")


class ApplicationRegistry(Health, SysIdModel):
    """Our client registration at one authorization server (RFC 6749 §2). [oauth_entity]"""

    name = models.CharField(_("Name"), max_length=100, unique=True)
    client_id = models.CharField(_("Client ID"), max_length=255)
    client_secret = EncryptedField(purpose="client-secret", verbose_name=_("Client Secret"))
    client_secret_expires_on = models.DateField(
        _("Secret expires on"),
        null=True,
        blank=True,
        help_text=_("If the provider’s console names a day. Administrators are reminded of it 30 days before."),
    )
    default_grant_type = models.CharField(
        _("Default Grant Type"), max_length=30, choices=GrantType, default=GrantType.AUTHORIZATION_CODE
    )
    refresh_token_lifespan = models.PositiveIntegerField(
        _("Refresh Token Lifespan"),
        default=DEFAULT_REFRESH_TOKEN_LIFESPAN,
        validators=[MinValueValidator(1)],
        help_text=_("How many seconds a refresh token lives if the provider doesn't say. Used for warnings only."),
    )
    pkce_required = models.BooleanField(_("PKCE required"), default=True)
    code_challenge_method = models.CharField(
        _("Code challenge method"), max_length=5, choices=CodeChallengeMethod, default=CodeChallengeMethod.S256
    )
    send_credentials = models.CharField(
        _("Send Credentials"), max_length=40, choices=ClientAuthentication, default=ClientAuthentication.BASIC
    )
    issuer = models.CharField(
        _("Issuer"),
        max_length=500,
        blank=True,
        help_text=_("Exactly as the provider spells it in its metadata (RFC 8414), including a slash at the end."),
    )
    names_issuer = models.BooleanField(
        _("Issuer in authorization responses"),
        default=False,
        help_text=_(
            "The provider names itself in each authorization response (RFC 9207). A response that doesn't is refused."
        ),
    )
    authorization_url = models.CharField(_("Authorization URL"), max_length=500, blank=True)
    token_url = models.CharField(_("Token URL"), max_length=500)
    refresh_url = models.CharField(
        _("Refresh URL"),
        max_length=500,
        blank=True,
        help_text=_(
            "Where tokens are renewed. Leave it empty for the Token URL, which is right for nearly every provider."
        ),
    )
    token_revocation_url = models.CharField(
        _("Token Revocation URL"),
        max_length=500,
        blank=True,
        help_text=_("If it is set, revoking a sign-in in Keyrack also revokes it at the provider (RFC 7009)."),
    )
    revocation_request = models.JSONField(
        _("Revocation request"),
        default=dict,
        blank=True,
        help_text=_("How a revocation is sent to this provider, as JSON. Leave it empty for the form of RFC 7009."),
    )
    token_introspection_url = models.CharField(_("Token Introspection URL"), max_length=500, blank=True)
    userinfo_url = models.CharField(
        _("Userinfo URL"),
        max_length=500,
        blank=True,
        help_text=_("Read once after each sign-in, for the name of the account."),
    )
    authorization_parameters = models.JSONField(
        _("Authorization parameters"),
        default=dict,
        blank=True,
        help_text=_('Added to each authorization request, as JSON: {"access_type": "offline"}'),
    )
    consent_after_revoke = models.BooleanField(
        _("Consent after a revoke"),
        default=True,
        help_text=_(
            "After a revoke the provider is asked to show its consent page again (prompt=consent), where the scopes "
            "hold openid. A “prompt” in Authorization parameters or in the Authorization URL wins."
        ),
    )
    token_parameters = models.JSONField(
        _("Token parameters"),
        default=dict,
        blank=True,
        help_text=_('Added to each token request, including renewals, as JSON: {"expires_in": "1800"}'),
    )
    call_headers = models.JSONField(
        _("Headers of calls"),
        default=dict,
        blank=True,
        help_text=_("Headers that each call to the API carries, as JSON. {client_id} and {access_token} are replaced."),
    )
    userinfo_request = models.JSONField(
        _("Userinfo request"),
        default=dict,
        blank=True,
        help_text=_("How the Userinfo URL is called, as JSON. Leave it empty for a GET with the access token."),
    )
    scope_separator = models.CharField(_("Scope separator"), max_length=1, default=" ", blank=True)
    scope_parameter = models.CharField(
        _("Scope parameter"),
        max_length=30,
        default="scope",
        blank=True,
        validators=[RegexValidator(r"^[a-z_]+\Z", _("The name of one parameter: small letters and underscores."))],
        help_text=_(
            "The parameter of an authorization request that carries the scopes: “scope” for nearly every provider."
        ),
    )
    token_path = models.CharField(
        _("Tokens in the answer"),
        max_length=200,
        blank=True,
        help_text=_(
            "JSON pointer to the person's tokens in the token response. Leave it empty if they are at its top level."
        ),
    )
    base_url_path = models.CharField(
        _("Base URL in the answer"),
        max_length=200,
        blank=True,
        help_text=_(
            "JSON pointer to the address of the API in the token response. Leave it empty if the response has none."
        ),
    )
    base_url_hosts = models.CharField(
        _("Hosts of that base URL"),
        max_length=500,
        blank=True,
        help_text=_(
            "Hosts that such a base URL may have, separated by spaces: *.salesforce.com. Any other is refused."
        ),
    )
    account_id_path = models.CharField(
        _("Account id"),
        max_length=200,
        default="/sub /id",
        help_text=_(
            "JSON pointers (RFC 6901) to the account's id in userinfo or the id token. The first with a value is used."
        ),
    )
    account_label_path = models.CharField(
        _("Account label"),
        max_length=200,
        default="/email /preferred_username /name /login /sub",
        help_text=_("JSON pointers to the name by which a person knows the account. The first with a value is used."),
    )
    provider_profile = models.JSONField(
        _("Provider’s ways"),
        default=dict,
        blank=True,
        help_text=_(
            "How this provider departs from the standards, as JSON. docs/provider-profiles.md describes the format."
        ),
    )
    account_settings_url = models.CharField(
        _("Account settings URL"),
        max_length=500,
        blank=True,
        help_text=_("The provider's page on which a person can withdraw access."),
    )
    revocation_reach = models.CharField(
        _("One revocation ends"), max_length=10, choices=RevocationReach, default=RevocationReach.UNKNOWN
    )
    logo = models.BinaryField(_("Logo"), null=True, blank=True, editable=False)
    logo_type = models.CharField(max_length=20, blank=True, editable=False)
    comments = models.TextField(_("Comments"), blank=True)
    active = models.BooleanField(_("Active"), default=True)

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
