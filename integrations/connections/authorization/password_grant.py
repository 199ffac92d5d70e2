"""Signing in by name and password, where a provider has nothing else (RFC 6749 §4.3)."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus

from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.oauth_server import in_process
from accounts.sign_in import backends, mfa
from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError, Refused
from integrations.connections.authorization.access import NotAvailable, integration_for
from integrations.connections.authorization.request import TooManyStarts, make_room, new_attempt
from integrations.connections.authorization.storage import take
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
)

WRONG_PASSWORDS_AT_MOST = 5
WRONG_PASSWORDS_WITHIN = timedelta(minutes=15)
WRONG_PASSWORD = "invalid_grant"  # noqa: S105 - the code that RFC 6749 §5.2 has for it
LOCKED_OUT, SECOND_FACTOR = "locked_out", "second_factor_is_on"  # words of our own server


def sign_in(
    user: User,
    credential: OAuth2Credential,
    *,
    username: str,
    password: str,
    session_binding: str,
    popup: bool = False,
    next_path: str = "",
    address: str = "",
) -> AuthorizationAttempt:
    """Exchange a name and a password for tokens (RFC 6749 §4.3). The password is sent once and kept nowhere.

    `address`: where the person is, as far as we know; our own server counts wrong passwords by it.
    """
    integration_for(user, credential)
    if credential.profile.grant_type != GrantType.PASSWORD:
        raise NotAvailable
    make_room(user)
    if wrong_passwords(user, credential) >= WRONG_PASSWORDS_AT_MOST:
        raise TooManyStarts
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    attempt.status = AttemptStatus.CLAIMED
    attempt.save()
    with in_process.called_from(address):
        take(attempt, partial(ask_with_password, attempt, username, password), named=username)
    return attempt


@sensitive_variables("password")
def ask_with_password(attempt: AuthorizationAttempt, username: str, password: str) -> TokenAnswer:
    """Whatever word a server has for "no", it means a wrong name or password here, and counts as one."""
    registration = attempt.registry.registration()
    try:
        return client.password(registration, username=username, password=password, scopes=attempt.scopes)
    except OAuthError as error:
        if in_process.is_own(registration.token_url) and (why := why_here(attempt.user, username, error)):
            raise Refused(why) from error
        if isinstance(error, Refused):
            raise Refused(WRONG_PASSWORD) from error
        raise


def why_here(user: User, username: str, error: OAuthError) -> str:
    """What our own server tells nobody but the person: whether somebody else has a second step is not said."""
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return LOCKED_OUT
    is_refused = isinstance(error, Refused) and error.code == WRONG_PASSWORD
    if is_refused and backends.meant_by(username) == user and mfa.is_on(user):
        return SECOND_FACTOR
    return ""


def wrong_passwords(user: User, credential: OAuth2Credential) -> int:
    since = timezone.now() - WRONG_PASSWORDS_WITHIN
    wrong = Q(status=AttemptStatus.FAILED, finished_at__gt=since, failure_code=WRONG_PASSWORD)
    asked_just_now = Q(status=AttemptStatus.CLAIMED, created_at__gt=since)  # whoever tries many at once is counted too
    return AuthorizationAttempt.objects.filter(wrong | asked_just_now, user=user, credential=credential).count()
