"""One call to a third party as a user. Everything that uses a stored token goes through `send`.

The token goes to the alias's own origin and nowhere else; whatever the caller writes into the path or the headers.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from integrations import circuits, tokens
from integrations.models.registry import HttpConnection
from integrations.models.tokens import Token
from integrations.oauth import answers, transport
from integrations.oauth.errors import OAuthError, Unreachable
from integrations.oauth.headers import Bearer

DEADLINE = 30.0  # seconds, for the whole call
LARGEST_ANSWER = 10 * 1024 * 1024  # bytes
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110 §9.2.2
USE_WRITTEN_AT_MOST_EVERY = timedelta(minutes=1)
AWAY = frozenset({502, 503, 504})  # what a server says in place of the one behind it; a plain 500 is about one call
PATIENCE = 2.0  # seconds; who gives a server less than that has learnt nothing about it from a timeout

# What a caller may not say in the user's name: who he is, where the call goes, how it is framed, whom it came through.
OURS_TO_SET = re.compile(
    r"^(authorization|cookie2?|host|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|via"
    r"|forwarded|proxy-.*|x-forwarded-.*|x-real-ip|x-http-method-override|x-original-url|x-rewrite-url)$",
    re.IGNORECASE,
)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
FORBIDDEN_IN_PATH = re.compile(r"[\x00-\x20\x7f\\#]")


class BadPath(ValueError):
    """The path would leave the alias's origin or base path."""


def target(connection_url: str, path: str) -> str:
    """The address of `path` below the connection's URL: same origin, same base path, whatever the path tries."""
    decoded = fully_unquoted(path.partition("?")[0])
    if FORBIDDEN_IN_PATH.search(path) or FORBIDDEN_IN_PATH.search(decoded.replace(" ", "")):
        raise BadPath("A path holds no spaces, backslashes, fragments or control characters.")
    if path.startswith("//") or re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", path):
        raise BadPath("Give a path below the connection's URL, not an address of its own.")
    if any(step in {".", ".."} for step in re.split(r"[/;]", decoded)):
        raise BadPath("A path holds no dot segments.")
    url = connection_url.rstrip("/") + "/" + path.lstrip("/") if path else connection_url
    if urlsplit(url)[:2] != urlsplit(connection_url)[:2]:
        raise BadPath("The path leads to another server.")
    return url


def fully_unquoted(path: str) -> str:
    """Percent-encoding taken off until nothing changes: a server behind may decode more than once."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return path


def allowed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if may_say(name)}


def may_say(name: str) -> bool:
    """Servers differ in what "Authorization " or X_Forwarded_For mean to them; so they count as what they resemble."""
    return bool(HEADER_NAME.fullmatch(name)) and not OURS_TO_SET.match(name.replace("_", "-"))


def send(
    user: User,
    connection: HttpConnection,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = DEADLINE,
    used_by: str = "",
) -> requests.Response:
    """Call the third party as this user. `timeout` is the total deadline in seconds, of a retry too.

    A 401 forces one renewal, and one retry where repeating does no harm. Redirects are returned, not followed. A
    renewal has its own deadline: cut short, it could lose tokens that the provider has already replaced.
    While the provider is down, nothing is sent (`Unreachable`, "provider_down") but one call a minute.
    Raises `tokens.NoUsableToken`, `BadPath`, or an `OAuthError` (unreachable, blocked, too large).
    """
    if not method.isascii() or not method.isalpha():
        raise BadPath("A method is one word of letters.")
    method = method.upper()
    url = target(connection.connection_url, path)
    if connection.credential is None:
        raise tokens.NoUsableToken("no_credential")
    token = tokens.current(user, connection.credential)
    call = {"params": params, "json": json, "data": data, "headers": allowed_headers(headers or {})}
    ends_at = monotonic() + timeout
    response = send_with(token, connection, method, url, deadline=timeout, **call)
    if response.status_code == 401 and token.renews_itself:
        token = tokens.renew(token)
        if method in IDEMPOTENT and (left := ends_at - monotonic()) > 0:
            response = send_with(token, connection, method, url, deadline=left, **call)
    elif response.status_code == 401 and names_the_token(response):
        tokens.refused(token)
    note_use(token, used_by)
    return response


def send_with(
    token: Token,
    connection: HttpConnection,
    method: str,
    url: str,
    *,
    deadline: float,
    headers: dict[str, str],
    **call: Any,
) -> requests.Response:
    registry, bearer = token.credential.registry, Bearer(token.access_token)
    if not circuits.allows(registry, connection.connection_url):
        raise Unreachable("provider_down")
    tokens.release_connection()
    try:
        response = transport.request(
            method, url, headers=headers, auth=bearer, max_bytes=LARGEST_ANSWER, deadline=deadline, **call
        )
    except OAuthError as error:
        if deadline >= PATIENCE or error.code != "timeout":
            circuits.note(registry, connection.connection_url, error)
        raise
    response.request.headers.pop("Authorization", None)  # the caller gets the answer, not the token
    note_health(token, connection, response)
    return response


def note_health(token: Token, connection: HttpConnection, response: requests.Response) -> None:
    """What an answer says about the server as a whole."""
    if response.status_code in AWAY:
        circuits.note(token.credential.registry, connection.connection_url, answers.failure(response))
    elif response.status_code < 500:
        circuits.note(token.credential.registry, connection.connection_url)


def names_the_token(response: requests.Response) -> bool:
    """It is the token itself that the third party no longer accepts (RFC 6750 §3.1), not something about this call."""
    return "invalid_token" in response.headers.get("WWW-Authenticate", "")


def note_use(token: Token, used_by: str) -> None:
    """Last used, written at most once a minute."""
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_WRITTEN_AT_MOST_EVERY)
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=now, last_used_by=used_by[:100])
