"""How a provider wants to be told that tokens are over: RFC 7009 as it is written, or what one provider made of it.

A dialect is data that an administrator typed in: read strictly, and refused with a sentence that says what is wrong. It
is checked against the address that it goes with. Sends nothing and holds no secret: placeholders stand for those.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

TOKENS = ("refresh_token", "access_token")  # in this order: the refresh token takes the access token along
PLACEHOLDERS = ("client_id", "client_secret", *TOKENS, "token", "account_id")
METHODS = ("POST", "DELETE", "GET", "PUT", "PATCH")
AS_REGISTERED, BEARER = "as_registered", "bearer"
AUTHENTICATIONS = (
    AS_REGISTERED,
    "client_secret_basic",
    "client_secret_post",
    "client_id",  # the name alone, in the body
    "secret_as_user",  # Basic, with the secret for a user name and no password
    BEARER,  # the person's own access token
    "none",
)
BODIES = ("form", "json", "query", "none")
NOT_OURS_TO_SET = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class BadDialect(ValueError):
    """What is wrong, as a sentence for the administrator. Quotes names, never values."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One call for each token that is sent. The defaults are RFC 7009."""

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
        """The placeholders that a call must have values for."""
        texts = [url, *self.headers.values(), *texts_in(self.fields)]
        named = {name for text in texts for name in placeholders(text)}
        if self.body != "none" and self.token_field:
            named.add("token")
        return named | ({"access_token"} if self.client_authentication == BEARER else set())


def read(raw: object) -> Dialect:
    """`BadDialect` for what is not one. Nothing typed in is RFC 7009."""
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
        raise BadDialect("“fields” go nowhere where “body” is none.")
    flat = all(isinstance(value, str) for value in dialect.fields.values())
    if dialect.body in {"form", "query"} and not flat:
        raise BadDialect("“fields” of a form or a query are texts; only JSON can be nested.")


def check_url(url: str) -> None:
    """Placeholders in the path or the query alone: what a provider told us must not choose the host."""
    check_placeholders("The address", url)
    if set("{}") & set("".join(url.split("/")[:3])):  # not by a parser: parsers disagree about what stands here
        raise BadDialect("The address has a placeholder before its path, which would let it lead anywhere.")


def check_together(dialect: Dialect, url: str, *, registered: str) -> None:
    """What neither shows alone: the call must say which token is over, and have room for who we are."""
    check_url(url)
    if not dialect.needs(url) & {*TOKENS, "token", "account_id"}:
        raise BadDialect("Nothing in this request says which token is over.")
    way = registered if dialect.client_authentication == AS_REGISTERED else dialect.client_authentication
    if dialect.body == "none" and way in {"client_secret_post", "client_id"}:
        raise BadDialect("The client is shown in the body, but “body” is none.")


# Reading ------------------------------------------------------------------------------------------------------------


def one_of(*choices: str) -> Callable[[str, object], str]:
    def chosen(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise BadDialect(f"“{key}” is one of {', '.join(choices)}.")
        return value

    return chosen


def plain_text(key: str, value: object) -> str:
    if not isinstance(value, str) or set("{}") & set(value):
        raise BadDialect(f"“{key}” is a text without placeholders.")
    return value


def truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadDialect(f"“{key}” is true or false.")
    return value


def tokens(key: str, value: object) -> tuple[str, ...]:
    named = tuple(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ()
    if not named or not set(named) <= set(TOKENS) or len(set(named)) < len(named):
        raise BadDialect(f"“{key}” is a list of {' and '.join(TOKENS)}, in the order in which they are sent.")
    return named


def statuses(key: str, value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else []
    if not numbers or not all(type(number) is int and 200 <= number <= 499 for number in numbers):
        raise BadDialect(f"“{key}” is a list of HTTP statuses from 200 to 499, such as [200, 204].")
    return tuple(numbers)


def templates(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadDialect(f"“{key}” is a JSON object.")
    for text in texts_in(value):
        check_placeholders(f"“{key}”", text)
    return MappingProxyType(value)


def headers(key: str, value: object) -> Mapping[str, str]:
    found = templates(key, value)
    for name, text in found.items():
        if not _HEADER.fullmatch(name) or not isinstance(text, str) or not text.isprintable():
            raise BadDialect(f"“{key}” is a JSON object of header names and texts.")
        if name.lower() in NOT_OURS_TO_SET:
            raise BadDialect(f"The header {name} cannot be set.")
    return found


def expected(key: str, value: object) -> Mapping[str, Any]:
    pointers = value if isinstance(value, dict) else {"": None}
    if not all(pointer.startswith("/") and not isinstance(at, dict | list) for pointer, at in pointers.items()):
        raise BadDialect(f'“{key}” is a JSON object of pointers and values, such as {{"/ok": true}}.')
    return MappingProxyType(pointers)


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "method": one_of(*METHODS),
    "client_authentication": one_of(*AUTHENTICATIONS),
    "body": one_of(*BODIES),
    "token_field": plain_text,
    "hint": truth,
    "send": tokens,
    "fields": templates,
    "headers": headers,
    "ok_statuses": statuses,
    "ok_json": expected,
}


def texts_in(value: object) -> Iterator[str]:
    """Every text inside, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(inner)


def placeholders(text: str) -> list[str]:
    return _PLACEHOLDER.findall(text)


def check_placeholders(where: str, text: str) -> None:
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for name in placeholders(text):
        if name not in PLACEHOLDERS:
            raise BadDialect(f"{where} has the placeholder {{{name}}}, which is not known; there are {known}.")
    if set("{}") & set(_PLACEHOLDER.sub("", text)):
        raise BadDialect(f"{where} has a brace that belongs to no placeholder.")


# Filling in -----------------------------------------------------------------------------------------------------------


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same with values in place of placeholders, however deep."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {name: filled(inner, values) for name, inner in value.items()}
    return [filled(inner, values) for inner in value] if isinstance(value, list) else value
