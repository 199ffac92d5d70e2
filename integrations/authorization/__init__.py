"""What a user does: begin, complete, choose, sign in by password, revoke, forget, cancel.

The promise is made here, above the queue; it is kept below it. Requests and pages end above this module.
"""

from integrations.authorization.access import NotAvailable, integration_behind, integration_for
from integrations.authorization.callbacks import BadCallback, OfAnotherBrowser, OfAnotherPerson, complete
from integrations.authorization.confirming import confirm_address, confirm_for_system
from integrations.authorization.ends import cancel, dismiss, end_all, forget, retry_revocation, revoke
from integrations.authorization.own import get_own_token
from integrations.authorization.passwords import sign_in
from integrations.authorization.results import choose, was_asked_to_cancel
from integrations.authorization.starts import NotStarted, TooManyStarts, begin

__all__ = [
    "BadCallback",
    "NotAvailable",
    "NotStarted",
    "OfAnotherBrowser",
    "OfAnotherPerson",
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
