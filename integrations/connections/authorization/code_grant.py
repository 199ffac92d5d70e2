"""Begin a sign-in at the provider by the authorization code grant (RFC 6749 §4.1.1). `callback` completes it."""

import secrets
from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from accounts.sign_in.middleware import leads_to_leaving_view
from foundation.exceptions import Explained
from foundation.oauth_client import client
from foundation.oauth_client.errors import OAuthError
from integrations.connections import step_up
from integrations.connections.authorization.failures import fail_with_error
from integrations.connections.authorization.storage import NotAvailable, agreement_at_start
from integrations.models.registry import GrantType, OAuth2Credential, Use
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    ConnectLink,
    Revocation,
    Token,
    session_digest,
    state_digest,
)

PENDING_AT_ONCE = 10  # sign-ins under way for one person; the oldest are cancelled
STARTS_IN_A_LIFETIME = 100
LONGEST_PATH = 500


class TooManyStarts(Explained):
    """One person has begun too many sign-ins in a short time."""

    message = "This person has begun too many sign-ins in a short time. Wait and try again."


class NotStarted(Exception):
    """The sign-in ended before the person was sent to the provider. The attempt holds the reason."""

    def __init__(self, attempt: AuthorizationAttempt) -> None:
        super().__init__(attempt.failure_code)
        self.attempt = attempt


def begin(
    user: User,
    credential: OAuth2Credential,
    *,
    session_binding: str,
    popup: bool = False,
    next_path: str = "",
    more_scopes: Iterable[str] = (),
    link: ConnectLink | None = None,
) -> str:
    """Store the attempt, and return the provider's URL to send the person to (RFC 6749 §4.1.1, RFC 7636).

    `more_scopes`: to ask for beside those of the profile, as far as they are on the registry. What a third party has
    demanded of the next sign-in (a claims challenge) is asked for, too. `link`: by which somebody else signs in for
    the user.
    """
    agreed = agreement_at_start(user, credential)
    if credential.profile.grant_type != GrantType.AUTHORIZATION_CODE:
        raise NotAvailable
    limit_attempts(user)
    attempt = new_attempt(user, credential, session_binding=session_binding, popup=popup, next_path=next_path)
    attempt.link, attempt.agreed = link, agreed
    attempt.scopes = sorted({*attempt.scopes, *step_up.allowed_scopes(credential.registry, more_scopes)})
    token = Token.objects.of(attempt.owner, credential).only("claims_challenge").first()
    use = Use.TOKENS  # an unreadable registration cannot be used for anything
    try:
        registration = credential.registry.registration()
        use = Use.SIGN_IN
        request = client.authorization_request(
            registration,
            redirect_uri=attempt.redirect_uri,
            scopes=attempt.scopes,
            prompt="consent" if needs_consent_prompt(attempt, token) else "",
            demanded=step_up.demanded_parameters(token.claims_challenge if token else ""),
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
        session_hash=session_digest(session_binding),
        redirect_uri=credential.registry.redirect_url,
        scopes=credential.profile.scope_values(),
        endpoints=credential.registry.endpoints(),
        popup=popup,
        next_path=next_path if is_local_path(next_path) else "",
    )


def is_local_path(path: str) -> bool:
    """Whether this is a page of this site that starts no other sign-in. The path may come from a foreign page."""
    is_path = path.startswith("/") and path.isprintable() and len(path) <= LONGEST_PATH
    is_of_this_site = is_path and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return is_of_this_site and not leads_to_leaving_view(path, page_url=f"{settings.SITE_URL}/")


def limit_attempts(user: User) -> None:
    """Cancel the oldest pending attempts of this person. Raises `TooManyStarts` if there were too many lately."""
    since = timezone.now() - settings.ATTEMPT_LIFETIME
    attempts = AuthorizationAttempt.objects.filter(user=user, created_at__gt=since).order_by("-created_at")
    latest = list(attempts.values_list("pk", "status")[:STARTS_IN_A_LIFETIME])
    if len(latest) == STARTS_IN_A_LIFETIME:
        raise TooManyStarts
    oldest = [pk for pk, status in latest if status == AttemptStatus.PENDING][PENDING_AT_ONCE - 1 :]
    values = {"status": AttemptStatus.CANCELLED, "failure_code": "replaced", "finished_at": timezone.now()}
    AuthorizationAttempt.objects.filter(pk__in=oldest, status=AttemptStatus.PENDING).update(**values)


def needs_consent_prompt(attempt: AuthorizationAttempt, token: Token | None) -> bool:
    """Whether to send `prompt=consent`: the person revoked access, so the provider must ask again.

    OpenID Connect only. Registries can turn it off for servers that reject it. `token`: the person's present one.
    """
    is_understood = attempt.registry.consent_after_revoke and "openid" in attempt.scopes
    if token or not is_understood:
        return False
    return bool(Revocation.objects.of(attempt.owner, attempt.credential).filter(by_the_person=True).exists())
