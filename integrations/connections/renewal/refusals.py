"""Review of refused renewals: the sign-in has ended, our registration is broken, or neither is certain yet."""

from datetime import timedelta

from django.utils import timezone

from foundation.oauth_client.client_check import ClientCheck, Verdict
from foundation.oauth_client.errors import (
    Misconfigured,
    OAuthError,
    Refused,
    Unexplained,
    Unreachable,
    Unusable,
)
from integrations import registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.database_connections import release_connection
from integrations.models.registry import ApplicationRegistry
from integrations.models.registry.health import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.tokens import Renewal, Token

UNEXPLAINED_AT_MOST = timedelta(days=1)  # after that, the person must sign in again


def review(token: Token, attempt: Renewal, error: OAuthError) -> OAuthError:
    """The error to act upon. `Refused` only if it is about this token, and our registration is accepted.

    If that is in doubt, checks our registration at the provider first, with the lease prolonged.
    """
    if token.is_client_credentials and isinstance(error, Refused | Unexplained):
        return Misconfigured(error.code)  # there is no person whose grant could be refused
    if not (isinstance(error, Refused | Unexplained) or is_ambiguous(error) or grants_nothing(error)):
        return error
    registry = token.credential.registry
    registry.refresh_from_db(fields=["registration_changed_at", "registration_accepted_at", "unknown_token_answer"])
    if isinstance(error, Refused) and not registry.is_unproven:
        return error
    is_suspect = registry.is_unproven or registration_health.several_refused(registry, error.code, token.user_id)
    if grants_nothing(error) and not is_suspect:
        return error
    check = registration_health.last_check(registry)
    if check is None or not is_conclusive(check, error):
        leases.extend(attempt)
        release_connection()
        check = registration_health.check_registration(registry)
    return conclude(registry, error, check, is_suspect=is_suspect) or retriable_error(token, error)


def is_ambiguous(error: OAuthError) -> bool:
    """Whether it is unauthorized_client, which Gitea and Atlassian also send for a dead refresh token."""
    return error.code == "unauthorized_client" and error.status != 401


def grants_nothing(error: OAuthError) -> bool:
    """Whether the response has neither tokens nor a refusal: an HTML page, or an unknown code with status 200.

    Never final for a person; but a server may respond like this to a client that it does not know.
    """
    is_page = isinstance(error, Unreachable) and error.status == 403
    return is_page or (isinstance(error, Unusable) and not isinstance(error, Unexplained))


def is_conclusive(check: ClientCheck, error: OAuthError) -> bool:
    return isinstance(error, Refused) or check.unknown_token_answer == error.fingerprint


def conclude(
    registry: ApplicationRegistry, error: OAuthError, check: ClientCheck | None, *, is_suspect: bool
) -> OAuthError | None:
    """The error that follows from the check, or None. `check` is None while another caller is checking."""
    if check is None:  # the result of the other caller is not known yet, so nothing is final
        return registration_health.held_error(registry) if registration_health.is_held(registry) else None
    if check.verdict == Verdict.REFUSED:
        return registration_health.hold_renewals(registry, CLIENT_REFUSED)
    if check.verdict == Verdict.ACCEPTED:
        # The server responds to a dead token as it does to one that it never issued.
        return Refused(error.code) if is_conclusive(check, error) and not grants_nothing(error) else None
    if is_suspect and not isinstance(error, Misconfigured):
        return registration_health.hold_renewals(registry, UNEXPLAINED_REFUSALS)
    return None


def retriable_error(token: Token, error: OAuthError) -> OAuthError:
    """The error to report while the token is kept and tried again; `Refused` after a day, so the person signs in."""
    if isinstance(error, Misconfigured) or grants_nothing(error):
        return error
    since = journal.unexplained_since(token)
    if since is not None and since < timezone.now() - UNEXPLAINED_AT_MOST and not token.lives_for():
        return Refused(error.code)
    unexplained = Unexplained(error.code, error.description)
    unexplained.status, unexplained.fingerprint = error.status, error.fingerprint
    return unexplained
