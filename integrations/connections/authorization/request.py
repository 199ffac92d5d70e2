"""How a sign-in begins: written down first, then the person leaves for the provider."""

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
from integrations.connections.authorization.storage import fail_with
from integrations.models.registry import GrantType, OAuth2Credential, Use
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    Token,
    state_digest,
)

PENDING_AT_ONCE = 10  # sign-ins under way for one person; older ones are cancelled
STARTS_IN_A_LIFETIME = 100
LONGEST_PATH = 500


class TooManyStarts(Exception):
    """One person began more sign-ins than a person does."""


class NotStarted(Exception):
    """The sign-in ended before the person could leave for the provider. Why is in the attempt."""

    def __init__(self, attempt: AuthorizationAttempt) -> None:
        super().__init__(attempt.failure_code)
        self.attempt = attempt


def begin(
    user: User, credential: OAuth2Credential, *, session_binding: str, popup: bool = False, next_path: str = ""
) -> str:
    """Write down the sign-in; return the provider's address to leave for (RFC 6749 §4.1.1, RFC 7636)."""
    integration_for(user, credential)
    if credential.profile.grant_type != GrantType.AUTHORIZATION_CODE:
        raise NotAvailable
    make_room(user)
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    use = Use.TOKENS  # a registration that cannot be read cannot be used for anything
    try:
        registration = credential.registry.registration()
        use = Use.SIGN_IN
        request = client.authorization_request(
            registration,
            redirect_uri=attempt.redirect_uri,
            scopes=attempt.scopes,
            prompt="consent" if wants_consent_again(attempt) else "",
        )
    except OAuthError as error:
        attempt.save()
        fail_with(attempt, error, use=use)
        raise NotStarted(attempt) from error
    attempt.state_hash = state_digest(request.state)
    attempt.code_verifier, attempt.nonce = request.code_verifier, request.nonce
    attempt.save()
    return request.url


def new_attempt(
    user: User, credential: OAuth2Credential, *, session_binding: str, popup: bool, next_path: str
) -> AuthorizationAttempt:
    """Not saved yet, and with a state that nobody knows."""
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
    """A page of this site, and none that starts another sign-in: who chose the path may be a foreign page."""
    spelled_out = path.startswith("/") and path.isprintable() and len(path) <= LONGEST_PATH
    is_of_this_site = spelled_out and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return is_of_this_site and not leads_to_leaving_view(path, page_url=f"{settings.SITE_URL}/")


def make_room(user: User) -> None:
    """Abandoned starts neither pile up nor can be produced without end."""
    since = timezone.now() - settings.ATTEMPT_LIFETIME
    if AuthorizationAttempt.objects.filter(user=user, created_at__gt=since).count() >= STARTS_IN_A_LIFETIME:
        raise TooManyStarts
    pending = AuthorizationAttempt.objects.filter(user=user, status=AttemptStatus.PENDING).order_by("-created_at")
    oldest = list(pending.values_list("pk", flat=True)[PENDING_AT_ONCE - 1 :])
    ended = {"status": AttemptStatus.CANCELLED, "failure_code": "replaced", "finished_at": timezone.now()}
    AuthorizationAttempt.objects.filter(pk__in=oldest).update(**ended)


def wants_consent_again(attempt: AuthorizationAttempt) -> bool:
    """`prompt` belongs to OpenID Connect, and there are servers that fail on it: each registry may do without."""
    is_understood = attempt.registry.consent_after_revoke and "openid" in attempt.scopes
    return is_understood and was_revoked(attempt.owner, attempt.credential)


def was_revoked(user: User | None, credential: OAuth2Credential) -> bool:
    """After a revoke the provider must ask again, not silently approve."""
    return (
        not Token.objects.of(user, credential).exists()
        and Revocation.objects.of(user, credential).filter(by_the_person=True).exists()
    )
