"""One call to a third party as a user. Everything that uses a stored token goes through `send` or `stream`.

The token goes to the alias's own origin and nowhere else; whatever the caller writes into the path or the headers.

    sending      an answer as a whole               borders      what a caller may say, and what may come back
    streaming    bodies that flow, for the proxy    asking       renewals and repetitions of one call
    patience     how long a server wants us to wait
"""

from integrations.rest.asking import IDEMPOTENT, MOST_RETRIES
from integrations.rest.borders import NEVER_SENT, BadPath, allowed_headers, may_say, target
from integrations.rest.sending import DEADLINE, LARGEST_ANSWER, send
from integrations.rest.streaming import Body, Cut, Streamed, stream

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
