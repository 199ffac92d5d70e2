"""Signing in by name and password, where a provider has nothing else (RFC 6749 §4.3)."""

from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from integrations.authorization.access import NotAvailable, integration_for
from integrations.authorization.results import take
from integrations.authorization.starts import TooManyStarts, make_room, new_attempt
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
)
from integrations.oauth import client
from integrations.oauth.answers import TokenAnswer
from integrations.oauth.errors import Refused

WRONG_PASSWORDS_AT_MOST = 5
WRONG_PASSWORDS_WITHIN = timedelta(minutes=15)
WRONG_PASSWORD = "invalid_grant"  # noqa: S105 - the code that RFC 6749 §5.2 has for it


def sign_in(
    user: User,
    credential: OAuth2Credential,
    *,
    username: str,
    password: str,
    session_binding: str,
    popup: bool = False,
    next_path: str = "",
) -> AuthorizationAttempt:
    """Exchange a name and a password for tokens (RFC 6749 §4.3). The password is sent once and kept nowhere."""
    integration_for(user, credential)
    if credential.profile.grant_type != GrantType.PASSWORD:
        raise NotAvailable
    make_room(user)
    if wrong_passwords(user, credential) >= WRONG_PASSWORDS_AT_MOST:
        raise TooManyStarts
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    attempt.status = AttemptStatus.CLAIMED
    attempt.save()
    take(attempt, partial(ask_with_password, attempt, username, password))
    return attempt


def ask_with_password(attempt: AuthorizationAttempt, username: str, password: str) -> TokenAnswer:
    """Whatever word a server has for "no", it means a wrong name or password here, and counts as one."""
    registration = attempt.registry.registration()
    try:
        return client.password(registration, username=username, password=password, scopes=attempt.scopes)
    except Refused as error:
        raise Refused(WRONG_PASSWORD) from error


def wrong_passwords(user: User, credential: OAuth2Credential) -> int:
    since = timezone.now() - WRONG_PASSWORDS_WITHIN
    wrong = Q(status=AttemptStatus.FAILED, finished_at__gt=since, failure_code=WRONG_PASSWORD)
    asked_just_now = Q(status=AttemptStatus.CLAIMED, created_at__gt=since)  # whoever tries many at once is counted too
    return AuthorizationAttempt.objects.filter(wrong | asked_just_now, user=user, credential=credential).count()
