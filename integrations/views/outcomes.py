"""How a sign-in ended, in words: to the person what happened and what to do, to the administrator the code."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models.integration import Integration
from integrations.models.registry.health import CLIENT_REFUSED, CLOCK, UNEXPLAINED_REFUSALS
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt
from integrations.oauth import codes

# Whose fault a code is: ours (the set-up's), a stranger's, or nobody's (the provider is not there just now).
OURS = codes.MISCONFIGURED | {
    *("redirected", "blocked_address", "insecure_url", "bad_url", "bad_request", "unreadable_secret", "no_keys"),
    *(
        CLIENT_REFUSED,
        UNEXPLAINED_REFUSALS,
        "bad_client_authentication",
        "bad_code_challenge_method",
        "http_401",
        "http_404",
        "http_405",
        "http_410",
    ),
}
SAFETY = {"issuer_mismatch", "issuer_missing", "registration_changed", "bad_id_token"}
NOBODYS = codes.TRANSIENT | {
    *("timeout", "connection_failed", "dns_failed", "too_large", "renewal_timeout", "http_403", "http_408", "http_429"),
    *("truncated", "tls_refused", "no_answer"),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    kind: str  # connected, less_access, other_account, failed, pending
    tone: str
    heading: str
    text: str
    code: str
    reference: str
    host: str
    at: datetime | None
    retry_url: str
    attempt_hex: str
    alias_hex: str
    popup: bool
    account: str
    previous_account: str


def outcome_of(attempt: AuthorizationAttempt, integration: Integration) -> Outcome:
    kind = kind_of(attempt, integration)
    heading, text = words_for(kind, attempt, integration)
    return Outcome(
        kind=kind,
        tone={"connected": "ok", "less_access": "warn", "other_account": "warn", "pending": "info"}.get(kind, "bad"),
        heading=heading,
        text=text,
        code=attempt.failure_code,
        reference=f"{attempt.hex[:4]}-{attempt.hex[4:8]}",
        host=integration.host,
        at=attempt.finished_at,
        retry_url="" if attempt.failure_code in OURS | {"no_longer_available"} else integration.initiator_url,
        attempt_hex=attempt.hex,
        alias_hex=integration.alias.hex,
        popup=attempt.popup,
        account=attempt.account_label,
        previous_account=integration.account,
    )


def kind_of(attempt: AuthorizationAttempt, integration: Integration) -> str:
    if attempt.status == AttemptStatus.CONNECTED:
        return "less_access" if integration.missing_scope_labels else "connected"
    if attempt.status in {AttemptStatus.PENDING, AttemptStatus.CLAIMED}:
        return "pending"
    return "other_account" if attempt.status == AttemptStatus.OTHER_ACCOUNT else "failed"


def words_for(kind: str, attempt: AuthorizationAttempt, integration: Integration) -> tuple[str, str]:
    names = {"title": integration.title}
    if kind == "connected":
        return _("%(title)s is connected") % names, ""
    if kind == "pending":
        return _("Almost there") % names, _("%(title)s has answered; we are fetching your token.") % names
    if kind == "other_account":
        return _("A different account?"), same_name_words(attempt, integration)
    if kind == "less_access":
        lists = {"given": in_words(integration.scope_labels), "missing": in_words(integration.missing_scope_labels)}
        told = _("%(title)s gave: %(given)s. Missing: %(missing)s. Some work may fail.")
        return _("Connected, with less access"), told % (names | lists)
    if attempt.failure_code == "other_account_refused":
        return _("Another account"), other_account_words(attempt, integration)
    heading, text = failure_words(attempt)
    return heading % names, text % names


def same_name_words(attempt: AuthorizationAttempt, integration: Integration) -> str:
    """What tells two accounts of one name apart; "" where their names do."""
    if attempt.account_label != integration.account:
        return ""
    told = _(
        "You signed in to %(title)s as %(account)s. The account so far has the same name, but %(title)s says that it "
        "is another account: its id is %(previous_id)s, the new one is %(new_id)s."
    )
    return told % {
        "title": integration.title,
        "account": attempt.account_label or _("an account without a name"),
        "previous_id": integration.token.account_id if integration.token else "–",
        "new_id": attempt.account_id,
    }


def other_account_words(attempt: AuthorizationAttempt, integration: Integration) -> str:
    if same_name := same_name_words(attempt, integration):
        return f"{same_name} {_('Nothing was changed. Sign out at the provider and try again.')}"
    told = _(
        "You signed in as %(account)s; this integration stays with %(previous)s. Nothing was changed. "
        "Sign out at %(provider)s and try again."
    )
    return told % {
        "account": attempt.account_label or _("another account"),
        "previous": integration.account or _("the account it had before"),
        "provider": integration.host or integration.title,
    }


def in_words(labels: list[str]) -> str:
    return ", ".join(labels) or _("nothing")


def clock_words(minutes: int) -> str:
    """Still with a place for the title."""
    told = ngettext(
        "The clocks of %(title)s and Keyrack differ by %(minutes)d minute, so the sign-in can’t be checked.",
        "The clocks of %(title)s and Keyrack differ by %(minutes)d minutes, so the sign-in can’t be checked.",
        minutes,
    )
    mend = _(
        "Nothing was stored. The administrators of Keyrack have been told. If their clock is right, %(title)s must set "
        "its own."
    )
    return f"{told} {mend}".replace("%(minutes)d", str(minutes))


def failure_words(attempt: AuthorizationAttempt) -> tuple[str, str]:
    code = attempt.failure_code
    if attempt.status == AttemptStatus.CANCELLED:
        return _("Sign-in cancelled"), _("Nothing was changed.")
    if codes.is_denial(code):
        return _("You didn’t allow access"), _(
            "%(title)s says that you chose not to allow Keyrack. Nothing was stored."
        )
    if code in codes.UNANSWERED:
        return _("You didn’t allow access"), _(
            "%(title)s is still waiting for your answer. Nothing was stored. Try again, sign in there and allow access."
        )
    if code == "missing_code":
        return _("%(title)s gave no answer"), _(
            "Some providers do this if you don’t allow access. Nothing was stored. Try again and allow access there."
        )
    if clock := CLOCK.fullmatch(code):
        return _("The clocks differ"), clock_words(int(clock[2]))
    if code == "no_longer_available":
        return _("%(title)s was turned off"), _("An administrator turned this integration off.")
    if code in OURS:
        return _("%(title)s isn’t set up correctly"), _("Only an administrator can fix this. They have been told.")
    if code in SAFETY:
        return _("This sign-in was stopped"), _(
            "The answer did not come from where it should. For your safety nothing was stored."
        )
    if code in NOBODYS or code.startswith("http_5"):
        return _("%(title)s doesn’t answer"), _("Your settings are fine. Try again in a few minutes.")
    return _("%(title)s did not complete the sign-in"), _("Nothing was stored. Try again.")
