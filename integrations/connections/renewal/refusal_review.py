"""Review of a refused renewal: the sign-in has ended, our registration is broken, or neither is certain yet.

Checks our registration at the provider if that is in doubt, before a person is asked to sign in again.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto

from django.utils import timezone

from foundation import installation
from foundation.database import release_connection
from foundation.oauth_client.client_check import ClientCheck, Verdict
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable
from integrations import registration_health
from integrations.connections.renewal import journal, leases
from integrations.models.failures import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Renewal, Token

UNEXPLAINED_AT_MOST = timedelta(days=1)  # after that, the person must sign in again


class RefusalKind(Enum):
    """What the response to a refresh request says."""

    CLEAR = auto()  # this token is dead, by a code or by a rule of the provider profile
    IN_WORDS = auto()  # the same, in words that a wrong registration may get, too
    VAGUE = auto()  # access_denied, invalid_request, an unknown code, nothing
    ABOUT_CLIENT = auto()  # unauthorized_client, which Gitea and Atlassian also send for a dead refresh token
    NO_ANSWER = auto()  # neither tokens nor a refusal: an HTML page, or an unknown code with status 200


class Standing(Enum):
    """What is known of our registration at the provider."""

    PROVEN_ALIKE = auto()  # accepted, and a refresh token that was never issued gets the same response as this one
    PROVEN = auto()  # accepted
    SUSPECT = auto()  # it cannot be checked; it was changed, or several people were refused alike
    REFUSED = auto()  # not accepted
    UNKNOWN = auto()  # it cannot be checked, or there is no reason to


class Outcome(Enum):
    END = auto()  # the person must sign in again
    HOLD = auto()  # all renewals of the registry; an administrator is told, and nobody's tokens are touched
    KEEP = auto()  # the token, and try again


END, HOLD, KEEP = Outcome
OUTCOMES: Mapping[RefusalKind, Mapping[Standing, Outcome]] = {
    refusal: dict(zip(Standing, outcomes, strict=True))
    for refusal, outcomes in {
        #                         alike proven suspect refused unknown
        RefusalKind.CLEAR:        (END,  END,  HOLD, HOLD, END),
        RefusalKind.IN_WORDS:     (END,  END,  HOLD, HOLD, END),
        RefusalKind.VAGUE:        (END,  KEEP, HOLD, HOLD, KEEP),
        RefusalKind.ABOUT_CLIENT: (END,  KEEP, KEEP, HOLD, KEEP),
        RefusalKind.NO_ANSWER:    (KEEP, KEEP, HOLD, HOLD, KEEP),
    }.items()
}  # fmt: skip
ABOUT_TOKEN = {RefusalKind.CLEAR, RefusalKind.IN_WORDS}
CHECKED_ALWAYS = {RefusalKind.VAGUE, RefusalKind.ABOUT_CLIENT}  # the others only if our registration is suspect


def review(token: Token, attempt: Renewal, error: OAuthError) -> OAuthError:
    """The error to act upon. `Refused` only if it is about this token, as far as can be found out.

    If that is in doubt, checks our registration at the provider first, with the lease prolonged.
    """
    if token.is_client_credentials and isinstance(error, Refused | Unexplained):
        return Misconfigured(error.code)  # there is no person whose grant could be refused
    refusal = refusal_in(error)
    if refusal is None:
        return error
    if refusal in ABOUT_TOKEN and installation.is_of_backup(token.refreshed_at or token.signed_in_at):
        return error  # expected of many, and no sign that our registration is wrong
    registry = token.credential.registry
    registry.refresh_from_db(fields=["registration_changed_at", "registration_accepted_at", "unknown_token_answer"])
    is_suspect = is_registration_suspect(registry, refusal, error.code, token.user_id)
    standing = Standing.UNKNOWN
    if is_suspect or refusal in CHECKED_ALWAYS:
        check = find_check(registry, attempt, error)
        if check is None:  # the result of another caller's check is not known yet, so nothing is final
            is_held = registration_health.is_held(registry)
            return registration_health.held_error(registry) if is_held else undecided_error(error)
        standing = standing_by(check, error, is_suspect=is_suspect)
    outcome = OUTCOMES[refusal][standing]
    if outcome is HOLD:
        code = CLIENT_REFUSED if standing is Standing.REFUSED else UNEXPLAINED_REFUSALS
        return registration_health.hold_renewals(registry, code, reason=error.reason)
    if outcome is KEEP and standing is Standing.PROVEN and isinstance(error, Misconfigured):
        error = with_words_of(error, Unexplained(error.code))  # the provider has just accepted our registration
    reviewed = ended_error(error) if outcome is END else retriable_error(token, error)
    if isinstance(reviewed, Refused) and not isinstance(error, Refused):
        registration_health.report_unexplained_end(registry, error, token.user_id)
    return reviewed


def refusal_in(error: OAuthError) -> RefusalKind | None:
    """What the response says, if it may end the sign-in or be the fault of our registration."""
    if isinstance(error, Refused):
        return RefusalKind.IN_WORDS if error.is_ambiguous else RefusalKind.CLEAR
    if isinstance(error, Unexplained):
        return RefusalKind.VAGUE
    if error.code == "unauthorized_client" and error.status != 401 and error.meaning != "registration_wrong":
        return RefusalKind.ABOUT_CLIENT
    return RefusalKind.NO_ANSWER if grants_nothing(error) else None


def grants_nothing(error: OAuthError) -> bool:
    """Whether the response has neither tokens nor a refusal: an HTML page, or an unknown code with status 200.

    Never final for a person; but a server may respond like this to a client that it does not know.
    """
    is_page = isinstance(error, Unreachable) and error.status == 403
    return is_page or (isinstance(error, Unusable) and not isinstance(error, Unexplained))


def is_registration_suspect(
    registry: ApplicationRegistry, refusal: RefusalKind, code: str, user_id: int | None
) -> bool:
    """Whether our registration may be the cause: it was changed, or several people were refused alike.

    A clear refusal of several people is believed. One in words is not while renewals are held, however long ago the
    others were refused.
    """
    if registry.is_unproven or refusal is RefusalKind.CLEAR:
        return registry.is_unproven
    if refusal is RefusalKind.IN_WORDS and registration_health.is_held(registry):
        return True
    return registration_health.several_refused(registry, code, user_id)


def find_check(registry: ApplicationRegistry, attempt: Renewal, error: OAuthError) -> ClientCheck | None:
    """The last check if it tells enough, else a new one. None while another caller is checking."""
    check = registration_health.last_check(registry)
    if check and (isinstance(error, Refused) or check.unknown_token_answer == error.fingerprint):
        return check
    leases.extend(attempt)
    release_connection()
    return registration_health.check_registration(registry)


def standing_by(check: ClientCheck, error: OAuthError, *, is_suspect: bool) -> Standing:
    if check.verdict == Verdict.REFUSED:
        return Standing.REFUSED
    if check.verdict == Verdict.ACCEPTED:
        # The server responds to a dead token as it does to one that it never issued.
        is_alike = check.unknown_token_answer == error.fingerprint
        return Standing.PROVEN_ALIKE if is_alike else Standing.PROVEN
    return Standing.SUSPECT if is_suspect else Standing.UNKNOWN


def ended_error(error: OAuthError) -> OAuthError:
    return error if isinstance(error, Refused) else with_words_of(error, Refused(error.code))


def retriable_error(token: Token, error: OAuthError) -> OAuthError:
    """The error to report while the token is kept and tried again; `Refused` after a day, so the person signs in."""
    undecided = undecided_error(error)
    if not isinstance(undecided, Unexplained):
        return undecided
    since = journal.failing_since(token, Unexplained)
    if since is not None and since < timezone.now() - UNEXPLAINED_AT_MOST and not token.lives_for():
        return with_words_of(error, Refused(error.code))
    return undecided


def undecided_error(error: OAuthError) -> OAuthError:
    """The error to report while nothing is decided, however long renewals have failed. Never `Refused`."""
    if isinstance(error, Misconfigured) or grants_nothing(error):
        return error
    return with_words_of(error, Unexplained(error.code, error.description))


def with_words_of(error: OAuthError, other: OAuthError) -> OAuthError:
    """The other error, with what the response of this one said."""
    other.status, other.fingerprint = error.status, error.fingerprint
    other.reason, other.meaning, other.claims = error.reason, error.meaning, error.claims
    return other
