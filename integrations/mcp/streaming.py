"""A call that is answered by server-sent events: its progress while it runs, then its result.

The call runs in a thread of its own, so that the thread that writes notices if the client leaves: something is written
every second. What the call did by then stays done; a run of a subflow stops before its next step.
"""

import contextvars
import json
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from django.db import connections
from django.http import StreamingHttpResponse

from foundation.error_boundary import error_boundary
from integrations.mcp import messages
from integrations.mcp.exchanges import Exchange, Progress
from integrations.mcp.messages import MessageError
from integrations.mcp.methods import ToolCall, answer_call

PULSE = 1.0  # seconds between two signs of life
SIGN_OF_LIFE = b": working\n\n"
FAILED = "The call failed unexpectedly."
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


class CallStream(StreamingHttpResponse):
    """The events of a call, which begins when the first of them is read. Closing the response cancels the call."""

    def __init__(self, exchange: Exchange, call: ToolCall) -> None:
        self.exchange, self.call = exchange, call
        self.events: SimpleQueue[bytes | None] = SimpleQueue()
        self.has_begun, self.left = False, Event()
        self.call_when_over: Callable[[], None] = lambda: None
        super().__init__(self.read_events(), content_type="text/event-stream", headers=HEADERS)
        self._resource_closers.append(self.cancel)  # type: ignore[attr-defined]  # called by `close`

    def read_events(self) -> Iterator[bytes]:
        self.has_begun = True
        context = contextvars.copy_context()
        Thread(target=context.run, args=(self.work,), name="mcp-call", daemon=True).start()
        yield SIGN_OF_LIFE
        while (event := next_event(self.events)) is not None:
            yield event

    def work(self) -> None:
        try:
            self.send(response_to(self.exchange, self.call, Progress(self.exchange, self.send, self.left.is_set)))
        finally:
            self.events.put(None)
            connections.close_all()
            self.call_when_over()

    def send(self, message: dict[str, Any]) -> None:
        self.events.put(event_of(message))

    def cancel(self) -> None:
        """Stop the call before its next step. It is over when its thread ends, at once if there is none."""
        self.left.set()
        if not self.has_begun:
            self.call_when_over()


def next_event(events: "SimpleQueue[bytes | None]") -> bytes | None:
    """The next event, or a sign of life if there is none yet; None after the last."""
    try:
        return events.get(timeout=PULSE)
    except Empty:
        return SIGN_OF_LIFE


def response_to(exchange: Exchange, call: ToolCall, progress: Progress) -> dict[str, Any]:
    """The JSON-RPC response, whatever happens: the status of the answer has been sent by now."""
    message = exchange.message
    response = MessageError(messages.INTERNAL_ERROR, FAILED, request_id=message.id).body()
    with error_boundary(f"A call by {message.method}"):
        try:
            response = message.answer(answer_call(exchange, call, progress))
        except MessageError as error:
            response = error.body()
    return response


def event_of(message: dict[str, Any]) -> bytes:
    return f"event: message\ndata: {json.dumps(message)}\n\n".encode()
