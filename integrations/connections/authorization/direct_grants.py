"""Grants without a detour to the provider's pages: a password (RFC 6749 §4.3), or our own client credentials (§4.4).

The password grant is for providers that support no other. Client credentials get the system's own token.
"""

from datetime import timedelta
from functools import partial
from http import HTTPStatus

from django.db.models import F, Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.oauth_server import in_process
from accounts.sign_in import backends, mfa
from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError, Refused
from integrations.connections import renewal
from integrations.connections.authorization.changed_addresses import confirm_for_system
from integrations.connections.authorization.code_grant import TooManyStarts, limit_attempts, new_attempt
from integrations.connections.authorization.storage import NotAvailable, fetch_and_store, require_available
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, ConnectLink, Token, TokenState

WRONG_PASSWORDS_AT_MOST = 5
WRONG_PASSWORDS_WITHIN = timedelta(minutes=15)
WRONG_PASSWORD = "invalid_grant"  # noqa: S105 - the code that RFC 6749 §5.2 has for it
LOCKED_OUT, SECOND_FACTOR = "locked_out", "second_factor_is_on"  # codes of our own server
COUNTED = (WRONG_PASSWORD, "person_must_act")  # that is, also tries at an account that the provider has locked
NOT_THE_PASSWORD = {"second_step", "person_must_act", "refused_by_policy", "administrator_must_consent"}
CHANGE_PERMISSION = "integrations.change_applicationregistry"


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
    link: ConnectLink | None = None,
) -> AuthorizationAttempt:
    """Exchange a user name and password for tokens (RFC 6749 §4.3). The password is sent once and not stored.

    `address`: the IP address of the person, by which our own server counts wrong passwords. `link`: by which somebody
    else signs in for the user.
    """
    require_available(user, credential)
    if credential.profile.grant_type != GrantType.PASSWORD:
        raise NotAvailable
    limit_attempts(user)
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    attempt.status, attempt.link = AttemptStatus.CLAIMED, link
    attempt.save()
    # Counted once this attempt is stored, so that each of several parallel ones counts the others.
    if count_wrong_passwords(user, credential) > WRONG_PASSWORDS_AT_MOST:
        attempt.delete()
        raise TooManyStarts
    with in_process.called_from(address):
        fetch_and_store(attempt, partial(request_tokens, attempt, username, password), account_name=username)
    return attempt


@sensitive_variables("password")
def request_tokens(attempt: AuthorizationAttempt, username: str, password: str) -> TokenAnswer:
    """Request the tokens. Every refusal counts as a wrong name or password, unless the provider says otherwise."""
    registration = attempt.registry.registration()
    try:
        return client.password(registration, username=username, password=password, scopes=attempt.scopes)
    except OAuthError as error:
        if in_process.is_own_endpoint(registration.token_url) and (
            code := local_failure_code(attempt, username, error)
        ):
            raise Refused(code) from error
        if isinstance(error, Refused) and error.meaning not in NOT_THE_PASSWORD:
            raise Refused(WRONG_PASSWORD) from error
        raise


def local_failure_code(attempt: AuthorizationAttempt, username: str, error: OAuthError) -> str:
    """The reason of a refusal by our own server; "" if there is none that the person who signs in may know.

    Only the owner of an account learns of its second step, and not the helper of a connect link.
    """
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return LOCKED_OUT
    is_refused = isinstance(error, Refused) and error.code == WRONG_PASSWORD
    is_own_account = attempt.signer_id == attempt.user_id and backends.find_user(username) == attempt.user
    if is_refused and is_own_account and mfa.is_on(attempt.user):
        return SECOND_FACTOR
    return ""


def count_wrong_passwords(user: User, credential: OAuth2Credential) -> int:
    """Count the failures, and the attempts under way, which may fail."""
    since = timezone.now() - WRONG_PASSWORDS_WITHIN
    failed = Q(status=AttemptStatus.FAILED, finished_at__gt=since, failure_code__in=COUNTED)
    under_way = Q(status=AttemptStatus.CLAIMED, created_at__gt=since)
    return AuthorizationAttempt.objects.filter(failed | under_way, user=user, credential=credential).count()


def get_own_token(user: User, credential: OAuth2Credential) -> Token:
    """A token that can be used now: the stored one, or a new one. Raises the exceptions of `renewal.current`."""
    require_available(user, credential)
    if not renewal.grants_to_us(credential):
        raise NotAvailable
    old_version = Token.objects.of(None, credential).values_list("version", flat=True).first()
    reset_refusal(credential)
    if user.has_perm(CHANGE_PERMISSION):
        confirm_for_system(credential.registry)
    token = renewal.current(None, credential)
    if token.version != old_version:
        events.log_event(user, credential, EventKind.CONNECTED, "")
    return token


def reset_refusal(credential: OAuth2Credential) -> None:
    """Make a refused token renewable again. Otherwise no request would find out that the server accepts us now."""
    refused = Token.objects.of(None, credential).filter(state=TokenState.NEEDS_REAUTH)
    refused.update(
        state=TokenState.VALID, failure_code="", failed_at=None, expires_at=timezone.now(), version=F("version") + 1
    )
