"""Columns of a registration: what administrators enter about an authorization server and our client there."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from foundation.secrets_at_rest import EncryptedField
from integrations.models.registry.base import SysIdModel
from integrations.models.registry.choices import ClientAuthentication, CodeChallengeMethod, GrantType, RevocationReach

DEFAULT_REFRESH_TOKEN_LIFESPAN = 8_640_000  # seconds; an assumption, not known from a server


class RegistrationRecord(SysIdModel):
    """Abstract base of `ApplicationRegistry`: its columns, but for those about its health."""

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
        abstract = True
