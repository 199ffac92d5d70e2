"""What a refused renewal means: that this sign-in is over, that our registration is broken, or nothing certain yet."""

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

UNEXPLAINED_AT_MOST = timedelta(days=1)  # then the person is asked to sign in again


def reviewed(token: Token, attempt: Renewal, error: OAuthError) -> OAuthError:
    """The error to act upon. `Refused` only where the provider's word is about this token and our registration is good.

    Where that is in doubt, asks the provider about our registration first. While it does, the lease is prolonged.
    """
    if token.is_our_own and isinstance(error, Refused | Unexplained):
        return Misconfigured(error.code)  # no person stands behind it who could be meant
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
    if check is None or not settles(check, error):
        leases.prolong(attempt)
        release_connection()
        check = registration_health.check_registration(registry)
    return concluded(registry, error, check, is_suspect=is_suspect) or not_yet(token, error)


def is_ambiguous(error: OAuthError) -> bool:
    """Meant for a client that may not use a grant type; Gitea and Atlassian say it of a dead refresh token."""
    return error.code == "unauthorized_client" and error.status != 401


def grants_nothing(error: OAuthError) -> bool:
    """An answer came, with neither tokens nor a refusal: a page, a 200 with a word nobody knows. Never final for
    anybody; but a server may speak so to a client that it does not know.
    """
    is_page = isinstance(error, Unreachable) and error.status == 403
    return is_page or (isinstance(error, Unusable) and not isinstance(error, Unexplained))


def settles(check: ClientCheck, error: OAuthError) -> bool:
    return isinstance(error, Refused) or check.unknown_token_answer == error.fingerprint


def concluded(
    registry: ApplicationRegistry, error: OAuthError, check: ClientCheck | None, *, is_suspect: bool
) -> OAuthError | None:
    """None where nothing is certain. `check` is None while another caller asks."""
    if check is None:  # what the other caller finds out is not known yet, so nothing is final
        return registration_health.held_error(registry) if registration_health.is_held(registry) else None
    if check.verdict == Verdict.REFUSED:
        return registration_health.hold_renewals(registry, CLIENT_REFUSED)
    if check.verdict == Verdict.ACCEPTED:
        # What the server says to a token that nobody issued, it says of a dead one.
        return Refused(error.code) if settles(check, error) and not grants_nothing(error) else None
    if is_suspect and not isinstance(error, Misconfigured):
        return registration_health.hold_renewals(registry, UNEXPLAINED_REFUSALS)
    return None


def not_yet(token: Token, error: OAuthError) -> OAuthError:
    """Everything is kept and tried again, ever more rarely; after a day the person is asked to sign in."""
    if isinstance(error, Misconfigured) or grants_nothing(error):
        return error
    since = journal.unexplained_since(token)
    if since is not None and since < timezone.now() - UNEXPLAINED_AT_MOST and not token.lives_for():
        return Refused(error.code)
    unexplained = Unexplained(error.code, error.description)
    unexplained.status, unexplained.fingerprint = error.status, error.fingerprint
    return unexplained
