"""Renewal of stored tokens: a token that can be used now, renewed if necessary.

One caller sends the refresh request while all others wait: single flight among the threads of a process, a lease in the
row (compare-and-swap, any database) among processes. The refresh journal records the request with the lease, before
anything is sent. No transaction and no database connection is held meanwhile, and the response is committed on its own
before anything else is done with it. Knows no HTTP requests, screens or tasks.

    current_token     a token that can be used now,      refresh_request    the request and its result
                      single flight                      refusal_review     what a refusal means
    ready_calls       the fast path: the same in one     leases             which process may renew
                      statement, with its base URL       journal            the refresh journal
    refused_tokens    tokens that a third party          validity           margins, and unusable tokens
                      refuses, and a brake               usage              when a token was last used
"""

from integrations.connections.renewal.current_token import WAIT_SECONDS, current, grants_to_us, renew
from integrations.connections.renewal.leases import LEASE
from integrations.connections.renewal.ready_calls import (
    ReadyCall,
    admitted_tokens,
    prepare,
    ready_call,
    ready_call_for,
)
from integrations.connections.renewal.refused_tokens import (
    RefusedAgain,
    note_claims,
    note_cured,
    note_unused,
    renew_refused,
    replace_refused,
    require_sign_in,
)
from integrations.connections.renewal.usage import note_use
from integrations.connections.renewal.validity import NoUsableToken, UsableToken

__all__ = [
    "LEASE",
    "WAIT_SECONDS",
    "NoUsableToken",
    "ReadyCall",
    "RefusedAgain",
    "UsableToken",
    "admitted_tokens",
    "current",
    "grants_to_us",
    "note_claims",
    "note_cured",
    "note_unused",
    "note_use",
    "prepare",
    "ready_call",
    "ready_call_for",
    "renew",
    "renew_refused",
    "replace_refused",
    "require_sign_in",
]
