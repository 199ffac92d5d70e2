"""How a provider wants to be asked whose token it is: OpenID Connect's userinfo, or what one provider made of it.

Data that an administrator typed in, read strictly. Knows no rows; what the answer means is not known here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from foundation.oauth_client import answers, base_urls, call_headers, revocation_requests, transport
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.registration import Registration
from foundation.oauth_client.revocation_requests import BadDialect


@dataclass(frozen=True, kw_only=True)
class Question:
    """The defaults are OpenID Connect Core section 5.3.1."""

    method: str = "GET"
    json: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    at_base_url: bool = False  # at the server that the token answer named, where there is one


def read(raw: object) -> Question:
    """`BadDialect` for what is none. Nothing typed in is OpenID Connect."""
    if not isinstance(raw, dict):
        raise BadDialect('A userinfo request is a JSON object, such as {"method": "POST"}.')
    for key in raw:
        if key not in READERS:
            raise BadDialect(f"“{key}” is not known in a userinfo request; it has {', '.join(READERS)}.")
    question = Question(**{key: READERS[key](key, value) for key, value in raw.items()})
    if question.method == "GET" and question.json is not None:
        raise BadDialect("A GET has no body: leave “json” out, or take POST.")
    return question


def written(key: str, value: object) -> bytes:
    """Any JSON, for there are providers that want the word null."""
    return json.dumps(value).encode()


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "method": revocation_requests.one_of("GET", "POST"),
    "json": written,
    "headers": call_headers.read,
    "at_base_url": revocation_requests.truth,
}


def ask(registration: Registration, access_token: str, *, base_url: str = "") -> Mapping[str, object]:
    """What the provider says of the account. A refusal that calls itself a success is none."""
    try:
        question = read(registration.userinfo_request)
        wanted = {**call_headers.read("call_headers", registration.call_headers), **question.headers}
    except BadDialect as error:
        raise Misconfigured("bad_userinfo_request", str(error)) from None
    url = base_urls.moved(registration.userinfo_url, base_url) if question.at_base_url else registration.userinfo_url
    borne = call_headers.headers(wanted, client_id=registration.client_id, access_token=access_token)
    kind = {} if question.json is None else {"Content-Type": "application/json"}
    said: dict[str, str | bytes] = {"Accept": "application/json", **kind, **borne}
    response = transport.request(question.method, url, headers=said, data=question.json)
    found = answers.document(response)
    if found.get("ok") is False:
        raise answers.failure(response)
    return found
