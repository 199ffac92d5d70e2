"""Calls to third-party APIs as a user. Everything that uses a stored token goes through `send` or `stream`.

`send` reads the response as a whole. `stream` passes bodies of any size on, for the proxy; only the beginning of a
request body is buffered, and only as long as a retry may need it. The token is sent to the origin of the alias and
nowhere else, whatever the caller puts into the path or the headers.

    header_policy    allowed paths and headers    retries         renewal and retries of one call
    meanings         what an answer means
    for_callers      headers of ours that tell it to the caller    counting    metrics
    echoes           tokens that were sent, to be removed from answers
    running_streams  ends streams whose sign-in has ended
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any, TypedDict, Unpack

import requests

from accounts.models import User
from foundation import database
from foundation.oauth_client import transport
from foundation.oauth_client.registration import fill_values
from integrations.calls.counting import counted_call
from integrations.calls.echoes import note_sent_token
from integrations.calls.for_callers import describe, reason_of, tell_caller
from integrations.calls.header_policy import (
    NEVER_SENT,
    BadPath,
    add_parameters,
    allowed_headers,
    may_set_header,
    method_of,
    request_headers,
    response_headers,
    target_url,
)
from integrations.calls.meanings import MOST_PEEKED, AnswerMeaning, read_meaning
from integrations.calls.retries import IDEMPOTENT, MOST_RETRIES, Terms, call_unless_down, call_with_renewal
from integrations.connections import renewal
from integrations.models.registry import ApplicationRegistry, HttpConnection

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
    "reason_of",
    "send",
    "send_ready",
    "stream",
    "target_url",
]

DEADLINE = 30.0  # seconds, for the whole call
LARGEST_ANSWER = 10 * 1024 * 1024  # bytes
PIECE = 64 << 10  # bytes
LONGEST_PEEK = 5.0  # seconds, for the beginning of a body that may say what is wrong
REPLAYABLE = 256 << 10  # bytes of a request body that are buffered for a retry


class SendOptions(TypedDict, total=False):
    """Arguments of `send` with their defaults left out."""

    params: Mapping[str, Any] | None
    json: Any
    data: Any
    headers: Mapping[str, str] | None
    timeout: float
    used_by: str
    retries: int


def send(
    user: User | None, connection: HttpConnection, method: str, path: str, **options: Unpack[SendOptions]
) -> requests.Response:
    """Call the third party as this user, or as the system. `timeout`: total deadline in seconds, including retries.

    An answer that refuses the token forces one renewal, and one more call: the third party has done nothing. What an
    answer means is told in headers of ours (`for_callers`). Redirects are returned, not followed. A renewal has its own
    deadline: cut short, it could lose tokens that the provider has already replaced.
    `retries`: how often to repeat an idempotent call, at most five times, if the server does not respond or asks to try
    later (429, 502, 503, 504, a used-up limit), after the time that it names if that is within the deadline.
    While the provider is down, one call a minute is sent; all others raise `Unreachable` ("provider_down").
    Raises `renewal.NoUsableToken`, `BadPath`, or an `OAuthError` (unreachable, blocked, too large).
    """
    method_of(method), target_url(connection.connection_url, path)  # refused before a renewal
    if connection.credential is None:
        raise renewal.NoUsableToken("no_credential")
    token = renewal.current(user, connection.credential, connection_url=connection.connection_url)
    call = renewal.ReadyCall.of(token, connection.connection_url, alias=alias_of(connection))
    return send_ready(call, method, path, **options)


def send_ready(
    call: renewal.ReadyCall,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = DEADLINE,
    used_by: str = "",
    retries: int = 0,
) -> requests.Response:
    """`send` with the result of `renewal.ready_call`, which holds the token and the address."""
    method, registry = method_of(method), call.registry
    url = target_url(call.connection_url, fill_values(path, call.values, quoted=True))
    content = {"params": params, "json": json, "data": data}
    caller_headers = allowed_headers(headers or {})
    refuse_missing_values(call.connection_url, registry)

    def call_third_party(access_token: str, seconds: float) -> requests.Response:
        note_sent_token(access_token)
        all_headers = request_headers(caller_headers, registry, access_token, call.values)
        address = add_parameters(url, registry, access_token, call.values)
        request = partial(send_request, method, address, all_headers, deadline=seconds, **content)
        return call_unless_down(request, registry, call.connection_url, seconds)

    terms = Terms(
        ends_at=monotonic() + timeout,
        retries=retries,
        is_idempotent=method in IDEMPOTENT,
        can_resend=lambda: data is None or isinstance(data, str | bytes | Mapping | list | tuple),
    )
    profile = registry.readable_profile

    def read(response: requests.Response) -> AnswerMeaning:
        content = response.content
        return read_meaning(profile, response, lambda: content[:MOST_PEEKED], length=len(content))

    with counted_call(call.alias) as count:
        response, meaning = call_with_renewal(call_third_party, call, terms, read)
        count(response.status_code, meaning)
    renewal.note_use(call, used_by)
    tell_caller(response.headers, meaning, call)
    return response


def alias_of(connection: HttpConnection) -> str:
    """The name of its alias, if that has been read already."""
    is_read = HttpConnection._meta.get_field("alias").is_cached(connection)
    return connection.alias.name if is_read else ""


def refuse_missing_values(connection_url: str, registry: ApplicationRegistry) -> None:
    """Raise `NoUsableToken` if the URL needs a value that the provider has not told for this person.

    That is so for sign-ins from before the profile kept it. The next one brings it.
    """
    names = registry.readable_profile.kept_values() if "{" in connection_url else ()
    if any(f"{{{name}}}" in connection_url for name in names):
        raise renewal.NoUsableToken("value_missing")


def send_request(method: str, url: str, headers: Mapping[str, str | bytes], **call: Any) -> requests.Response:
    response = transport.request(method, url, headers=headers, max_bytes=LARGEST_ANSWER, **call)
    for name, value in headers.items():
        if isinstance(value, bytes):  # added here: the caller must not see the token
            response.request.headers.pop(name, None)
    return response


class IncompleteBody(BadPath):
    """The caller closed the connection before the end of the request body."""

    message = "The connection was closed before the end of the request body."


class Body:
    """The request body of a caller, read as it is passed on. `length` in bytes; None if it is unknown."""

    def __init__(self, read: Callable[[int], bytes], *, length: int | None) -> None:
        self.read, self.length = read, length
        self.replay_buffer: list[bytes] | None = []
        self.passed = 0

    def __iter__(self) -> Iterator[bytes]:
        """The body from its beginning. Only once, unless `can_be_replayed`."""
        yield from list(self.replay_buffer or ())
        while piece := self.next_piece():
            self.passed += len(piece)
            self.buffer(piece)
            yield piece
        if self.length is not None and self.passed < self.length:
            raise IncompleteBody("The body is shorter than its Content-Length.")

    def next_piece(self) -> bytes:
        size = PIECE if self.length is None else min(PIECE, self.length - self.passed)
        try:
            return self.read(size) if size else b""
        except (OSError, ValueError):
            raise IncompleteBody("The body could not be read to its end.") from None

    def buffer(self, piece: bytes) -> None:
        if self.passed > REPLAYABLE:
            self.replay_buffer = None
        elif self.replay_buffer is not None:
            self.replay_buffer.append(piece)

    @property
    def can_be_replayed(self) -> bool:
        return self.replay_buffer is not None


class Streamed:
    """A third party's response: status, headers that may be passed on, and the `body` as it arrives.

    Read it to its end or close it; otherwise its connection stays open for as long as the third party likes.
    """

    def __init__(self, answer: transport.Stream, added: Mapping[str, str]) -> None:
        self.status_code, self.length = answer.status_code, answer.length
        names = {name.lower() for name in added}
        passed_on = response_headers(answer.headers.items())
        self.headers = [*((name, value) for name, value in passed_on if name.lower() not in names), *added.items()]
        self.body = answer

    def close(self) -> None:
        self.body.close()


def stream(
    call: renewal.ReadyCall,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Body | None = None,
    timeout: float = DEADLINE,
    used_by: str = "",
    program: tuple[int, str] | None = None,
    retries: int = 0,
) -> Streamed:
    """Call the third party; returns when its response begins. `path` may include a query.

    `timeout`: seconds until then, counted again from the end of the request body; a body may take as long as it makes
    progress. `program`: whose stream it is, as `ended_programs` takes it. Everything else is as in `send`; a request
    with a body of more than 256 KiB is never repeated.
    Raises `transport.Interrupted`, also while the body is read, if the sign-in ends meanwhile (`running_streams`).
    """
    method = method_of(method)
    url = target_url(call.connection_url, fill_values(path, call.values, quoted=True))
    refuse_missing_values(call.connection_url, call.registry)
    caller_headers = {**allowed_headers(headers), **framing_headers(body)}
    caller_headers.setdefault("User-Agent", "Keyrack")

    def call_third_party(access_token: str, seconds: float) -> transport.Stream:
        all_headers = request_headers(caller_headers, call.registry, access_token, call.values)
        address = add_parameters(url, call.registry, access_token, call.values)
        send = partial(
            transport.stream,
            method,
            address,
            headers=all_headers,
            body=body,
            deadline=seconds,
            idle=max(transport.IDLE, timeout),
            subject=(call.alias, call.pk, program),
        )
        return call_unless_down(send, call.registry, call.connection_url, seconds)

    terms = Terms(
        ends_at=monotonic() + timeout,
        retries=retries,
        is_idempotent=method in IDEMPOTENT,
        can_resend=lambda: body is None or body.can_be_replayed,
    )
    profile = call.registry.readable_profile

    def read(answer: transport.Stream) -> AnswerMeaning:
        return read_meaning(profile, answer, lambda: answer.peek(MOST_PEEKED, seconds=LONGEST_PEEK))

    with counted_call(call.alias) as count:
        answer, meaning = call_with_renewal(call_third_party, call, terms, read)
        count(answer.status_code, meaning)
    renewal.note_use(call, used_by)
    added = describe(meaning, answer.headers, call)
    database.release_scarce_connection()
    return Streamed(answer, added)


def framing_headers(body: Body | None) -> dict[str, str]:
    return {} if body is None or body.length is None else {"Content-Length": str(body.length)}
