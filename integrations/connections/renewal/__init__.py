"""Renewal of stored tokens: a token that can be used now, renewed if necessary.

One caller sends the refresh request while all others wait: single flight among the threads of a process, a lease in the
row (compare-and-swap, any database) among processes. The refresh journal records the request with the lease, before
anything is sent. No transaction and no database connection is held meanwhile, and the response is committed on its own
before anything else is done with it. Knows no HTTP requests, screens or tasks.

    current_token    a token that can be used now,      refresh_request    the request, review of a refusal,
                     single flight                                         and the result
    ready_calls      the fast path: the same in one     leases             which process may renew
                     statement, with its base URL       journal            the refresh journal
    validity         margins, and unusable tokens
"""

from integrations.connections.renewal.current_token import WAIT_SECONDS, current, grants_to_us, renew
from integrations.connections.renewal.leases import LEASE
from integrations.connections.renewal.ready_calls import (
    ReadyCall,
    note_use,
    prepare,
    ready_call,
    ready_call_for,
)
from integrations.connections.renewal.refresh_request import reject_token
from integrations.connections.renewal.validity import NoUsableToken

__all__ = [
    "LEASE",
    "WAIT_SECONDS",
    "NoUsableToken",
    "ReadyCall",
    "current",
    "grants_to_us",
    "note_use",
    "prepare",
    "ready_call",
    "ready_call_for",
    "reject_token",
    "renew",
]
