"""One request of an agent: its message, whom it acts for, and how far the work is.

A call is cancelled if its client ends the stream of the answer (revision 2026-07-28), or by a notification, which may
reach another process: a flag in the site's cache tells the one that works.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.core.cache import cache

from accounts import scopes
from accounts.api.permissions import InsufficientScope, Rights
from foundation.counters import cache_errors
from integrations.mcp.handshakes import read_handshake
from integrations.mcp.messages import Message
from integrations.models.tool_sets import ToolSet
from integrations.personal_auth import PersonalAuthAPI

CANCELLED_FOR = 120  # seconds for which a cancellation is stored; no call takes longer


class Progress:
    """Tells the client how far a call is, and the call whether the client has given it up.

    `send` gets notifications; without it there are none. `has_left`: whether the client has ended the stream.
    """

    def __init__(
        self,
        exchange: "Exchange",
        send: Callable[[dict[str, Any]], None] | None = None,
        has_left: Callable[[], bool] = bool,
    ) -> None:
        self.exchange, self.send, self.has_left = exchange, send, has_left

    def report(self, done: float, total: float, text: str = "") -> None:
        token = self.exchange.message.progress_token
        if self.send is None or token is None:
            return
        params = {"progressToken": token, "progress": done, "total": total, **({"message": text} if text else {})}
        self.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    def is_cancelled(self) -> bool:
        """With a handshake, a lost connection is no cancellation (2025-11-25, Streamable HTTP)."""
        message = self.exchange.message
        if message.is_stateless:
            return self.has_left()
        return is_flagged(cancellation_key(self.exchange, message.id))


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One message, with the person it acts for, what the token allows, and the tool set of the address."""

    message: Message
    api: PersonalAuthAPI
    rights: Rights
    tool_set: ToolSet | None = None

    @cached_property
    def silent(self) -> Progress:
        """Progress of a call that is answered at once, as a whole."""
        return Progress(self)

    def allows(self, scope: str) -> bool:
        return scopes.allows_scope(self.rights.scopes, scope)

    def require(self, scope: str) -> None:
        """Raise `InsufficientScope` if the token lacks the scope.

        It names what the token has already as well: a client that asks for these scopes loses none.
        """
        if not self.allows(scope):
            raise InsufficientScope(sorted({scope, *self.rights.scopes}), [scope])


def note_cancellation(exchange: Exchange) -> None:
    """Store what `notifications/cancelled` says, for the process that works on the request."""
    request_id = exchange.message.params.get("requestId")
    key = cancellation_key(exchange, request_id)
    if key and isinstance(request_id, str | int):
        try:
            cache.set(key, True, timeout=CANCELLED_FOR)
        except cache_errors():  # the call goes on to its end
            return


def cancellation_key(exchange: Exchange, request_id: Any) -> str:
    """Key of the flag; "" for a client without a handshake, whose ids may be those of another client."""
    nonce = read_handshake(exchange.message.session_id).nonce
    if not nonce:
        return ""
    names = f"{exchange.api.user.pk} {exchange.rights.counted_as} {nonce} {request_id!r}"
    return f"mcp-cancelled-{sha256(names.encode()).hexdigest()}"


def is_flagged(key: str) -> bool:
    try:
        return bool(key and cache.get(key))
    except cache_errors():
        return False
