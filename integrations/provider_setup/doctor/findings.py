"""One thing that was found, as a sentence, and whose it is to mend.

Holds no secret. Of a server's words it repeats the reason of the last refusal alone, which is stored without secrets.
"""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from foundation.oauth_client.errors import OAuthError, Unreachable

UNCALLABLE = {"blocked_address", "insecure_url", "bad_url"}


class Whose(TextChoices):
    ADMINISTRATOR = "administrator", gettext_lazy("an administrator")
    PROVIDER = "provider", gettext_lazy("the provider")
    OURS = "ours", gettext_lazy("this site’s operator")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`whose` is "" where nothing has to be mended; `is_open` says that only a sign-in will show."""

    sentence: str
    whose: str = ""
    is_open: bool = False

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


def fault(whose: Whose, sentence: str) -> Finding:
    return Finding(sentence=sentence, whose=whose)


def unreached(label: str, error: OAuthError) -> Finding | None:
    """Where no answer came, or none that says anything but that. None where there was one."""
    names = {"label": label, "code": error.code, "why": error.description or error.code}
    if error.code in UNCALLABLE:
        told = _("%(label)s: Keyrack may not call this address (%(why)s). Correct it, or see OUTBOUND_ALLOW.")
        return fault(Whose.ADMINISTRATOR, told % names)
    if error.code == "redirected":
        return fault(Whose.ADMINISTRATOR, _("%(label)s: the address leads on to another one. Enter that one.") % names)
    if error.code == "dns_failed":
        told = _("%(label)s: its host has no address. Look at the spelling; if it is right, the provider is to ask.")
        return fault(Whose.ADMINISTRATOR, told % names)
    if isinstance(error, Unreachable) and error.code != "http_403":
        told = _("%(label)s: no proper answer (%(code)s): it is down, too slow, or its certificate is not trusted.")
        return fault(Whose.PROVIDER, told % names)
    if error.status in {404, 405, 410}:
        told = _("%(label)s: there is nothing of the kind at this address (%(code)s). Compare it with the provider’s.")
        return fault(Whose.ADMINISTRATOR, told % names)
    return None
