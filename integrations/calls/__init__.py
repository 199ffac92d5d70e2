"""Calls to third-party APIs as a user. Everything that uses a stored token goes through `send` or `stream`.

The token is sent to the origin of the alias and nowhere else, whatever the caller puts into the path or the headers.

    buffered       a response read as a whole           header_policy    allowed paths and headers
    streamed       streamed bodies, for the proxy       retries          renewal and retries of one call
    rate_limits    how long a server asks us to wait
"""

from integrations.calls.buffered import DEADLINE, LARGEST_ANSWER, send
from integrations.calls.header_policy import NEVER_SENT, BadPath, allowed_headers, may_set_header, target_url
from integrations.calls.retries import IDEMPOTENT, MOST_RETRIES
from integrations.calls.streamed import Body, IncompleteBody, Streamed, stream

__all__ = [
    "DEADLINE",
    "IDEMPOTENT",
    "LARGEST_ANSWER",
    "MOST_RETRIES",
    "NEVER_SENT",
    "BadPath",
    "Body",
    "IncompleteBody",
    "Streamed",
    "allowed_headers",
    "may_set_header",
    "send",
    "stream",
    "target_url",
]
