"""Guarded HTTP transport: all traffic with third-party servers goes through this package.

Guarantees for every call:

* A name is resolved once and the connection goes to exactly the address that was checked: the public internet or a
  configured network, nothing else. TLS is checked against the name. Plain http only inside a configured network.
* One deadline for the whole exchange, however slowly the server sends, and one limit for its size, compressed or not.
* No redirect is followed, nothing is retried, no cookie is stored, no proxy or .netrc of the environment is used.

requests-hardened covers less than half of this (loopback yes or no, no networks, time per read).
Knows HTTP; of OAuth it knows only the errors, into which it translates those of the libraries.

    limits       deadline and size                    sockets          where a connection may go
    addresses    which addresses are public           sessions         requests on top of guarded sockets
    framing      where a response begins and ends     streams          streamed bodies, on the same connections
                                                      local_answers    addresses of this site
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

import requests
from requests.auth import AuthBase

from foundation.oauth_client.transport import limits, sessions, sockets
from foundation.oauth_client.transport.limits import DEADLINE, IDLE, MAX_BYTES
from foundation.oauth_client.transport.local_answers import Answering, LocalAnswer
from foundation.oauth_client.transport.sessions import Session, check_spelling, translate_errors
from foundation.oauth_client.transport.streams import Stream, stream

__all__ = [
    "DEADLINE",
    "IDLE",
    "MAX_BYTES",
    "LocalAnswer",
    "Session",
    "Stream",
    "answer_here",
    "check",
    "check_spelling",
    "configure",
    "deadline",
    "prepare",
    "request",
    "session",
    "stream",
    "translate_errors",
]


def configure(allow: Iterable[str]) -> None:
    """Allow networks (CIDR) besides the public internet; plain http only inside them. Drops open connections."""
    sockets.allow(allow)
    sessions.drop_connections()


def prepare() -> None:
    """Load the root certificates now, so that the first call does not have to wait."""
    sessions.trusted_roots()


def answer_here(base_url: str, answering: Answering) -> None:
    """Answer requests below this URL, which is this site's own, within the process."""
    sessions.answer_here(base_url, answering)


def session() -> Session:
    """The guarded session of this process, for callers that stream. Read bodies inside `translate_errors()`."""
    return sessions.shared_session()


def deadline(seconds: float) -> AbstractContextManager[None]:
    """A context in which all calls together take at most so many seconds."""
    return limits.within(seconds)


def check(url: str) -> None:
    """Raise the error that a request to this URL would raise before it connects. Resolves the name."""
    parts = check_spelling(url)
    if sessions.is_answered_here(url):
        return
    plain = parts.scheme == "http"
    sockets.resolve_targets(parts.hostname or "", parts.port or (80 if plain else 443), plain=plain)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | bytes] | None = None,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | bytes | None = None,
    json: object = None,
    auth: AuthBase | None = None,
    deadline: float = DEADLINE,
    max_bytes: int = MAX_BYTES,
) -> requests.Response:
    """Send a request and read the whole response, whatever its status. Raises an `OAuthError` if there is none."""
    with limits.within(deadline, max_bytes):
        return sessions.exchange(method, url, headers=headers, params=params, data=data, json=json, auth=auth)
