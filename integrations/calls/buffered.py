"""Calls whose response is read as a whole."""

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any

import requests

from accounts.models import User
from foundation.oauth_client import transport
from integrations.calls.header_policy import allowed_headers, method_of, request_headers, target_url
from integrations.calls.retries import IDEMPOTENT, Terms, call_unless_down, call_with_renewal
from integrations.connections import renewal
from integrations.models.registry import HttpConnection

DEADLINE = 30.0  # seconds, for the whole call
LARGEST_ANSWER = 10 * 1024 * 1024  # bytes


def send(
    user: User | None,
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
    retries: int = 0,
) -> requests.Response:
    """Call the third party as this user, or as the system. `timeout`: total deadline in seconds, including retries.

    A 401 forces one renewal, and one more call if the method is idempotent. Redirects are returned, not followed. A
    renewal has its own deadline: cut short, it could lose tokens that the provider has already replaced.
    `retries`: how often to repeat an idempotent call, at most five times, if the server does not respond or asks to try
    later (429, 502, 503, 504, a used-up limit), after the time that it names if that is within the deadline.
    While the provider is down, one call a minute is sent; all others raise `Unreachable` ("provider_down").
    Raises `renewal.NoUsableToken`, `BadPath`, or an `OAuthError` (unreachable, blocked, too large).
    """
    method = method_of(method)
    url = target_url(connection.connection_url, path)
    if connection.credential is None:
        raise renewal.NoUsableToken("no_credential")
    token = renewal.current(user, connection.credential, connection_url=connection.connection_url)
    url, server = token.at_home(url), token.at_home(connection.connection_url)
    content = {"params": params, "json": json, "data": data}
    caller_headers, registry = allowed_headers(headers or {}), token.credential.registry

    def call(access_token: str, seconds: float) -> requests.Response:
        all_headers = request_headers(caller_headers, registry, access_token)
        request = partial(send_request, method, url, all_headers, deadline=seconds, **content)
        return call_unless_down(request, registry, server, seconds)

    terms = Terms(ends_at=monotonic() + timeout, retries=retries, repeatable=lambda: method in IDEMPOTENT)
    response = call_with_renewal(call, token, terms)
    renewal.note_use(token, used_by)
    return response


def send_request(method: str, url: str, headers: Mapping[str, str | bytes], **call: Any) -> requests.Response:
    response = transport.request(method, url, headers=headers, max_bytes=LARGEST_ANSWER, **call)
    for name, value in headers.items():
        if isinstance(value, bytes):  # added here: the caller must not see the token
            response.request.headers.pop(name, None)
    return response
