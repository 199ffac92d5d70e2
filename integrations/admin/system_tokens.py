"""The button Get OAuth Token for grants without a sign-in, and its messages."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from foundation.name_lists import isolate_name
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.admin.base import moment
from integrations.connections import authorization
from integrations.connections.renewal import NoUsableToken
from integrations.models.registry import OAuth2Credential
from integrations.models.tokens import Token, consent


def get_token(request: HttpRequest, credential: OAuth2Credential) -> None:
    """Get a token for the system and show the result as a message.

    Raises `authorization.NotAvailable` if the grant needs a sign-in, or the administrator may not do this.
    """
    try:
        token = authorization.get_own_token(cast(User, request.user), credential)
    except NoUsableToken as error:
        messages.error(request, refusal_message(credential, error.code))
    except OAuthError as error:
        messages.error(request, failure_message(credential, error))
    else:
        messages.success(request, success_message(credential, token))


def success_message(credential: OAuth2Credential, token: Token) -> str:
    names = {"provider": isolate_name(credential.registry.name), "until": moment(token.expires_at)}
    if token.expires_at is None:
        return _("Keyrack has its own token at %(provider)s. The provider gave no expiry.") % names
    return _("Keyrack has its own token at %(provider)s (until %(until)s) and renews it by itself.") % names


def failure_message(credential: OAuth2Credential, error: OAuthError) -> str:
    names = {"provider": isolate_name(credential.registry.name), "code": error.code}
    if error.code == "renewal_postponed":
        return _("%(provider)s was asked a moment ago and gave no token. Try again in a few seconds.") % names
    if isinstance(error, Unreachable):
        return _("%(provider)s doesn’t answer (%(code)s). Try again in a few minutes.") % names
    if isinstance(error, Misconfigured):
        message = _("%(provider)s rejects our client (%(code)s). Check Client ID, Client Secret and URLs.")
        return message % names
    return refusal_message(credential, error.code)


def refusal_message(credential: OAuth2Credential, code: str) -> str:
    if code == "unreadable":
        return _("The stored token can’t be opened: its key is missing from TOKEN_ENCRYPTION_KEYS.")
    if code == consent.CHANGED:
        return _("An address was changed. An administrator who may change the application registry must get the token.")
    names = {"provider": isolate_name(credential.registry.name), "code": code}
    return _("%(provider)s gave no token (%(code)s). Check the grant type and the scopes of the profile.") % names
