"""Notes and controls of a card, as the table of states uses them.

`when` names properties of the integration that must all be true. Texts are lazy HTML with the values of
`templatetags.cards`.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, kw_only=True)
class Case:
    """A text that is shown if `when` is true."""

    when: tuple[str, ...] = ()
    text: Any


@dataclass(frozen=True, kw_only=True)
class Note:
    """Explanation on a card. A sentence is a text, or a tuple of cases of which the first that applies is shown."""

    sentences: tuple[Any, ...]
    tone: str = "warn"
    icon: str = "alert"
    when_back: Any = ""  # shown instead when the person comes back to this page
    says_how_to_mend: bool = False  # ends with the provider's error, or whether administrators were told


@dataclass(frozen=True, kw_only=True)
class Action:
    """Control on a card. Its id ends with its name."""

    name: str
    label: Any
    template: str
    view: str = ""
    weight: str = ""
    symbol: str = ""
    when: tuple[str, ...] = ()


MAIN_WEIGHTS = ("primary", "soft")
CONNECT, DIALOG = "integrations/_connect.html", "integrations/_dialog.html"
POST, UNAVAILABLE = "integrations/_post.html", "integrations/_unavailable.html"

AUTHENTICATE = Action(name="authenticate", label=_("Authenticate"), template=CONNECT, weight="soft")
RENEW = Action(name="renew", label=_("Renew"), template=CONNECT)
REVOKE = Action(name="revoke", label=_("Revoke"), template=DIALOG, view="integrations:revoke", weight="danger")
FORGET = Action(name="forget", label=_("Forget"), template=DIALOG, view="integrations:forget")
CONFIRM_ADDRESS = Action(
    name="confirm-address",
    label=_("Confirm the new address"),
    template=DIALOG,
    view="integrations:confirm_address",
    weight="primary",
)
CANCEL = Action(name="cancel", label=_("Cancel"), template=POST, view="integrations:cancel")
DISMISS = Action(
    name="dismiss",
    label=_("Dismiss"),
    template=POST,
    view="integrations:dismiss",
    weight="ghost",
)
RETRY = Action(
    name="retry",
    label=_("Try revoke again"),
    template=POST,
    view="integrations:retry_revocation",
    symbol="refresh",
    when=("can_retry_revocation",),
)
CHECK = Action(
    name="check",
    label=_("Check now"),
    template=POST,
    view="integrations:check",
    symbol="refresh",
)

TOKEN_IS_KEPT = Case(when=("has_token",), text=_("Your token is kept but not used."))
SIGN_IN_MAY_FAIL = Note(
    sentences=(
        _(
            "<strong>%(name)s isn’t set up correctly here.</strong> A new sign-in may fail until this is fixed.",
        ),
    ),
    says_how_to_mend=True,
)
