"""Actions of a user on a connection: begin, complete, choose, sign in with a password, revoke, forget, cancel.

Revocations are created here, above the queue, and delivered below it. Knows no HTTP requests and no pages.
"""

from integrations.connections.authorization.access import NotAvailable, integration_behind, integration_for
from integrations.connections.authorization.address_confirmation import confirm_address, confirm_for_system
from integrations.connections.authorization.client_credentials import get_own_token
from integrations.connections.authorization.password_grant import sign_in
from integrations.connections.authorization.request import NotStarted, TooManyStarts, begin
from integrations.connections.authorization.response import (
    BadCallback,
    OtherBrowsersCallback,
    OtherPersonsCallback,
    complete,
)
from integrations.connections.authorization.storage import choose, was_asked_to_cancel
from integrations.connections.endings import (
    cancel,
    dismiss,
    end_all,
    forget,
    retry_revocation,
    revoke,
)

__all__ = [
    "BadCallback",
    "NotAvailable",
    "NotStarted",
    "OtherBrowsersCallback",
    "OtherPersonsCallback",
    "TooManyStarts",
    "begin",
    "cancel",
    "choose",
    "complete",
    "confirm_address",
    "confirm_for_system",
    "dismiss",
    "end_all",
    "forget",
    "get_own_token",
    "integration_behind",
    "integration_for",
    "retry_revocation",
    "revoke",
    "sign_in",
    "was_asked_to_cancel",
]
