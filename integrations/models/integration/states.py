"""Every state that an integration can be in, and its badge."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

QUICK_ATTEMPTS = 5  # so many calls follow a revoke within a minute; afterwards the card says that it is not confirmed
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
    DISABLED = "disabled"


# Each state's badge, tone and icon.
BADGES: dict[State, tuple[Any, str, str]] = {
    State.NOT_CONNECTED: (_("Not connected"), "idle", "open"),
    State.CONNECTING: (_("Connecting"), "info", "spin"),
    State.CONNECTED: (_("Connected"), "ok", "ok"),
    State.EXPIRING: (_("Expires soon"), "warn", "clock"),
    State.NEEDS_REAUTH: (_("Sign in again"), "bad", "key"),
    State.REVOKING: (_("Revoking"), "info", "spin"),
    State.REVOKE_FAILED: (_("Revoke not confirmed"), "bad", "alert"),
    State.ADDRESS_CHANGED: (_("New address"), "warn", "moved"),
    State.PROVIDER_DOWN: (_("Provider down"), "warn", "cloudoff"),
    State.DISABLED: (_("Turned off"), "idle", "lock"),
}
