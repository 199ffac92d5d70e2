"""Catalogue of failures: whose fault each is, and what people, programs and administrators are told.

`FAILURES` has the codes that are stored and raised inside: those of servers (`error_codes`) and our own. `ANSWERS` has
the few codes that programs get, from the REST API and from runs of subflows. To add a code, add a row.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from foundation.oauth_client import error_codes
from foundation.oauth_client.errors import Fault, OAuthError

ADDRESS_CHANGED = "address_changed"  # of a token that is blocked until its owner confirms
# Reasons to hold the renewals of a registry, if no code of the provider is one.
CLIENT_REFUSED, UNEXPLAINED_REFUSALS = "client_refused", "unexplained_refusals"
# Reasons to tell administrators that are found out over time.
UNUSABLE_ANSWERS, REFUSED_FOR_MANY = "unusable_answers", "refused_for_many"
WRONG_PASSWORD = _("%(title)s didn’t accept that username and password. Check both and try again.")
CLOCK = re.compile(r"provider_clock_(ahead|behind)_(\d+)_minutes")  # as `ClockSkew` spells it
CLOCK_CODE = "provider_clock_ahead_or_behind"  # the row of all of these


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Row of one code. Texts are lazy."""

    fault: Fault
    ending: str = ""  # of a sign-in, if not that of the fault: a value of `card.Ending`
    status: int | None = None  # for programs, if not that of the answer
    for_programs: str = ""  # an exception's message
    for_administrators: Any = ""  # "" if the code and the provider's reason say enough
    in_password_window: Any = ""  # for the person who typed a password; may contain %(title)s
    password_status: int = 400  # HTTP status of that window
    is_uncallable: bool = False  # an address that Keyrack may not call
    is_about_revocation: bool = False  # if a revocation fails with it, the registry has to be fixed
    field: str = ""  # of the registry, or "scopes": the likeliest cause. "" if the code points to none


def rows(fault: Fault, *codes: str, **fields: Any) -> dict[str, Failure]:
    return dict.fromkeys(codes, Failure(fault=fault, **fields))


# Codes of servers that point to a field, where `error_codes` doesn't say so
FIELDS_OF_SERVERS = {
    "invalid_client_id": "client_id",
    "unauthorized_client": "client_id",
    **dict.fromkeys(("invalid_scope", "insufficient_scope", "unauthorized_scope_error"), "scopes"),
    "unsupported_grant_type": "default_grant_type",
}


def rows_of_servers() -> dict[str, Failure]:
    """Return the rows of the codes that servers send."""
    return {
        code: Failure(
            fault=row.fault or Fault.ANSWER,
            ending="unfinished" if row.awaits_person else "",
            field=FIELDS_OF_SERVERS.get(code, "")
            or ("redirect_url" if row.is_about_redirect else "")
            or ("client_secret" if row.is_about_client else ""),
        )
        for code, row in error_codes.CODES.items()
    }


FAILURES: dict[str, Failure] = {
    **rows_of_servers(),
    # The person has to sign in again, or to do something else.
    **rows(Fault.PERSON, "not_connected", "deactivated", "expired", "other_account", "dead_access_token"),
    **rows(Fault.PERSON, ADDRESS_CHANGED),
    "invalid_grant": Failure(
        fault=Fault.PERSON,
        in_password_window=WRONG_PASSWORD,
    ),
    "locked_out": Failure(
        fault=Fault.PERSON,
        in_password_window=_("Too many tries. Wait 15 minutes, or ask your administrator."),
        password_status=429,
    ),
    "second_factor_is_on": Failure(
        fault=Fault.PERSON,
        in_password_window=_(
            "You use two-step sign-in. Create an application password under Account security and enter it here."
        ),
    ),
    "missing_code": Failure(
        fault=Fault.PERSON,
        ending="empty_answer",
        for_administrators=_(
            "The provider has sent several people back without a code and without an error. Compare the redirect URL "
            "and the response type with its documents; if its code has another name, say so in Provider’s ways."
        ),
    ),
    "nothing_to_choose": Failure(fault=Fault.PERSON, ending="nothing_to_choose"),
    "declined": Failure(fault=Fault.PERSON, ending="denied"),
    **rows(Fault.PERSON, "sign_in_over", "value_missing"),
    "token_refused": Failure(
        fault=Fault.PERSON, for_programs="The third party refuses a token that renewing doesn't cure."
    ),
    "person_must_act": Failure(
        fault=Fault.PERSON,
        ending="unfinished",
        in_password_window=_(
            "%(title)s wants you to do something there first: your account may be locked, or your password may have "
            "expired. Sign in at its own page, then come back."
        ),
    ),
    **rows(Fault.PERSON, "sign_in_page_over", ending="page_over"),
    **rows(Fault.PERSON, "refused_by_policy", ending="by_policy"),
    **rows(Fault.PERSON, "administrator_must_consent", ending="administrator_first"),
    "wrong_password": Failure(fault=Fault.PERSON, in_password_window=WRONG_PASSWORD),
    "second_step": Failure(
        fault=Fault.PERSON,
        ending="second_step",
        in_password_window=_(
            "Your password is right, but %(title)s asks for a second step, which this window can’t do. Tell your "
            "administrator: the integration needs the grant type Authorization Code."
        ),
        for_administrators=_(
            "The provider asks several people for a second step, which the grant type Resource Owner Password "
            "Credentials can’t do. Use Authorization Code."
        ),
    ),
    "other_account_refused": Failure(fault=Fault.PERSON, ending="account_refused"),
    "no_longer_available": Failure(fault=Fault.PERSON, ending="no_longer_available"),
    # The set-up here: an administrator has to fix it.
    **rows(Fault.SET_UP, "bad_request", "bad_registration", "no_keys", "no_credential"),
    **rows(Fault.SET_UP, "bad_client_id", field="client_id"),
    **rows(Fault.SET_UP, "bad_client_authentication", field="send_credentials"),
    **rows(Fault.SET_UP, "bad_code_challenge_method", field="code_challenge_method"),
    **rows(Fault.SET_UP, "bad_call_headers", field="call_headers"),
    **rows(Fault.SET_UP, "bad_userinfo_request", field="userinfo_request"),
    **rows(Fault.SET_UP, "unreadable_secret", field="client_secret"),
    **rows(Fault.SET_UP, "redirected", "http_404", "http_405", "http_410", field="token_url"),
    **rows(Fault.SET_UP, "bad_url", "blocked_address", "insecure_url", is_uncallable=True, field="token_url"),
    **rows(Fault.SET_UP, "invalid_client", "http_401", is_about_revocation=True, field="client_secret"),
    **rows(Fault.SET_UP, "unauthorized_client", is_about_revocation=True, field="client_id"),
    **rows(Fault.SET_UP, "bad_revocation_request", is_about_revocation=True),
    **rows(Fault.SET_UP, "bad_provider_profile", field="provider_profile"),
    **rows(Fault.SET_UP, "registration_wrong"),
    **rows(Fault.SET_UP, "plan_ended", ending="by_policy"),
    "not_available": Failure(
        fault=Fault.SET_UP,
        for_programs="There is no alias of this name that the person may use with a token of their own.",
    ),
    "no_connection": Failure(
        fault=Fault.SET_UP,
        for_programs="The alias has no active HTTP(s) Connection, so there is no address to call.",
    ),
    CLIENT_REFUSED: Failure(
        fault=Fault.SET_UP,
        field="client_secret",
        for_administrators=_(
            "The provider does not accept our Client ID and Client Secret. Compare both and Send Credentials with what "
            "is registered there."
        ),
    ),
    UNEXPLAINED_REFUSALS: Failure(
        fault=Fault.SET_UP,
        for_administrators=_(
            "The provider refuses renewals without a clear reason, so our registration may be the cause. "
            "Compare Client ID, Client Secret, Token URL and Send Credentials with what is registered there."
        ),
    ),
    UNUSABLE_ANSWERS: Failure(
        fault=Fault.SET_UP,
        for_administrators=_(
            "For more than a day the provider has answered renewals without a token, and nobody has got one. Compare "
            "Token URL and Refresh URL with the provider’s documents. Nobody was signed out."
        ),
    ),
    REFUSED_FOR_MANY: Failure(
        fault=Fault.SET_UP,
        for_administrators=_(
            "The provider has refused the sign-ins of several people in the same words within an hour, and renewed "
            "none in between. Look there for what has changed. When you save the registry, their sign-ins are tried "
            "once more."
        ),
    ),
    "other_issuer": Failure(
        fault=Fault.SET_UP,
        field="issuer",
        for_administrators=_(
            "The id token names another issuer than the registry, so nobody can sign in. If the provider does use that "
            "name, enter it in Issuer, letter by letter; for people of many tenants, press Fill from metadata instead."
        ),
    ),
    # The provider, or the way to it
    **rows(Fault.PROVIDER, "connection_failed", "dns_failed", "tls_refused", "truncated"),
    **rows(Fault.PROVIDER, "provider_down", "renewal_postponed", "renewal_timeout", "http_403", "http_408"),
    **rows(Fault.PROVIDER, "http_429", "wait", "temporary", "keep_token", "answer_lost"),
    **rows(Fault.KEYRACK, "restored", "copied"),
    "restore_undecided": Failure(
        fault=Fault.SET_UP,
        for_programs="Keyrack was restored from a backup or copied, and renews nothing until an operator has decided.",
        for_administrators=_(
            "The database was restored or copied, so nothing is renewed. Run manage.py after_restore."
        ),
    ),
    "timeout": Failure(fault=Fault.PROVIDER, status=504),
    # An answer that cannot be understood
    **rows(Fault.ANSWER, "bad_encoding", "bad_framing", "bad_headers", "bad_length", "bad_status", "not_http"),
    **rows(Fault.ANSWER, "not_json", "not_a_token_answer", "malformed_metadata", "unexpected_answer"),
    **rows(Fault.ANSWER, "no_access_token", "no_token_endpoint"),
    **rows(Fault.ANSWER, "invalid_error", "unsure", "no_renewal"),
    **rows(Fault.ANSWER, "too_large", "no_answer", ending="unanswered"),
    CLOCK_CODE: Failure(
        fault=Fault.ANSWER,
        ending="clocks_differ",
        for_administrators=_(
            "The clocks of the provider and of this server differ by %(minutes)s minutes. Check the clock of this "
            "server first; if it is right, the provider must correct theirs."
        ),
    ),
    # Possibly an attack
    **rows(Fault.ATTACK, "issuer_mismatch", "issuer_missing", "bad_signature", "registration_changed"),
    "bad_id_token": Failure(
        fault=Fault.ATTACK,
        for_administrators=_(
            "The id tokens of several people don’t answer their sign-ins: another Client ID is meant, or the nonce is "
            "missing. Compare Client ID; for a provider that sends no nonce, say so in Provider’s ways."
        ),
    ),
    # Keyrack itself
    **rows(Fault.KEYRACK, "unreadable", "renewal_interrupted"),
}


def failure_of(code: str) -> Failure | None:
    """Return the row of a code; None for a code that a server made up."""
    if code in FAILURES:
        return FAILURES[code]
    if CLOCK.fullmatch(code):
        return FAILURES[CLOCK_CODE]
    return Failure(fault=Fault.PROVIDER) if code.startswith("http_5") else None


def is_uncallable(code: str) -> bool:
    """Whether Keyrack may not call an address, so that an administrator has to correct it."""
    return code in FAILURES and FAILURES[code].is_uncallable


def explanation_of(code: str) -> str:
    """Return what administrators are told in addition to the code and the provider's reason."""
    row, clock = failure_of(code), CLOCK.fullmatch(code)
    return str(row.for_administrators) % {"minutes": clock[2] if clock else ""} if row else ""


def field_behind(code: str) -> str:
    """Return the field of the registration that most likely causes a failure; "" if the code points to none."""
    row = failure_of(code)
    return row.field if row else ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A code for programs. `sentence`: of the REST API. `in_run`: of a subflow, for the person who runs it.

    Sentences of runs may contain %(alias)s and %(code)s, the code of the cause.
    """

    code: str
    fault: Fault
    status: int | None = None  # HTTP status of the REST API, if it answers with this code
    sentence: str = ""
    in_run: Any = ""
    in_system_run: Any = ""  # if it runs as the system; `in_run` if empty
    cancels_run: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.code}"


NOT_AUTHENTICATED = Answer(
    code="integration_not_authenticated",
    fault=Fault.PERSON,
    status=401,
    sentence="The person is not signed in to this integration. Send them to initiator_url.",
    in_run=_("401 Unauthorized: the person has no usable token for “%(alias)s” and must authenticate first."),
    in_system_run=_("401 Unauthorized: the system has no usable token for “%(alias)s”. An administrator must get one."),
)
MOVED = Answer(
    code=ADDRESS_CHANGED,
    fault=Fault.PERSON,
    status=409,
    sentence="The integration was moved to another address. The person must confirm it, or sign in again.",
    in_run=_("“%(alias)s” was moved to another address. The person must confirm it, or sign in again."),
    in_system_run=_(
        "“%(alias)s” was moved to another address. An administrator must get a token for the system again."
    ),
)
MISCONFIGURED = Answer(
    code="integration_misconfigured",
    fault=Fault.SET_UP,
    status=502,
    sentence="The integration is misconfigured. An administrator must fix it.",
    in_run=_("The integration “%(alias)s” isn’t set up correctly (%(code)s). An administrator must fix it."),
)
UNREACHABLE = Answer(
    code="provider_unreachable",
    fault=Fault.PROVIDER,
    status=502,
    sentence="The third party does not answer. Try again later.",
    in_run=_("“%(alias)s” doesn’t answer (%(code)s). Try again later."),
)
UNUSABLE = Answer(
    code="provider_unusable",
    fault=Fault.ANSWER,
    status=502,
    sentence="The third party's answer can't be used.",
    in_run=_("“%(alias)s” sent an answer that can’t be used (%(code)s)."),
)
NOT_FOUND = Answer(code="not_found", fault=Fault.PROGRAM, status=404, sentence="There is no such integration for you.")
PERMISSION_DENIED = Answer(code="permission_denied", fault=Fault.PROGRAM, status=403)
INVALID_TOKEN = Answer(code="invalid_token", fault=Fault.PROGRAM, status=401)
EXPORT_NOT_ALLOWED = Answer(code="export_not_allowed", fault=Fault.SET_UP, status=403)
INVALID_REQUEST = Answer(code="invalid_request", fault=Fault.PROGRAM, status=400)
TOO_LARGE = Answer(
    code="request_too_large",
    fault=Fault.PROGRAM,
    status=413,
    sentence="The body is larger than %(limit)d bytes.",
)
# Answers to what is wrong with the request alone, one for each status
REFUSED_AGAIN = Answer(
    code="token_refused",
    fault=Fault.PERSON,
    status=409,
    sentence=(
        "The token was renewed lately, or the provider itself still accepts it: renewing it doesn't help. "
        "The call may need something that was not granted."
    ),
)
OF_REQUEST = {
    answer.status: answer
    for answer in (
        INVALID_REQUEST,
        Answer(code="not_authenticated", fault=Fault.PROGRAM, status=401),
        PERMISSION_DENIED,
        NOT_FOUND,
        Answer(code="method_not_allowed", fault=Fault.PROGRAM, status=405),
        Answer(code="not_acceptable", fault=Fault.PROGRAM, status=406),
        Answer(code="conflict", fault=Fault.PROGRAM, status=409),
        Answer(code="precondition_failed", fault=Fault.PROGRAM, status=412),
        TOO_LARGE,
        Answer(code="unsupported_media_type", fault=Fault.PROGRAM, status=415),
        Answer(code="too_many_requests", fault=Fault.PROGRAM, status=429),
    )
}
# Answers that an exception of the API names itself
NAMED = (
    INVALID_TOKEN,
    EXPORT_NOT_ALLOWED,
    Answer(code="confirmation_required", fault=Fault.PROGRAM, status=409),
    Answer(code="insufficient_scope", fault=Fault.PERSON, status=403),  # of a run: the scopes of the person's token
    Answer(code="provider_forbids", fault=Fault.PERSON, status=403),
)
OF_FAULT = {
    Fault.PERSON: UNUSABLE,  # a refusal of one request; that a token is refused is `NoUsableToken`
    Fault.SET_UP: MISCONFIGURED,
    Fault.PROVIDER: UNREACHABLE,
    Fault.ANSWER: UNUSABLE,
}
STOPPED = _("Stopped: the subflow is turned off, or the person may no longer run it.")
# Of runs alone. Where `in_run` is empty, the sentence says what is wrong with the expression or the answer.
OF_RUNS = (
    Answer(
        code="integration_not_available",
        fault=Fault.SET_UP,
        in_run=_(
            "The integration “%(alias)s” isn’t available to this run: it is turned off, incomplete or not allowed."
        ),
    ),
    Answer(code="bad_path", fault=Fault.SET_UP),
    Answer(code="bad_template", fault=Fault.SET_UP),
    Answer(code="bad_inputs", fault=Fault.SET_UP),
    Answer(code="bad_output", fault=Fault.SET_UP),
    Answer(code="action_inactive", fault=Fault.SET_UP),
    Answer(code="timeout", fault=Fault.PROVIDER, in_run=_("The run took too long.")),
    Answer(code="http_401", fault=Fault.PERSON),
    Answer(code="http_403", fault=Fault.PERSON),
    Answer(code="http_408", fault=Fault.PROVIDER),
    Answer(
        code="unreadable",
        fault=Fault.KEYRACK,
        in_run=_("The inputs of this run can’t be decrypted: their key is missing from TOKEN_ENCRYPTION_KEYS."),
    ),
    Answer(code="internal_error", fault=Fault.KEYRACK, in_run=_("Keyrack failed. Its log says why.")),
    Answer(code="never_begun", fault=Fault.KEYRACK, in_run=_("No worker started it in time. Is one running?")),
    Answer(
        code="worker_lost",
        fault=Fault.KEYRACK,
        in_run=_("The worker stopped during the run. Some steps may have been called."),
    ),
    Answer(code="given_up", fault=Fault.KEYRACK, in_run=_("Stopped: the run was given up meanwhile.")),
    Answer(
        code="person_deactivated",
        fault=Fault.PERSON,
        in_run=_("Stopped: the person was deactivated."),
        cancels_run=True,
    ),
    Answer(
        code="role_lost",
        fault=Fault.PERSON,
        in_run=_("Stopped: the person no longer has the role to use integrations."),
        cancels_run=True,
    ),
    Answer(
        code="no_second_step",
        fault=Fault.PERSON,
        in_run=_("Stopped: two-step sign-in is required of the person, who hasn’t set it up yet."),
        cancels_run=True,
    ),
    Answer(
        code="cancelled_by_caller",
        fault=Fault.PERSON,
        in_run=_("Stopped: the program that started the run cancelled it."),
        cancels_run=True,
    ),
    Answer(code="no_longer_allowed", fault=Fault.PERSON, in_run=STOPPED, cancels_run=True),
)


def by_code(*groups: Iterable[Answer]) -> dict[str, Answer]:
    return {answer.code: answer for group in groups for answer in group}


OF_INTEGRATION = (NOT_AUTHENTICATED, MOVED, REFUSED_AGAIN, MISCONFIGURED, UNREACHABLE, UNUSABLE)
ANSWERS = by_code(OF_INTEGRATION, OF_REQUEST.values(), NAMED, OF_RUNS)


def answer_to(error: OAuthError) -> Answer:
    """Return the answer to an error of the provider or of the set-up."""
    return OF_FAULT[error.fault]


def status_of(error: OAuthError) -> int:
    row, answer = FAILURES.get(error.code), answer_to(error)
    own = row.status if row and row.fault == error.fault else None
    return own or answer.status or 502


# Answers that name the address where the person can sign in again.
WITH_INITIATOR_URL = {answer.code for answer in (NOT_AUTHENTICATED, MOVED, REFUSED_AGAIN)}


def answer_without_token(code: str) -> Answer:
    """Return the answer if there is no usable token. `code`: the reason."""
    return next((answer for answer in (MOVED, REFUSED_AGAIN) if answer.code == code), NOT_AUTHENTICATED)


def fault_in_run(code: str) -> Fault | None:
    """Return whose fault the failure of a run is; None for other HTTP statuses of the third party."""
    if code in ANSWERS:
        return ANSWERS[code].fault
    return Fault.PROVIDER if code.startswith("http_5") else None
