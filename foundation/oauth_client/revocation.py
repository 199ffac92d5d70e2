"""Token revocation: RFC 7009, and the dialects of providers that do not follow it. Does not retry."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from requests import Response
from requests.auth import AuthBase

from foundation.oauth_client import dialects, error_answers, error_documents, transport
from foundation.oauth_client.dialects import AS_REGISTERED, BEARER, BadDialect, Dialect
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unusable
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile, find_rule, reply_of
from foundation.oauth_client.registration import Basic, Bearer, Registration, client_authentication
from foundation.oauth_client.response_bodies import is_page
from foundation.oauth_client.signatures import hash_token

RFC_7009 = Dialect()
CONFIRMING = {"success", "already_gone", "sign_in_over", "token_over"}  # meanings by which the token is dead

# Members that hold 0, or a status of success, if all went well; and those that hold a status.
RESULT_NUMBERS = ("errcode", "error_code", "errorcode", "code", "ret")
STATUS_NUMBERS = ("status", "statuscode", "status_code")
FLAGS_OF_SUCCESS = ("success", "ok", "result", "revoked", "message", "succeeded", "successful", "is_success")
FLAGS_OF_FAILURE = ("is_error", "has_error", "has_errors", "active")  # active: as introspection has it
NOT_DONE = frozenset({"error", "fail", "failed", "failure", "nok", "ko", "denied", "unauthorized"})
SENTENCES = ("message", "msg", "detail", "error_message", "description")
_NOT_DONE = re.compile(
    r"\b(unable to|could ?(not|n.t)|can ?(not|.t)|failed to|not) (be )?(revoke|process|complete|find (the )?client)"
    r"|\brevocation (has )?failed\b|\bcredentials were not provided\b|^(please )?(log|sign) ?in\b"
    r"|^(un_?authori[sz]ed|forbidden|access denied|error|failed|failure|bad request|not found|internal server error)\b",
    re.IGNORECASE,
)
# Codes that call the very token of the request dead.
ALREADY_DEAD = frozenset({"invalid_token", "token_revoked"})


@dataclass(frozen=True, kw_only=True)
class GrantTokens:
    """One person's grant that is to be revoked: the tokens, and the account they belong to."""

    refresh_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    account_id: str = field(default="", repr=False)


def dialect_of(raw: object) -> Dialect:
    """The dialect that a row holds. Raises `Misconfigured` if it is not valid (any more)."""
    try:
        return dialects.parse_dialect(raw)
    except BadDialect as error:
        raise Misconfigured("bad_revocation_request", str(error)) from None


def missing_values(
    registration: Registration, ending: GrantTokens, token: str, dialect: Dialect = RFC_7009
) -> list[str]:
    """Names of the values that the call needs and that are empty. Such a call must not be made."""
    values = placeholder_values(registration, ending, token)
    return sorted(name for name in dialect.needs(registration.revocation_url) if not values[name])


def revoke(registration: Registration, ending: GrantTokens, token: str, dialect: Dialect = RFC_7009) -> None:
    """Revoke one token, named as `refresh_token` or `access_token`. Raises an `OAuthError` unless the server confirms.

    An unknown token counts as confirmed (RFC 7009 §2.2).
    """
    check_dialect(registration, dialect)
    values = placeholder_values(registration, ending, token)
    auth, credentials = build_authentication(registration, ending, dialect)
    response = transport.request(
        dialect.method,
        build_url(registration.revocation_url, values),
        headers={"Accept": "application/json", **dialects.fill_placeholders(dialect.headers, values)},
        auth=auth,
        **build_content(dialect, values, token, credentials),
    )
    check_response(response, dialect, registration.profile)


def check_dialect(registration: Registration, dialect: Dialect) -> None:
    try:
        dialects.check_together(dialect, registration.revocation_url, registered=registration.client_authentication)
    except BadDialect as error:
        raise Misconfigured("bad_revocation_request", str(error)) from None


def placeholder_values(registration: Registration, ending: GrantTokens, token: str) -> dict[str, str]:
    """A value for each placeholder; "" if there is none."""
    return {
        "client_id": registration.client_id,
        "client_secret": registration.client_secret,
        "refresh_token": ending.refresh_token,
        "access_token": ending.access_token,
        "account_id": ending.account_id,
        "token": getattr(ending, token),
        "access_token_hmac": ending.access_token and hash_token(ending.access_token, registration.client_secret),
    }


def build_url(template: str, values: Mapping[str, str]) -> str:
    """The URL with percent-encoded values. Rejects values of dots alone, which are dot segments even if encoded."""
    if any(set(values[name]) == {"."} for name in dialects.placeholders_in(template)):
        raise Misconfigured("bad_url", "a value in the URL consists of dots")
    encoded = {name: quote(value, safe="") for name, value in values.items()}
    return str(dialects.fill_placeholders(template, encoded))


def build_authentication(
    registration: Registration, ending: GrantTokens, dialect: Dialect
) -> tuple[AuthBase | None, dict[str, str]]:
    """Client authentication of a dialect, as a header or as form fields."""
    method_name = dialect.client_authentication
    if method_name == AS_REGISTERED:
        return client_authentication(registration)
    if method_name == BEARER:
        return Bearer(ending.access_token), {}
    if method_name == "secret_as_user":
        return Basic(registration.client_secret, ""), {}
    if method_name == "none":
        return None, {}
    # RFC 7591 calls it "none" if only the client id is sent.
    method = "none" if method_name == "client_id" else method_name
    return client_authentication(replace(registration, client_authentication=method))


def build_content(
    dialect: Dialect, values: Mapping[str, str], token: str, credentials: Mapping[str, str]
) -> dict[str, Any]:
    """The body or the query, as arguments for the transport. Empty fields of a form or query are left out."""
    token_field = {dialect.token_field: values["token"]} if dialect.token_field else {}
    hint = {"token_type_hint": token} if token_field and dialect.hint else {}
    fields = {**token_field, **hint, **dialects.fill_placeholders(dialect.fields, values), **credentials}
    if dialect.body == "none":
        return {}
    if dialect.body == "json":
        return {"json": fields}
    filled = {name: value for name, value in fields.items() if value}
    return {"params": filled} if dialect.body == "query" else {"data": filled}


def check_response(response: Response, dialect: Dialect, profile: ProviderProfile = STANDARD) -> None:
    """Return if the response confirms, with a status and the JSON values of the dialect; raise otherwise.

    A good status with an error in the body, as some servers have it, confirms nothing, and neither does a page for
    people: a wrong address or a sign-in page answers so. The provider's own rules come first, at any status: some call
    it an error that the grant is gone already.
    """
    if rule := find_rule(profile, "revocation", reply_of(response)):
        if rule.means in CONFIRMING:
            return
        raise error_answers.error_from(response, request="revocation", profile=profile)
    if response.status_code in dialect.ok_statuses:
        if not has_values(response, dialect.ok_json):
            raise with_status(Unusable("unexpected_answer", "the answer does not say that it is done"), response)
        if not response.content:
            return
        if not dialect.ok_json and is_page(response.content):
            raise with_status(Unusable("unexpected_answer", "the answer is a page for people"), response)
        document = error_answers.error_document(response)  # also of a body that is an error code alone
        if not error_answers.error_code(document, profile) and not says_no(document):
            return
    if dialect.client_authentication == BEARER and response.status_code == 401:
        raise with_status(
            Refused("dead_access_token", "the access token that authenticates the request is dead"), response
        )
    error = error_answers.error_from(response, request="revocation", profile=profile)
    if error.code not in ALREADY_DEAD and error.meaning != "already_gone":
        raise error


def says_no(body: object) -> bool:
    """Whether the body of a good status says that nothing was done, although it holds no error code."""
    return any(_says_no(view) for view in error_documents.views_of(body) if isinstance(view, dict))


def _says_no(members: Mapping[str, object]) -> bool:
    words = {name: str(value).strip().lower() for name, value in members.items() if isinstance(value, str | bool | int)}
    if any(words.get(name) == "false" for name in FLAGS_OF_SUCCESS):
        return True
    if (
        any(words.get(name) == "true" for name in FLAGS_OF_FAILURE)
        or members.get("errors")
        or members.get("user_errors")
    ):
        return True
    if any(words.get(name) in NOT_DONE for name in ("status", "result")):
        return True
    if any(words.get(name) in {"ok", "success"} for name in ("message", "msg", "errmsg", "status")):
        return False  # some count a success as 1
    if any(_NOT_DONE.search(words.get(name, "")) for name in SENTENCES):
        return True
    numbers = {name: _number(members.get(name)) for name in (*RESULT_NUMBERS, *STATUS_NUMBERS)}
    return any(numbers[name] for name in RESULT_NUMBERS if not 200 <= numbers[name] < 300) or any(
        400 <= numbers[name] < 600 for name in STATUS_NUMBERS
    )


def _number(value: object) -> int:
    """The number of a result, also as text; 0 if it is none."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else 0


def with_status(error: OAuthError, response: Response) -> OAuthError:
    error.status = response.status_code
    return error


def has_values(response: Response, expected: Mapping[str, Any]) -> bool:
    if not expected:
        return True
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        return False
    return all(has_value_at(document, pointer, value) for pointer, value in expected.items())


def has_value_at(document: Any, pointer: str, value: object) -> bool:
    """Whether this value is at the JSON pointer (RFC 6901). `True` does not equal 1 here."""
    for step in pointer.removeprefix("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return type(document) is type(value) and bool(document == value)
