"""Choices of the set-up: grant types, client authentication, PKCE, and what one revocation ends."""

from django.db import models
from django.utils.translation import gettext_lazy as _


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
