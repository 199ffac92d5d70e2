"""Token revocation: RFC 7009 and the dialects that are not. When to ask again is not known here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from requests import Response
from requests.auth import AuthBase

from foundation.oauth_client import answers, revocation_requests, transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unusable
from foundation.oauth_client.headers import Basic, Bearer
from foundation.oauth_client.registration import Registration, client_authentication
from foundation.oauth_client.revocation_requests import AS_REGISTERED, BEARER, BadDialect, Dialect

RFC_7009 = Dialect()


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What one person was granted and is to end: the tokens, and the account they belong to."""

    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    account_id: str = field(default="", repr=False)


def dialect_of(raw: object) -> Dialect:
    """What a row holds, as `Misconfigured` where it is no dialect (any more)."""
    try:
        return revocation_requests.read(raw)
    except BadDialect as error:
        raise Misconfigured("bad_revocation_request", str(error)) from None


def missing(registration: Registration, ending: Ending, token: str, dialect: Dialect = RFC_7009) -> list[str]:
    """What the call would have to carry and nobody knows. Such a call is never made."""
    values = values_of(registration, ending, token)
    return sorted(name for name in dialect.needs(registration.revocation_url) if not values[name])


def revoke(registration: Registration, ending: Ending, token: str, dialect: Dialect = RFC_7009) -> None:
    """End one of the two, named as `refresh_token` or `access_token`.

    Returning means that the server confirmed: the token is dead, or was unknown, which comes to the same.
    """
    check(registration, dialect)
    values = values_of(registration, ending, token)
    auth, credentials = authentication(registration, ending, dialect)
    response = transport.request(
        dialect.method,
        address(registration.revocation_url, values),
        headers={"Accept": "application/json", **revocation_requests.filled(dialect.headers, values)},
        auth=auth,
        **content(dialect, values, token, credentials),
    )
    judge(response, dialect)


def check(registration: Registration, dialect: Dialect) -> None:
    try:
        revocation_requests.check_together(
            dialect, registration.revocation_url, registered=registration.client_authentication
        )
    except BadDialect as error:
        raise Misconfigured("bad_revocation_request", str(error)) from None


def values_of(registration: Registration, ending: Ending, token: str) -> dict[str, str]:
    """A value for every placeholder; "" where there is none."""
    return {
        "client_id": registration.client_id,
        "client_secret": registration.client_secret,
        "refresh_token": ending.refresh_token,
        "access_token": ending.access_token,
        "account_id": ending.account_id,
        "token": getattr(ending, token),
    }


def address(template: str, values: Mapping[str, str]) -> str:
    """Encoded so that no value can leave its place. Dots are refused, for they climb even when they are encoded."""
    if any(set(values[name]) == {"."} for name in revocation_requests.placeholders(template)):
        raise Misconfigured("bad_url", "a value in the URL consists of dots")
    return str(revocation_requests.filled(template, {name: quote(value, safe="") for name, value in values.items()}))


def authentication(
    registration: Registration, ending: Ending, dialect: Dialect
) -> tuple[AuthBase | None, dict[str, str]]:
    """Who we are, as a header or as fields."""
    way = dialect.client_authentication
    if way == AS_REGISTERED:
        return client_authentication(registration)
    if way == BEARER:
        return Bearer(ending.access_token), {}
    if way == "secret_as_user":
        return Basic(registration.client_secret, ""), {}
    if way == "none":
        return None, {}
    method = "none" if way == "client_id" else way  # RFC 7591 calls it "none" when only the name is sent
    return client_authentication(replace(registration, client_authentication=method))


def content(dialect: Dialect, values: Mapping[str, str], token: str, credentials: Mapping[str, str]) -> dict[str, Any]:
    """The body, or what stands in its place. Empty fields of a form are not sent."""
    named = {dialect.token_field: values["token"]} if dialect.token_field else {}
    hint = {"token_type_hint": token} if named and dialect.hint else {}
    fields = {**named, **hint, **revocation_requests.filled(dialect.fields, values), **credentials}
    if dialect.body == "none":
        return {}
    if dialect.body == "json":
        return {"json": fields}
    kept = {name: value for name, value in fields.items() if value}
    return {"params": kept} if dialect.body == "query" else {"data": kept}


def judge(response: Response, dialect: Dialect) -> None:
    """Silence is consent; everything else is raised."""
    if response.status_code in dialect.ok_statuses:
        if not says(response, dialect.ok_json):
            raise with_status(Unusable("unexpected_answer", "the answer does not say that it is done"), response)
        return
    if dialect.client_authentication == BEARER and response.status_code == 401:
        raise with_status(Refused("dead_access_token", "the access token that must speak for itself is dead"), response)
    failure = answers.failure(response)
    if failure.code != "invalid_token":
        raise failure


def with_status(error: OAuthError, response: Response) -> OAuthError:
    error.status = response.status_code
    return error


def says(response: Response, expected: Mapping[str, Any]) -> bool:
    if not expected:
        return True
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return False
    return all(is_at(found, pointer, value) for pointer, value in expected.items())


def is_at(found: Any, pointer: str, value: object) -> bool:
    """RFC 6901. `True` is not 1 here."""
    for step in pointer.removeprefix("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return type(found) is type(value) and bool(found == value)
