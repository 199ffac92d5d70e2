"""Userinfo requests: OpenID Connect, or what one provider requires instead.

An administrator defines the request; it is validated strictly. Knows no rows, and does not interpret the response.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from foundation.oauth_client import answers, call_headers, registration, revocation_requests, transport
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.registration import Registration
from foundation.oauth_client.revocation_requests import BadDialect


@dataclass(frozen=True, kw_only=True)
class UserinfoRequest:
    """How to build the request. The defaults are OpenID Connect Core §5.3.1."""

    method: str = "GET"
    json: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    at_base_url: bool = False  # at the base URL of the token response, if it has one


def parse_userinfo_request(raw: object) -> UserinfoRequest:
    """Validate a definition. {} is OpenID Connect. Raises `BadDialect`."""
    if not isinstance(raw, dict):
        raise BadDialect('A userinfo request is a JSON object, such as {"method": "POST"}.')
    for key in raw:
        if key not in READERS:
            raise BadDialect(f"“{key}” is not known in a userinfo request; it has {', '.join(READERS)}.")
    request = UserinfoRequest(**{key: READERS[key](key, value) for key, value in raw.items()})
    if request.method == "GET" and request.json is not None:
        raise BadDialect("A GET has no body: leave “json” out, or use POST.")
    return request


def json_bytes(key: str, value: object) -> bytes:
    """Any JSON value: some providers require null."""
    return json.dumps(value).encode()


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "method": revocation_requests.parse_choice("GET", "POST"),
    "json": json_bytes,
    "headers": call_headers.parse_call_headers,
    "at_base_url": revocation_requests.parse_boolean,
}


def fetch(registration: Registration, access_token: str, *, base_url: str = "") -> Mapping[str, object]:
    """Claims about the account. A successful status with `"ok": false` counts as an error."""
    try:
        request = parse_userinfo_request(registration.userinfo_request)
        header_texts = {**call_headers.parse_call_headers("call_headers", registration.call_headers), **request.headers}
    except BadDialect as error:
        raise Misconfigured("bad_userinfo_request", str(error)) from None
    url = (
        registration.with_origin(registration.userinfo_url, base_url)
        if request.at_base_url
        else registration.userinfo_url
    )
    token_headers = call_headers.build_headers(
        header_texts, client_id=registration.client_id, access_token=access_token
    )
    content_type = {} if request.json is None else {"Content-Type": "application/json"}
    headers: dict[str, str | bytes] = {"Accept": "application/json", **content_type, **token_headers}
    response = transport.request(request.method, url, headers=headers, data=request.json)
    claims = answers.parse_document(response)
    if claims.get("ok") is False:
        raise answers.error_from(response)
    return claims
