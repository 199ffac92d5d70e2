"""The password grant (RFC 6749 §4.3), for providers that support no other."""

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
from integrations.connections.authorization.request import TooManyStarts, limit_attempts, new_attempt
from integrations.connections.authorization.storage import fetch_and_store
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt

WRONG_PASSWORDS_AT_MOST = 5
WRONG_PASSWORDS_WITHIN = timedelta(minutes=15)
WRONG_PASSWORD = "invalid_grant"  # noqa: S105 - the code that RFC 6749 §5.2 has for it
LOCKED_OUT, SECOND_FACTOR = "locked_out", "second_factor_is_on"  # codes of our own server


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
    """Exchange a user name and password for tokens (RFC 6749 §4.3). The password is sent once and not stored.

    `address`: the IP address of the person, by which our own server counts wrong passwords.
    """
    integration_for(user, credential)
    if credential.profile.grant_type != GrantType.PASSWORD:
        raise NotAvailable
    limit_attempts(user)
    if count_wrong_passwords(user, credential) >= WRONG_PASSWORDS_AT_MOST:
        raise TooManyStarts
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    attempt.status = AttemptStatus.CLAIMED
    attempt.save()
    with in_process.called_from(address):
        fetch_and_store(attempt, partial(request_tokens, attempt, username, password), account_name=username)
    return attempt


@sensitive_variables("password")
def request_tokens(attempt: AuthorizationAttempt, username: str, password: str) -> TokenAnswer:
    """Request the tokens. Every refusal means, and counts as, a wrong name or password."""
    registration = attempt.registry.registration()
    try:
        return client.password(registration, username=username, password=password, scopes=attempt.scopes)
    except OAuthError as error:
        if in_process.is_own_endpoint(registration.token_url) and (
            code := local_failure_code(attempt.user, username, error)
        ):
            raise Refused(code) from error
        if isinstance(error, Refused):
            raise Refused(WRONG_PASSWORD) from error
        raise


def local_failure_code(user: User, username: str, error: OAuthError) -> str:
    """The reason of a refusal by our own server, told to the owner of the account only; otherwise ""."""
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return LOCKED_OUT
    is_refused = isinstance(error, Refused) and error.code == WRONG_PASSWORD
    if is_refused and backends.find_user(username) == user and mfa.is_on(user):
        return SECOND_FACTOR
    return ""


def count_wrong_passwords(user: User, credential: OAuth2Credential) -> int:
    since = timezone.now() - WRONG_PASSWORDS_WITHIN
    failed = Q(status=AttemptStatus.FAILED, finished_at__gt=since, failure_code=WRONG_PASSWORD)
    under_way = Q(status=AttemptStatus.CLAIMED, created_at__gt=since)  # counts parallel attempts too
    return AuthorizationAttempt.objects.filter(failed | under_way, user=user, credential=credential).count()
