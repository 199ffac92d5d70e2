"""States of an integration: one row each with its badge and its texts.

To add one, add a member of `State`, its case in `Integration.state`, and a row of `STATES`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

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


@dataclass(frozen=True, kw_only=True)
class StateRow:
    """Badge and texts of one state. Texts are lazy, and may contain %(name)s for the integration's title."""

    badge: Any
    tone: str
    icon: str
    spoken: Any  # for the live region, when a card enters this state
    standing: Any = ""  # also true now, for the page of a sign-in that changed nothing
    needs_person: bool = False  # counted on the attention strip: the person can do something about it
    is_moving: bool = False  # changes by itself, so the dashboard polls


STATES: dict[State, StateRow] = {
    State.NOT_CONNECTED: StateRow(
        badge=_("Not connected"),
        tone="idle",
        icon="open",
        spoken=_("%(name)s is not connected."),
    ),
    State.CONNECTING: StateRow(
        badge=_("Connecting"),
        tone="info",
        icon="spin",
        spoken=_("Finish in the %(name)s window."),
        standing=_("Another sign-in is under way."),
        is_moving=True,
    ),
    State.CONNECTED: StateRow(badge=_("Connected"), tone="ok", icon="ok", spoken=_("%(name)s connected.")),
    State.EXPIRING: StateRow(
        badge=_("Expires soon"), tone="warn", icon="clock", spoken=_("%(name)s expires soon."), needs_person=True
    ),
    State.NEEDS_REAUTH: StateRow(
        badge=_("Sign in again"),
        tone="bad",
        icon="key",
        spoken=_("%(name)s needs you to sign in again."),
        standing=_("You still have to sign in again."),
        needs_person=True,
    ),
    State.REVOKING: StateRow(
        badge=_("Revoking"),
        tone="info",
        icon="spin",
        spoken=_("%(name)s removed here. Asking %(name)s to cancel the token."),
        standing=_("%(name)s is being asked to cancel the earlier token."),
        is_moving=True,
    ),
    State.REVOKE_FAILED: StateRow(
        badge=_("Revoke not confirmed"),
        tone="bad",
        icon="alert",
        spoken=_("%(name)s removed here, but %(name)s didn’t confirm."),
        standing=_("%(name)s has not confirmed an earlier revoke."),
        needs_person=True,
    ),
    State.ADDRESS_CHANGED: StateRow(
        badge=_("New address"),
        tone="warn",
        icon="moved",
        spoken=_("%(name)s was moved to a new address."),
        standing=_("%(name)s was moved to a new address. Nothing of yours is sent there until you agree."),
        needs_person=True,
    ),
    State.PROVIDER_DOWN: StateRow(
        badge=_("Provider down"),
        tone="warn",
        icon="cloudoff",
        spoken=_("%(name)s doesn’t answer."),
        standing=_("%(name)s doesn’t answer at the moment."),
    ),
    State.MISCONFIGURED: StateRow(
        badge=_("Set-up problem"),
        tone="warn",
        icon="alert",
        spoken=_("%(name)s isn’t set up correctly here."),
        standing=_("Keyrack can’t renew that until its set-up is fixed."),
    ),
    State.NOT_RENEWED: StateRow(
        badge=_("Not renewed"),
        tone="warn",
        icon="alert",
        spoken=_("%(name)s could not be renewed."),
        standing=_("Keyrack couldn’t renew that and will try again."),
    ),
    State.DISABLED: StateRow(
        badge=_("Turned off"),
        tone="idle",
        icon="lock",
        spoken=_("%(name)s was turned off."),
        standing=_("%(name)s is turned off."),
    ),
}
