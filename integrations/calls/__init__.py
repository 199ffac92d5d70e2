"""One call to a third party as a user. Everything that uses a stored token goes through `send` or `stream`.

The token goes to the alias's own origin and nowhere else; whatever the caller writes into the path or the headers.

    sending      an answer as a whole               borders      what a caller may say, and what may come back
    streaming    bodies that flow, for the proxy    asking       renewals and repetitions of one call
    patience     how long a server wants us to wait
"""

from integrations.calls.buffered import DEADLINE, LARGEST_ANSWER, send
from integrations.calls.header_policy import NEVER_SENT, BadPath, allowed_headers, may_say, target
from integrations.calls.retries import IDEMPOTENT, MOST_RETRIES
from integrations.calls.streamed import Body, Cut, Streamed, stream

__all__ = [
    "DEADLINE",
    "IDEMPOTENT",
    "LARGEST_ANSWER",
    "MOST_RETRIES",
    "NEVER_SENT",
    "BadPath",
    "Body",
    "Cut",
    "Streamed",
    "allowed_headers",
    "may_say",
    "send",
    "stream",
    "target",
]
