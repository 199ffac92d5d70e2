"""Get OAuth Token where the system gets one without anybody signing in: one press, and in words how it went."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.admin.base import moment
from integrations.connections import authorization
from integrations.connections.renewal import NoUsableToken
from integrations.models.registry import OAuth2Credential
from integrations.models.tokens import Token, consent


def get_token(request: HttpRequest, credential: OAuth2Credential) -> None:
    """Raises `authorization.NotAvailable` where there is none to get this way, or not for this administrator."""
    try:
        token = authorization.get_own_token(cast(User, request.user), credential)
    except NoUsableToken as error:
        messages.error(request, refused(credential, error.code))
    except OAuthError as error:
        messages.error(request, failed(credential, error))
    else:
        messages.success(request, there_it_is(credential, token))


def there_it_is(credential: OAuth2Credential, token: Token) -> str:
    names = {"provider": credential.registry.name, "until": moment(token.expires_at)}
    if token.expires_at is None:
        return _("Keyrack has a token of its own at %(provider)s, which named no end for it.") % names
    return _("Keyrack has a token of its own at %(provider)s (until %(until)s) and renews it by itself.") % names


def failed(credential: OAuth2Credential, error: OAuthError) -> str:
    names = {"provider": credential.registry.name, "code": error.code}
    if error.code == "renewal_postponed":
        return _("%(provider)s was asked a moment ago and gave nothing. Try again in a few seconds.") % names
    if isinstance(error, Unreachable):
        return _("%(provider)s does not answer (%(code)s). Try again in a few minutes.") % names
    if isinstance(error, Misconfigured):
        told = _(
            "%(provider)s does not know us as we are set up (%(code)s). Look at Client ID, Client Secret and URLs."
        )
        return told % names
    return refused(credential, error.code)


def refused(credential: OAuth2Credential, code: str) -> str:
    if code == "unreadable":
        return _("The stored token cannot be opened: its key is missing from TOKEN_ENCRYPTION_KEYS.")
    if code == consent.CHANGED:
        return _("An address was changed. Somebody who may change the application registry must get the token.")
    names = {"provider": credential.registry.name, "code": code}
    return _("%(provider)s gave no token (%(code)s). Look at the grant type and the scopes of the profile.") % names
