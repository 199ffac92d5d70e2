"""Dialects: what one provider requires instead of the RFCs, as an administrator defines it.

A revocation request replaces RFC 7009, the headers of API calls RFC 6750, and a userinfo request OpenID Connect.
Definitions are validated strictly, also against
their URL, and errors say what is wrong. Placeholders stand for tokens and secrets, so a definition holds none. Sends
nothing.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from foundation.exceptions import Explained
from foundation.oauth_client.errors import Misconfigured

TOKENS = ("refresh_token", "access_token")  # in this order: revoking the refresh token often ends the access token
PLACEHOLDERS = ("client_id", "client_secret", *TOKENS, "token", "account_id", "access_token_hmac")
NO_VALUES: Mapping[str, str] = MappingProxyType({})
CALL_PLACEHOLDERS = ("client_id", "access_token")  # not the client secret, which APIs must not see
ACCESS_TOKEN = "{access_token}"  # noqa: S105  # a placeholder, not a token
METHODS = ("POST", "DELETE", "GET", "PUT", "PATCH")
AS_REGISTERED, BEARER = "as_registered", "bearer"
AUTHENTICATIONS = (
    AS_REGISTERED,
    "client_secret_basic",
    "client_secret_post",
    "client_id",  # the client id alone, in the body
    "secret_as_user",  # Basic, with the secret as user name and no password
    BEARER,  # the person's own access token
    "none",
)
BODIES = ("form", "json", "query", "none")
NOT_OURS_TO_SET = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class BadDialect(Explained, ValueError):
    """An invalid definition. The message is a sentence for the administrator, and quotes names, never values."""

    message = "The provider's answer dialect can't be understood."


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How to build the revocation request for one token. The defaults are RFC 7009."""

    method: str = "POST"
    client_authentication: str = AS_REGISTERED
    body: str = "form"
    token_field: str = "token"  # noqa: S105  # a field's name; "" where the body does not name the token
    hint: bool = True
    send: tuple[str, ...] = TOKENS
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ok_statuses: tuple[int, ...] = (200, 204)
    ok_json: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def needs(self, url: str) -> set[str]:
        """Names of the placeholders that a call needs values for."""
        texts = [url, *self.headers.values(), *texts_in(self.fields)]
        names = {name for text in texts for name in placeholders_in(text)}
        if self.body != "none" and self.token_field:
            names.add("token")
        return names | ({"access_token"} if self.client_authentication == BEARER else set())


def parse_dialect(raw: object) -> Dialect:
    """Validate a definition. {} is RFC 7009. Raises `BadDialect`."""
    if not isinstance(raw, dict):
        raise BadDialect('A revocation request is a JSON object, such as {"method": "DELETE"}.')
    for key in raw:
        if key not in READERS:
            raise BadDialect(f"“{key}” is not known in a revocation request; it has {', '.join(READERS)}.")
    dialect = Dialect(**{key: READERS[key](key, value) for key, value in raw.items()})
    check_body(dialect)
    return dialect


def check_body(dialect: Dialect) -> None:
    if dialect.method == "GET" and dialect.body in {"form", "json"}:
        raise BadDialect("A GET has no body: “body” must be query or none.")
    if dialect.body == "none" and dialect.fields:
        raise BadDialect("“fields” are not sent if “body” is none.")
    flat = all(isinstance(value, str) for value in dialect.fields.values())
    if dialect.body in {"form", "query"} and not flat:
        raise BadDialect("“fields” of a form or a query are texts; only JSON can be nested.")


def check_url(url: str) -> None:
    """Allow placeholders in the path and the query only: values from a provider must not choose the host."""
    check_placeholders("The address", url)
    if set("{}") & set("".join(url.split("/")[:3])):  # not with a URL parser: parsers disagree about braces here
        raise BadDialect("The address has a placeholder before its path, which would let it lead anywhere.")


def check_together(dialect: Dialect, url: str, *, registered: str) -> None:
    """Check dialect and URL together: the request must name the token, and have a place for the client credentials."""
    check_url(url)
    if not dialect.needs(url) & {*TOKENS, "token", "account_id"}:
        raise BadDialect("Nothing in this request says which token to revoke.")
    method = registered if dialect.client_authentication == AS_REGISTERED else dialect.client_authentication
    if dialect.body == "none" and method in {"client_secret_post", "client_id"}:
        raise BadDialect("The client authenticates in the body, but “body” is none.")


# Validation ---------------------------------------------------------------------------------------------------------


def parse_choice(*choices: str) -> Callable[[str, object], str]:
    def choice(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BadDialect(f"“{key}” is one of {', '.join(choices)}.")
        return value

    return choice


def parse_text(key: str, value: object) -> str:
    if not isinstance(value, str) or set("{}") & set(value):
        raise BadDialect(f"“{key}” is a text without placeholders.")
    return value


def parse_boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadDialect(f"“{key}” is true or false.")
    return value


def parse_tokens(key: str, value: object) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ()
    if not names or not set(names) <= set(TOKENS) or len(set(names)) < len(names):
        raise BadDialect(f"“{key}” is a list of {' and '.join(TOKENS)}, in the order in which they are sent.")
    return names


def parse_statuses(key: str, value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else []
    if not numbers or not all(type(number) is int and 200 <= number <= 499 for number in numbers):
        raise BadDialect(f"“{key}” is a list of HTTP statuses from 200 to 499, such as [200, 204].")
    return tuple(numbers)


def parse_templates(key: str, value: object, *, value_names: Collection[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadDialect(f"“{key}” is a JSON object.")
    for text in texts_in(value):
        check_placeholders(f"“{key}”", text, value_names=value_names)
    return MappingProxyType(value)


def parse_headers(key: str, value: object, *, value_names: Collection[str] = ()) -> Mapping[str, str]:
    texts = parse_templates(key, value, value_names=value_names)
    for name, text in texts.items():
        if not _HEADER.fullmatch(name) or not isinstance(text, str) or not text.isprintable():
            raise BadDialect(f"“{key}” is a JSON object of header names and texts.")
        if name.lower() in NOT_OURS_TO_SET:
            raise BadDialect(f"The header {name} cannot be set.")
    return texts


def parse_expected_json(key: str, value: object) -> Mapping[str, Any]:
    pointers = value if isinstance(value, dict) else {"": None}
    if not all(pointer.startswith("/") and not isinstance(at, dict | list) for pointer, at in pointers.items()):
        raise BadDialect(f'“{key}” is a JSON object of pointers and values, such as {{"/ok": true}}.')
    return MappingProxyType(pointers)


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "method": parse_choice(*METHODS),
    "client_authentication": parse_choice(*AUTHENTICATIONS),
    "body": parse_choice(*BODIES),
    "token_field": parse_text,
    "hint": parse_boolean,
    "send": parse_tokens,
    "fields": parse_templates,
    "headers": parse_headers,
    "ok_statuses": parse_statuses,
    "ok_json": parse_expected_json,
}


def texts_in(value: object) -> Iterator[str]:
    """All strings inside a JSON value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(inner)


def placeholders_in(text: str) -> list[str]:
    return _PLACEHOLDER.findall(text)


def check_placeholders(where: str, text: str, *, value_names: Collection[str] = ()) -> None:
    names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for name in placeholders_in(text):
        if name not in PLACEHOLDERS and name not in value_names:
            raise BadDialect(f"{where} has the placeholder {{{name}}}, which is not known; there are {names}.")
    if set("{}") & set(_PLACEHOLDER.sub("", text)):
        raise BadDialect(f"{where} has a brace that belongs to no placeholder.")


# Filling in -----------------------------------------------------------------------------------------------------------


def fill_placeholders(value: Any, values: Mapping[str, str]) -> Any:
    """The JSON value with its placeholders replaced, at any depth."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], value)
    if isinstance(value, Mapping):
        return {name: fill_placeholders(inner, values) for name, inner in value.items()}
    return [fill_placeholders(inner, values) for inner in value] if isinstance(value, list) else value


# Headers of API calls -------------------------------------------------------------------------------------------------


def parse_call_headers(where: str, raw: object, *, value_names: Collection[str] = ()) -> Mapping[str, str]:
    """Validate header names and texts. Raises `BadDialect`. `value_names`: those that the provider profile keeps."""
    texts = parse_headers(where, raw, value_names=value_names)
    for name, text in texts.items():
        for other in sorted(set(placeholders_in(text)).difference(CALL_PLACEHOLDERS, value_names)):
            raise BadDialect(f"The header {name} cannot hold {{{other}}}, only {{client_id}} and {ACCESS_TOKEN}.")
        if name.lower() == "authorization" and ACCESS_TOKEN not in text:
            raise BadDialect(f"The header Authorization says who calls, and must hold {ACCESS_TOKEN}.")
    return texts


def build_headers(
    raw: object,
    *,
    client_id: str,
    access_token: str,
    value_names: Collection[str] = (),
    values: Mapping[str, str] = NO_VALUES,
) -> dict[str, bytes]:
    """Headers for one call. As bytes: a token that is not Latin-1 must arrive as it was issued, in UTF-8.

    `values`: what the provider told for this person. A header that needs a missing one of `value_names` is left out.
    """
    try:
        texts = parse_call_headers("call_headers", raw, value_names=value_names)
    except BadDialect as error:
        raise Misconfigured("bad_call_headers", str(error)) from None
    if not client_id.isprintable():
        raise Misconfigured("bad_client_id", "the client id holds control characters")
    values = {**values, "client_id": client_id, "access_token": access_token}
    texts = {name: text for name, text in texts.items() if set(placeholders_in(text)) <= values.keys()}
    filled = {name: str(fill_placeholders(text, values)).encode() for name, text in texts.items()}
    if any(ACCESS_TOKEN in text for text in texts.values()):
        return filled
    return {**filled, "Authorization": b"Bearer " + access_token.encode()}


# Userinfo requests ----------------------------------------------------------------------------------------------------


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
        if key not in USERINFO_READERS:
            raise BadDialect(f"“{key}” is not known in a userinfo request; it has {', '.join(USERINFO_READERS)}.")
    request = UserinfoRequest(**{key: USERINFO_READERS[key](key, value) for key, value in raw.items()})
    if request.method == "GET" and request.json is not None:
        raise BadDialect("A GET has no body: leave “json” out, or use POST.")
    return request


def json_bytes(key: str, value: object) -> bytes:
    """Any JSON value: some providers require null."""
    return json.dumps(value).encode()


USERINFO_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "method": parse_choice("GET", "POST"),
    "json": json_bytes,
    "headers": parse_call_headers,
    "at_base_url": parse_boolean,
}
