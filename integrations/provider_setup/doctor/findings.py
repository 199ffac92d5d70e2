"""Findings of the doctor: a sentence, and who can fix it.

A finding holds no secret. Of a server's words it repeats only the reason of a refusal, from which secrets are removed.
"""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations.models.failures import is_uncallable


class Whose(TextChoices):
    ADMINISTRATOR = "administrator", gettext_lazy("an administrator")
    PROVIDER = "provider", gettext_lazy("the provider")
    OURS = "ours", gettext_lazy("this site’s operator")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of a check. `whose` is "" if there is nothing to fix; `is_open`: it is for people to show or decide.

    `field`: of the registration, "connection_url" or "scopes": the likeliest cause. `words`: the server's own, without
    secrets.
    """

    sentence: str
    whose: str = ""
    is_open: bool = False
    field: str = ""
    words: str = ""

    @property
    def tone(self) -> str:
        return "bad" if self.is_fault else "idle" if self.is_open else "ok"

    @property
    def is_fault(self) -> bool:
        return bool(self.whose)

    @property
    def whose_label(self) -> str:
        return str(Whose(self.whose).label) if self.whose else ""


def good(sentence: str) -> Finding:
    return Finding(sentence=sentence)


def undecided(sentence: str) -> Finding:
    return Finding(sentence=sentence, is_open=True)


def fault(whose: Whose, sentence: str, *, field: str = "", words: str = "") -> Finding:
    return Finding(sentence=sentence, whose=whose, field=field, words=words)


def judge_no_answer(label: str, error: OAuthError, field: str) -> Finding | None:
    """Return a finding if the endpoint gave no usable answer; None if it answered. `field`: that of its address."""
    names = {"label": label, "code": error.code, "why": error.describe(_)}
    if is_uncallable(error.code):
        message = _("%(label)s: Keyrack may not call this address (%(why)s). Correct it, or see OUTBOUND_ALLOW.")
        return fault(Whose.ADMINISTRATOR, message % names, field=field)
    if error.code == "redirected":
        message = _("%(label)s: the address redirects to another one. Enter that one.")
        return fault(Whose.ADMINISTRATOR, message % names, field=field)
    if error.code == "dns_failed":
        message = _("%(label)s: its host has no address. Check the spelling; if it’s right, ask the provider.")
        return fault(Whose.ADMINISTRATOR, message % names, field=field)
    if isinstance(error, Unreachable) and error.code != "http_403":
        message = _("%(label)s: no proper answer (%(code)s). It’s down or too slow, or its certificate isn’t trusted.")
        return fault(Whose.PROVIDER, message % names, field=field)
    if error.status in {404, 405, 410}:
        message = _("%(label)s: there’s no such endpoint at this address (%(code)s). Compare it with the provider’s.")
        return fault(Whose.ADMINISTRATOR, message % names, field=field)
    return None
