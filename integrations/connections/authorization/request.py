"""Start of a sign-in: store the attempt, then send the person to the provider."""

import hashlib
import secrets

from django.conf import settings
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from accounts.sign_in.redirects import leads_to_leaving_view
from foundation.oauth_client import client
from foundation.oauth_client.errors import OAuthError
from integrations.connections.authorization.access import NotAvailable, integration_for
from integrations.connections.authorization.storage import fail_with_error
from integrations.models.registry import GrantType, OAuth2Credential, Use
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    Token,
    state_digest,
)

PENDING_AT_ONCE = 10  # sign-ins under way for one person; the oldest are cancelled
STARTS_IN_A_LIFETIME = 100
LONGEST_PATH = 500


class TooManyStarts(Exception):
    """One person has begun too many sign-ins in a short time."""


class NotStarted(Exception):
    """The sign-in ended before the person was sent to the provider. The attempt holds the reason."""

    def __init__(self, attempt: AuthorizationAttempt) -> None:
        super().__init__(attempt.failure_code)
        self.attempt = attempt


def begin(
    user: User, credential: OAuth2Credential, *, session_binding: str, popup: bool = False, next_path: str = ""
) -> str:
    """Store the attempt, and return the provider's URL to send the person to (RFC 6749 §4.1.1, RFC 7636)."""
    integration_for(user, credential)
    if credential.profile.grant_type != GrantType.AUTHORIZATION_CODE:
        raise NotAvailable
    limit_attempts(user)
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    use = Use.TOKENS  # an unreadable registration cannot be used for anything
    try:
        registration = credential.registry.registration()
        use = Use.SIGN_IN
        request = client.authorization_request(
            registration,
            redirect_uri=attempt.redirect_uri,
            scopes=attempt.scopes,
            prompt="consent" if needs_consent_prompt(attempt) else "",
        )
    except OAuthError as error:
        attempt.save()
        fail_with_error(attempt, error, use=use)
        raise NotStarted(attempt) from error
    attempt.state_hash = state_digest(request.state)
    attempt.code_verifier, attempt.nonce = request.code_verifier, request.nonce
    attempt.save()
    return request.url


def new_attempt(
    user: User, credential: OAuth2Credential, *, session_binding: str, popup: bool, next_path: str
) -> AuthorizationAttempt:
    """An unsaved attempt. Its state is random, and replaced by that of the authorization request."""
    return AuthorizationAttempt(
        user=user,
        credential=credential,
        registry=credential.registry,
        integration_type=credential.integration_type,
        state_hash=state_digest(secrets.token_urlsafe(32)),
        session_hash=binding_digest(session_binding),
        redirect_uri=credential.registry.redirect_url,
        scopes=credential.profile.scope_values(),
        endpoints=credential.registry.endpoints(),
        popup=popup,
        next_path=next_path if is_local_path(next_path) else "",
    )


def binding_digest(session_binding: str) -> str:
    return hashlib.sha256(session_binding.encode()).hexdigest()


def is_local_path(path: str) -> bool:
    """Whether this is a page of this site that starts no other sign-in. The path may come from a foreign page."""
    is_path = path.startswith("/") and path.isprintable() and len(path) <= LONGEST_PATH
    is_of_this_site = is_path and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return is_of_this_site and not leads_to_leaving_view(path, page_url=f"{settings.SITE_URL}/")


def limit_attempts(user: User) -> None:
    """Cancel the oldest pending attempts of this person. Raises `TooManyStarts` if there were too many lately."""
    since = timezone.now() - settings.ATTEMPT_LIFETIME
    if AuthorizationAttempt.objects.filter(user=user, created_at__gt=since).count() >= STARTS_IN_A_LIFETIME:
        raise TooManyStarts
    pending = AuthorizationAttempt.objects.filter(user=user, status=AttemptStatus.PENDING).order_by("-created_at")
    oldest = list(pending.values_list("pk", flat=True)[PENDING_AT_ONCE - 1 :])
    values = {"status": AttemptStatus.CANCELLED, "failure_code": "replaced", "finished_at": timezone.now()}
    AuthorizationAttempt.objects.filter(pk__in=oldest).update(**values)


def needs_consent_prompt(attempt: AuthorizationAttempt) -> bool:
    """Whether to send `prompt=consent`: OpenID Connect only. Registries can turn it off for servers that reject it."""
    is_understood = attempt.registry.consent_after_revoke and "openid" in attempt.scopes
    return is_understood and was_revoked(attempt.owner, attempt.credential)


def was_revoked(user: User | None, credential: OAuth2Credential) -> bool:
    """Whether the person revoked access: the provider must then ask again, not silently approve."""
    return (
        not Token.objects.of(user, credential).exists()
        and Revocation.objects.of(user, credential).filter(by_the_person=True).exists()
    )
