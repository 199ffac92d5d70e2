"""What keeps a stored token true: current, renew.

One caller asks the server, however many wait: threads of one process share a flight, processes share a lease in the row
(compare-and-swap, any database). That somebody asks is written down with the lease, before anything is sent. No
transaction and no database connection is held meanwhile, and what comes back is committed alone, before anything else
is done with it. Knows nothing of requests, screens or tasks.

    reading      a token that can be used now       flights      one caller asks, the others wait
    ready        the same in one statement, and     renewal      asking, and what comes of it
                 the address that it goes to        leases       who may ask, by the database's clock
    usable       what may be sent, and how long     together     one question of many threads
    connections  given back, and insisted on        journal      what was sent, before anybody knew the answer
"""

from integrations.connections.renewal.current_token import current, grants_to_us
from integrations.connections.renewal.database_connections import (
    release_connection,
    release_scarce_connection,
)
from integrations.connections.renewal.leases import LEASE
from integrations.connections.renewal.ready_calls import (
    ReadyCall,
    note_use,
    prepare,
    ready_call,
    ready_call_for,
)
from integrations.connections.renewal.refresh_request import refused
from integrations.connections.renewal.single_flight import WAIT_SECONDS, renew
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
    "refused",
    "release_connection",
    "release_scarce_connection",
    "renew",
]
