"""Actions of a user on a connection: begin, complete, choose, sign in with a password, revoke, forget, cancel.

Revocations are created here, above the queue, and delivered below it. Knows no HTTP requests and no pages.
"""

from integrations.connections.authorization.callback import (
    BadCallback,
    BegunElsewhere,
    OtherBrowsersCallback,
    OtherPersonsCallback,
    UnassignedError,
    complete,
    require_state,
)
from integrations.connections.authorization.changed_addresses import confirm_address, confirm_for_system
from integrations.connections.authorization.code_grant import NotStarted, TooManyStarts, begin
from integrations.connections.authorization.connect_links import (
    create_connect_link,
    find_connect_link,
    integration_of_link,
    link_refusal,
    may_be_used,
)
from integrations.connections.authorization.direct_grants import get_own_token, sign_in
from integrations.connections.authorization.failures import was_asked_to_cancel
from integrations.connections.authorization.storage import (
    NotAvailable,
    choose,
    choose_value,
    integration_behind,
    integration_for,
)
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
    "BegunElsewhere",
    "NotAvailable",
    "NotStarted",
    "OtherBrowsersCallback",
    "OtherPersonsCallback",
    "TooManyStarts",
    "UnassignedError",
    "begin",
    "cancel",
    "choose",
    "choose_value",
    "complete",
    "confirm_address",
    "confirm_for_system",
    "create_connect_link",
    "dismiss",
    "end_all",
    "find_connect_link",
    "forget",
    "get_own_token",
    "integration_behind",
    "integration_for",
    "integration_of_link",
    "link_refusal",
    "may_be_used",
    "require_state",
    "retry_revocation",
    "revoke",
    "sign_in",
    "was_asked_to_cancel",
]
