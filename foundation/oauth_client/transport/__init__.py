"""The one socket: every byte that leaves for, or comes from, somebody else's server passes here.

What holds for every call, whoever makes it:

* A name is resolved once and the connection goes to exactly the address that was checked: the public internet or a
  configured network, nothing else. TLS is checked against the name. Plain http only inside a configured network.
* One deadline for the whole exchange, however slowly the server drips, and one limit for its size, compressed or not.
* No redirect is followed, nothing is retried, no cookie is kept, no proxy or .netrc of the environment is looked at.

requests-hardened guards less than half of this (loopback yes or no, no networks, time per read), hence our own lines.
Knows HTTP; of OAuth it knows only the errors, into which it translates everybody else's.

    bounds       deadline and size          sockets     where a connection may go
    addresses    what is public             sessions    requests on top of it
    streams      bodies that flow, on the same pool of connections
    framing      where an answer begins and ends
    own          this site itself
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

import requests
from requests.auth import AuthBase

from foundation.oauth_client.transport import limits, sessions, sockets
from foundation.oauth_client.transport.limits import DEADLINE, IDLE, MAX_BYTES
from foundation.oauth_client.transport.local_answers import Answering, OwnAnswer
from foundation.oauth_client.transport.sessions import Session, check_spelling, translated
from foundation.oauth_client.transport.streams import Stream, stream

__all__ = [
    "DEADLINE",
    "IDLE",
    "MAX_BYTES",
    "OwnAnswer",
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
    "translated",
]


def configure(allow: Iterable[str]) -> None:
    """Networks (CIDR) beyond the public internet; plain http only inside them. Open connections are dropped."""
    sockets.allow(allow)
    sessions.forget()


def prepare() -> None:
    """Read the roots now, which the first call would wait for otherwise."""
    sessions.trust()


def answer_here(base_url: str, answering: Answering) -> None:
    """What lies below that address is this site itself: asked within the process, and no network is in the way."""
    sessions.answer_here(base_url, answering)


def session() -> Session:
    """The guarded session of this process, for callers that stream. They read bodies inside `translated()`."""
    return sessions.shared()


def deadline(seconds: float) -> AbstractContextManager[None]:
    """All calls inside share these seconds, however many they are."""
    return limits.within(seconds)


def check(url: str) -> None:
    """Would a request to this URL be let out now? Resolves the name, connects to nothing; raises as it would."""
    parts = check_spelling(url)
    if sessions.is_answered_here(url):
        return
    plain = parts.scheme == "http"
    sockets.targets(parts.hostname or "", parts.port or (80 if plain else 443), plain=plain)


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
    """One exchange, its body read. Any status is an answer; an OAuthError means there was none, or none was allowed."""
    with limits.within(deadline, max_bytes):
        return sessions.exchange(method, url, headers=headers, params=params, data=data, json=json, auth=auth)
