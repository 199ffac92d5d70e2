"""States of a card: one table with everything that pages say and show in each state.

To add one, add a member of `State`, its case in `Integration.state`, and a row of `STATES`. Templates and other modules
read the row and never compare a state.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from integrations.models.card.parts import (
    AUTHENTICATE,
    CANCEL,
    CHECK,
    CONFIRM_ADDRESS,
    DISMISS,
    FORGET,
    RENEW,
    RETRY,
    REVOKE,
    TOKEN_IS_KEPT,
    UNAVAILABLE,
    Action,
    Case,
    Note,
)
from integrations.models.tokens import RevocationState

QUICK_ATTEMPTS = 5  # within a minute of a revoke; after these, the card says that it is not confirmed
REVOKING_AT_MOST = timedelta(seconds=60)


class State(StrEnum):
    NOT_CONNECTED = "not_connected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    EXPIRING = "expiring"
    NEEDS_REAUTH = "needs_reauth"
    REVOKING = "revoking"
    REVOKE_FAILED = "revoke_failed"
    ADDRESS_CHANGED = "address_changed"
    PROVIDER_DOWN = "provider_down"
    MISCONFIGURED = "misconfigured"
    NOT_RENEWED = "not_renewed"
    DISABLED = "disabled"


# For the live region, when a revoke has finished
REVOKED: dict[str, Any] = {
    RevocationState.VERIFIED: _("%(name)s confirmed: the token is dead."),
    RevocationState.UNSUPPORTED: _("%(name)s offers no way to cancel the token there."),
}
NO_LONGER_CONNECTED = _("%(name)s is no longer connected")
REVOCATION_ACCEPTED = _("%(name)s accepted the revocation.")


@dataclass(frozen=True, kw_only=True)
class StateRow:
    """Row of one state.

    Texts are lazy. Those of notes, actions and the attention strip are HTML with the values of `templatetags.cards`;
    the others may contain %(name)s for the integration's title.
    """

    badge: Any
    tone: str
    icon: str
    spoken: Any  # for the live region, when a card enters this state
    spoken_when_back: Any = ""  # for the live region, when the person comes back to this page
    standing: Any = ""  # also true now, for the page of a sign-in that changed nothing
    heading_after_sign_in: Any = NO_LONGER_CONNECTED  # if the token of a sign-in can't be used
    note: Note | None = None
    attention: Any = ""  # on the attention strip, if the person can do something about it
    # At the left of the foot: this text, or this control, or else the link to the details
    progress: Any = ""
    aside: Action | None = None
    actions: tuple[Action, ...] = (REVOKE,)

    is_off: bool = False  # turned off by an administrator
    is_moving: bool = False  # changes by itself, so the dashboard polls
    is_window_open: bool = False  # the provider waits for the person in its own window
    is_blocked: bool = False  # a new sign-in has to wait
    is_held: bool = False  # the token is valid, but isn't used until the person agrees
    is_offer: bool = False  # says what it is for and what it will ask for
    has_ended: bool = False  # the token no longer works, and is shown as what it was
    says_time_left: bool = False  # in its note, so that it isn't repeated beside the expiry
    asks_to_sign_in: bool = False  # so that a registration that can't sign in is worth a warning
    renewal_is_stuck: bool = False  # waits for something that the person cannot change
    may_be_reminded_of: bool = False  # by an administrator, since only the person can do it
    limits_use: bool = False  # a sign-in that succeeds says so as well
    goes_without_saying: bool = False  # not added to the outcome of a sign-in that changed nothing


STATES: dict[State, StateRow] = {
    State.NOT_CONNECTED: StateRow(
        badge=_("Not connected"),
        tone="idle",
        icon="open",
        spoken=_("%(name)s is not connected."),
        actions=(AUTHENTICATE,),
        is_offer=True,
        asks_to_sign_in=True,
    ),
    State.CONNECTING: StateRow(
        badge=_("Connecting"),
        tone="info",
        icon="spin",
        spoken=_("Finish in the %(name)s window."),
        spoken_when_back=_("No answer from %(name)s yet. Finish in its window, open it again, or cancel."),
        standing=_("Another sign-in is under way."),
        note=Note(
            sentences=(
                _(
                    "<strong>Finish in the %(name)s window.</strong> Don’t see it? "
                    '<a href="%(continue_url)s" id="c-%(slug)s-continue">Continue in this tab</a> instead.'
                ),
            ),
            when_back=_(
                "<strong>No answer from %(name)s yet.</strong> Finish in its window, "
                '<a href="%(continue_url)s" id="c-%(slug)s-again" target="keyrack-connect" data-connect>'
                "open it again</a>, "
                '<a href="%(continue_url)s" id="c-%(slug)s-here">continue in this tab</a>, or cancel.'
            ),
            tone="info",
            icon="window",
        ),
        progress=_('Waiting, <span class="num" data-until="%(answer_by)s">%(countdown)s</span> left'),
        actions=(CANCEL,),
        is_moving=True,
        is_window_open=True,
        goes_without_saying=True,
    ),
    State.CONNECTED: StateRow(
        badge=_("Connected"),
        tone="ok",
        icon="ok",
        spoken=_("%(name)s connected."),
        actions=(RENEW, REVOKE),
        goes_without_saying=True,
    ),
    State.EXPIRING: StateRow(
        badge=_("Expires soon"),
        tone="warn",
        icon="clock",
        spoken=_("%(name)s expires soon."),
        note=Note(
            sentences=(
                (
                    Case(
                        when=("was_interrupted",),
                        text=_(
                            "<strong>%(time_left)s.</strong> Keyrack was interrupted while it renewed this sign-in and "
                            "can’t try again. The fault is ours. Renew now to keep working."
                        ),
                    ),
                    Case(
                        when=("failure_code",),
                        text=_(
                            "<strong>%(time_left)s.</strong> %(name)s doesn’t renew your sign-in any more. Calls work "
                            "until then; renew now to keep working."
                        ),
                    ),
                    Case(
                        text=_(
                            "<strong>%(time_left)s.</strong> %(name)s gives no automatic renewal. Renew now to keep "
                            "working."
                        )
                    ),
                ),
            ),
            icon="clock",
        ),
        attention=_('<a href="#c-%(slug)s">%(name)s</a> expires %(expires)s'),
        actions=(replace(RENEW, weight="primary"), REVOKE),
        says_time_left=True,
        asks_to_sign_in=True,
    ),
    State.NEEDS_REAUTH: StateRow(
        may_be_reminded_of=True,
        badge=_("Sign in again"),
        tone="bad",
        icon="key",
        spoken=_("%(name)s needs you to sign in again."),
        standing=_("You still have to sign in again."),
        note=Note(
            sentences=(
                (
                    Case(
                        when=("is_locked",),
                        text=_(
                            "<strong>Keyrack can’t open your sign-in at %(name)s.</strong> Its encryption key is "
                            "missing. An administrator can restore it, or you can authenticate again."
                        ),
                    ),
                    Case(
                        when=("was_interrupted",),
                        text=_(
                            "<strong>Keyrack was interrupted while it renewed your sign-in at %(name)s.</strong> "
                            "%(name)s accepts each renewal only once. The fault is ours, but you have to sign in again."
                        ),
                    ),
                    Case(
                        when=("was_restored",),
                        text=_(
                            "<strong>Keyrack was restored from a backup of %(restored_from)s.</strong> It has lost "
                            "the later renewals of your sign-in at %(name)s. The fault is ours, but you have to sign "
                            "in again."
                        ),
                    ),
                    Case(
                        when=("was_copied",),
                        text=_(
                            "<strong>This site is a copy.</strong> Your sign-in at %(name)s stays with the original. "
                            "To use %(name)s here, sign in here too."
                        ),
                    ),
                    Case(
                        when=("was_answer_lost",),
                        text=_(
                            "<strong>%(name)s no longer accepts your sign-in.</strong> An earlier renewal got no "
                            "usable answer, and %(name)s may accept each one only once."
                        ),
                    ),
                    Case(
                        when=("is_for_other_account",),
                        text=_(
                            "<strong>%(name)s answered for another account.</strong> Nothing was kept. Sign in again "
                            "with the account you want."
                        ),
                    ),
                    Case(
                        when=("must_confirm",),
                        text=_(
                            "<strong>%(name)s wants you to sign in again.</strong> Its rules ask for more than a "
                            "renewal can bring, for example a second step."
                        ),
                    ),
                    Case(
                        when=("was_refused",),
                        text=_(
                            "<strong>%(name)s no longer accepts your sign-in.</strong> This happens after a password "
                            "change or when access is removed there."
                        ),
                    ),
                    Case(
                        text=_(
                            "<strong>Your sign-in at %(name)s has expired.</strong> It can’t be renewed without you."
                        )
                    ),
                ),
            ),
            tone="bad",
            icon="key",
        ),
        attention=_('<a href="#c-%(slug)s">%(name)s</a> needs you to sign in again'),
        actions=(FORGET, replace(AUTHENTICATE, weight="primary")),
        has_ended=True,
        asks_to_sign_in=True,
    ),
    State.REVOKING: StateRow(
        badge=_("Revoking"),
        tone="info",
        icon="spin",
        spoken=_("%(name)s removed here. Asking %(name)s to cancel the token."),
        standing=_("%(name)s is being asked to cancel the earlier token."),
        note=Note(
            sentences=(
                _(
                    "<strong>Already removed here.</strong> Asking %(name)s to cancel the token too; this takes a few "
                    "seconds."
                ),
            ),
            tone="info",
            icon="info",
        ),
        progress=_("Attempt %(attempt)s of %(quick_attempts)s"),
        actions=(replace(AUTHENTICATE, template=UNAVAILABLE),),
        is_moving=True,
        is_blocked=True,
    ),
    State.REVOKE_FAILED: StateRow(
        badge=_("Revoke not confirmed"),
        tone="bad",
        icon="alert",
        spoken=_("%(name)s removed here, but %(name)s didn’t confirm."),
        standing=_("%(name)s has not confirmed an earlier revoke."),
        note=Note(
            sentences=(
                _("<strong>Removed here, but %(name)s didn’t confirm.</strong>"),
                (
                    Case(
                        when=("last_answer",),
                        text=ngettext_lazy(
                            "We tried once (last answer: %(last_answer)s).",
                            "We tried %(attempts)s times (last answer: %(last_answer)s).",
                            "attempts",
                        ),
                    ),
                ),
                (
                    Case(when=("has_given_up", "can_retry_revocation"), text=_("We have given up.")),
                    Case(when=("has_given_up",), text=_("We have given up and keep no copy to try again with.")),
                ),
                (
                    Case(
                        when=("has_settings_page",),
                        text=_(
                            'To be sure, remove Keyrack <a href="%(settings_url)s" id="c-%(slug)s-settings" '
                            'rel="noopener noreferrer">in your %(name)s settings</a>.'
                        ),
                    ),
                    Case(text=_("To be sure, remove Keyrack in your %(name)s settings.")),
                ),
            ),
            tone="bad",
        ),
        attention=_('<a href="#c-%(slug)s">%(name)s</a> didn’t confirm a revoke'),
        aside=DISMISS,
        actions=(RETRY, AUTHENTICATE),
    ),
    State.ADDRESS_CHANGED: StateRow(
        may_be_reminded_of=True,
        badge=_("New address"),
        tone="warn",
        icon="moved",
        spoken=_("%(name)s was moved to a new address."),
        standing=_("%(name)s was moved to a new address. Nothing of yours is sent there until you agree."),
        heading_after_sign_in=_("%(name)s has been moved since"),
        note=Note(
            sentences=(
                _("<strong>Moved to another address.</strong>"),
                (
                    Case(
                        when=("moved_by",),
                        text=_("%(moved_by)s pointed %(name)s at <code>%(new_address)s</code>."),
                    ),
                    Case(text=_("An administrator pointed %(name)s at <code>%(new_address)s</code>.")),
                ),
                _("Nothing of yours is sent there until you agree."),
            ),
            icon="moved",
        ),
        attention=_('<a href="#c-%(slug)s">%(name)s</a> has a new address. Do you agree?'),
        actions=(CONFIRM_ADDRESS,),
        is_held=True,
    ),
    State.PROVIDER_DOWN: StateRow(
        badge=_("Provider down"),
        tone="warn",
        icon="cloudoff",
        spoken=_("%(name)s doesn’t answer."),
        standing=_("%(name)s doesn’t answer at the moment."),
        note=Note(
            sentences=(
                (
                    Case(when=("down_since",), text=_("<strong>Not answering since %(down_since)s.</strong>")),
                    Case(text=_("<strong>Not answering.</strong>")),
                ),
                _("Your connection is kept and we try again every minute."),
            ),
            icon="cloudoff",
        ),
        actions=(CHECK, REVOKE),
        limits_use=True,
    ),
    State.MISCONFIGURED: StateRow(
        badge=_("Set-up problem"),
        tone="warn",
        icon="alert",
        spoken=_("%(name)s isn’t set up correctly here."),
        standing=_("Keyrack can’t renew that until its set-up is fixed."),
        note=Note(
            sentences=(
                _(
                    "<strong>%(name)s isn’t set up correctly here.</strong> Your sign-in is kept, but Keyrack can’t "
                    "renew it."
                ),
                (
                    Case(when=("works_until",), text=_("It works until %(works_until)s.")),
                    Case(text=_("Nothing works with it until this is fixed.")),
                ),
            ),
            says_how_to_mend=True,
        ),
        renewal_is_stuck=True,
        limits_use=True,
    ),
    State.NOT_RENEWED: StateRow(
        badge=_("Not renewed"),
        tone="warn",
        icon="alert",
        spoken=_("%(name)s could not be renewed."),
        standing=_("Keyrack couldn’t renew that and will try again."),
        note=Note(
            sentences=(
                _(
                    "<strong>Keyrack hasn’t been able to renew this since %(not_renewed_since)s.</strong> Your sign-in "
                    "is kept, and Keyrack tries again each time it’s used. Until then, nothing works with it. If you "
                    "can’t wait, renew it yourself."
                ),
            ),
        ),
        actions=(RENEW, REVOKE),
        renewal_is_stuck=True,
        limits_use=True,
    ),
    State.DISABLED: StateRow(
        badge=_("Turned off"),
        tone="idle",
        icon="lock",
        spoken=_("%(name)s was turned off."),
        standing=_("%(name)s is turned off."),
        heading_after_sign_in=_("%(name)s was turned off"),
        note=Note(
            sentences=(
                (
                    Case(
                        when=("off_since", "off_reason"),
                        text=_("<strong>Turned off by an administrator</strong> on %(off_since)s: “%(off_reason)s”"),
                    ),
                    Case(
                        when=("off_reason",),
                        text=_("<strong>Turned off by an administrator</strong>: “%(off_reason)s”"),
                    ),
                    Case(
                        when=("off_since",), text=_("<strong>Turned off by an administrator</strong> on %(off_since)s.")
                    ),
                    Case(text=_("<strong>Turned off by an administrator</strong>.")),
                ),
                (TOKEN_IS_KEPT,),
            ),
            tone="idle",
            icon="lock",
        ),
        actions=(replace(REVOKE, when=("has_token",)),),
        is_off=True,
    ),
}
