"""Every shape of revocation that providers are known to want, sent as they want it and read as they mean it."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from foundation.oauth_client import dialects, revocation
from foundation.oauth_client.client import Registration
from foundation.oauth_client.dialects import BadDialect
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unusable
from foundation.oauth_client.revocation import GrantTokens
from tests.servers.hostile import Call, HostileServer

Register = Callable[..., Registration]

SECRET = "CANARY-client-secret"
REFRESH, ACCESS = "CANARY/refresh?1", "CANARY+access&1"
ENDING = GrantTokens(refresh_token=REFRESH, access_token=ACCESS, account_id="acct_7")
BASIC = "Basic " + base64.b64encode(f"keyrack:{SECRET}".encode()).decode()
BEARER = f"Bearer {ACCESS}"
POSTED = {"client_id": "keyrack", "client_secret": SECRET}
NO_HINT: dict[str, Any] = {"hint": False}
BY_BASIC, BY_BODY = {"client_authentication": "client_secret_basic"}, {"client_authentication": "client_secret_post"}
BY_NOBODY, BY_BEARER = {"client_authentication": "none"}, {"client_authentication": "bearer"}
REFRESH_ONLY, ACCESS_ONLY = {"send": ["refresh_token"]}, {"send": ["access_token"]}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One provider's way: what is configured, and what must arrive for the first token that is sent."""

    request: dict[str, Any] = field(default_factory=dict)
    url: str = "/revoke"
    call: str = "POST /revoke"
    authorization: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    json: Any = None
    query: str = ""
    good: tuple[dict[str, Any], ...] = ({"status": 200},)
    bad: tuple[dict[str, Any], ...] = ({"status": 500},)


SHAPES = {
    "RFC 7009": Shape(authorization=BASIC, form={"token": REFRESH, "token_type_hint": "refresh_token"}),
    "Basic, no hint": Shape(request=BY_BASIC | NO_HINT, authorization=BASIC, form={"token": REFRESH}),
    "Basic, refresh token only": Shape(
        request=BY_BASIC | NO_HINT | REFRESH_ONLY, authorization=BASIC, form={"token": REFRESH}
    ),
    "Basic with hint, refresh token only": Shape(
        request=BY_BASIC | REFRESH_ONLY,
        authorization=BASIC,
        form={"token": REFRESH, "token_type_hint": "refresh_token"},
    ),
    "Basic, access token only": Shape(
        request=BY_BASIC | NO_HINT | ACCESS_ONLY | {"ok_statuses": [200]},
        authorization=BASIC,
        form={"token": ACCESS},
        bad=({"status": 204},),
    ),
    "Basic with hint, access token only": Shape(
        request=BY_BASIC | ACCESS_ONLY,
        authorization=BASIC,
        form={"token": ACCESS, "token_type_hint": "access_token"},
        good=({"status": 200}, {"status": 204}),
    ),
    "client in the form": Shape(request=BY_BODY | NO_HINT, form={"token": REFRESH, **POSTED}),
    "client in the form, refresh token only": Shape(
        request=BY_BODY | NO_HINT | REFRESH_ONLY, form={"token": REFRESH, **POSTED}
    ),
    "client in the form with hint, refresh token only": Shape(
        request=BY_BODY | REFRESH_ONLY, form={"token": REFRESH, "token_type_hint": "refresh_token", **POSTED}
    ),
    "client in the form, access token only": Shape(
        request=BY_BODY | NO_HINT | ACCESS_ONLY, form={"token": ACCESS, **POSTED}
    ),
    "the token alone": Shape(request=BY_NOBODY | NO_HINT, form={"token": REFRESH}),
    "the access token alone": Shape(request=BY_NOBODY | NO_HINT | ACCESS_ONLY, form={"token": ACCESS}),
    "the client's name alone, 400 for a dead token": Shape(
        request={"client_authentication": "client_id", "ok_statuses": [200, 400]} | NO_HINT | ACCESS_ONLY,
        form={"token": ACCESS, "client_id": "keyrack"},
        good=({"status": 200}, {"status": 400, "json": {"message": "Invalid token"}}),
        bad=({"status": 404}, {"status": 401}),
    ),
    "Basic, JSON": Shape(request=BY_BASIC | NO_HINT | {"body": "json"}, authorization=BASIC, json={"token": REFRESH}),
    "Basic, JSON, access token only": Shape(
        request=BY_BASIC | NO_HINT | ACCESS_ONLY | {"body": "json"}, authorization=BASIC, json={"token": ACCESS}
    ),
    "client in JSON": Shape(request=BY_BODY | NO_HINT | {"body": "json"}, json={"token": REFRESH, **POSTED}),
    "client in JSON with hint": Shape(
        request=BY_BODY | {"body": "json"}, json={"token": REFRESH, "token_type_hint": "refresh_token", **POSTED}
    ),
    "client in JSON, own name for the token": Shape(
        request=BY_BODY | NO_HINT | ACCESS_ONLY | {"body": "json", "token_field": "access_token"},
        json={"access_token": ACCESS, **POSTED},
    ),
    "JSON with own names for everything, nested": Shape(
        request=BY_NOBODY
        | ACCESS_ONLY
        | {
            "body": "json",
            "token_field": "",
            "fields": {
                "accessToken": "{access_token}",
                "client": {"id": "{client_id}", "keys": ["{client_secret}"]},
                "deep": True,
            },
        },
        json={"accessToken": ACCESS, "client": {"id": "keyrack", "keys": [SECRET]}, "deep": True},
        good=({"status": 200}, {"status": 204}),
    ),
    "in the query": Shape(request=BY_NOBODY | NO_HINT | {"body": "query"}, query="token=CANARY%2Frefresh%3F1"),
    "in the query, refresh token only": Shape(
        request=BY_NOBODY | NO_HINT | REFRESH_ONLY | {"body": "query"}, query="token=CANARY%2Frefresh%3F1"
    ),
    "a form with own names for everything": Shape(
        request=BY_NOBODY
        | ACCESS_ONLY
        | {
            "token_field": "",
            "fields": {"client_key": "{client_id}", "client_secret": "{client_secret}", "token": "{access_token}"},
        },
        form={"client_key": "keyrack", "client_secret": SECRET, "token": ACCESS},
    ),
    "Basic, access token only, with a field of its own": Shape(
        request=BY_BASIC | NO_HINT | ACCESS_ONLY | {"fields": {"token_type_hint": "ACCESS_TOKEN"}},
        authorization=BASIC,
        form={"token": ACCESS, "token_type_hint": "ACCESS_TOKEN"},
    ),
    "DELETE of the client's grant, with headers": Shape(
        request=BY_BASIC
        | NO_HINT
        | ACCESS_ONLY
        | {
            "method": "DELETE",
            "body": "json",
            "token_field": "access_token",
            "headers": {"Accept": "application/vnd.example+json", "X-Api-Version": "2022-11-28"},
            "ok_statuses": [204],
        },
        url="/applications/{client_id}/grant",
        call="DELETE /applications/keyrack/grant",
        authorization=BASIC,
        headers={"accept": "application/vnd.example+json", "x-api-version": "2022-11-28"},
        json={"access_token": ACCESS},
        good=({"status": 204},),
        bad=({"status": 200}, {"status": 404}, {"status": 422}),
    ),
    "DELETE of a token that is the address": Shape(
        request=BY_NOBODY | REFRESH_ONLY | {"method": "DELETE", "body": "none", "ok_statuses": [204]},
        url="/v1/refresh-tokens/{refresh_token}",
        call="DELETE /v1/refresh-tokens/CANARY%2Frefresh%3F1",
        good=({"status": 204},),
        bad=({"status": 404},),
    ),
    "DELETE as the person": Shape(
        request=BY_BEARER | ACCESS_ONLY | {"method": "DELETE", "body": "none", "ok_statuses": [200, 204, 404]},
        url="/tokens/current.json",
        call="DELETE /tokens/current.json",
        authorization=BEARER,
        good=({"status": 204}, {"status": 404}),
        bad=({"status": 401}, {"status": 403}),
    ),
    "DELETE as the person of the account": Shape(
        request=BY_BEARER | ACCESS_ONLY | {"method": "DELETE", "body": "none", "ok_statuses": [200]},
        url="/v22.0/{account_id}/permissions",
        call="DELETE /v22.0/acct_7/permissions",
        authorization=BEARER,
    ),
    "DELETE as the person of the account, with a hash of the token": Shape(
        request=BY_BEARER
        | NO_HINT
        | ACCESS_ONLY
        | {"method": "DELETE", "body": "query", "token_field": "", "fields": {"proof": "{access_token_hmac}"}},
        url="/v22.0/{account_id}/permissions",
        call="DELETE /v22.0/acct_7/permissions",
        authorization=BEARER,
        query=f"proof={hmac.new(SECRET.encode(), ACCESS.encode(), 'sha256').hexdigest()}",
    ),
    "as the person, the status says it": Shape(
        request=BY_BEARER | ACCESS_ONLY | {"body": "none", "ok_statuses": [200]}, authorization=BEARER
    ),
    "as the person, the body says it": Shape(
        request=BY_BEARER | ACCESS_ONLY | {"body": "none", "ok_statuses": [200], "ok_json": {"/ok": True}},
        authorization=BEARER,
        good=({"json": {"ok": True, "revoked": True}},),
        bad=(
            {"json": {"ok": False, "error": "ratelimited"}},
            {"json": {"ok": 1}},
            {"json": {}},
            {"json": [True]},
            {"text": "<html>ok"},
            {"status": 200},
        ),
    ),
    "as the person, an empty object, gone is good": Shape(
        request=BY_BEARER | ACCESS_ONLY | {"body": "json", "token_field": "", "ok_statuses": [200, 204, 401, 404]},
        authorization=BEARER,
        json={},
        good=({"status": 200}, {"status": 401}, {"status": 404}),
        bad=({"status": 403},),
    ),
    "as the person, and the token": Shape(
        request=BY_BEARER | NO_HINT | ACCESS_ONLY, authorization=BEARER, form={"token": ACCESS}
    ),
    "as the person, and the token by its own name": Shape(
        request=BY_BEARER | NO_HINT | ACCESS_ONLY | {"token_field": "access_token"},
        authorization=BEARER,
        form={"access_token": ACCESS},
    ),
    "DELETE with the token in a header of its own": Shape(
        request=BY_NOBODY
        | ACCESS_ONLY
        | {"method": "DELETE", "body": "none", "headers": {"X-Own-Access-Token": "{access_token}"}},
        call="DELETE /revoke",
        headers={"x-own-access-token": ACCESS},
    ),
    "the account, with the secret as user name": Shape(
        request={
            "client_authentication": "secret_as_user",
            "token_field": "",
            "fields": {"client_id": "{client_id}", "user": "{account_id}"},
        },
        authorization="Basic " + base64.b64encode(f"{SECRET}:".encode()).decode(),
        form={"client_id": "keyrack", "user": "acct_7"},
    ),
    "GET, the token in the query of the address": Shape(
        request=BY_NOBODY | {"method": "GET", "body": "none"},
        url="/revoke?token={token}",
        call="GET /revoke",
        query="token=CANARY%2Frefresh%3F1",
    ),
}


def revoke(register: Register, provider: HostileServer, shape: Shape) -> None:
    dialect = dialects.parse_dialect(json.loads(json.dumps(shape.request)))
    registration = register(revocation_url=provider.url + shape.url)
    assert revocation.missing_values(registration, ENDING, dialect.send[0], dialect) == []
    revocation.revoke(registration, ENDING, dialect.send[0], dialect)


def body_of(call: Call, shape: Shape) -> Any:
    if shape.json is not None:
        assert call.headers["content-type"] == "application/json"
        return call.json
    return call.form if shape.form is not None else call.body


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_provider_is_told_the_way_it_wants(shape: Shape, register: Register, provider: HostileServer) -> None:
    for answer in shape.good:
        provider.on(shape.call).answer(**answer)
        revoke(register, provider, shape)
    for call in provider.calls:
        assert f"{call.method} {call.path}" == shape.call
        assert call.query == shape.query
        assert call.headers.get("authorization") == shape.authorization
        assert call.headers.items() >= {"accept": "application/json", **shape.headers}.items()
        expected = shape.json if shape.json is not None else shape.form if shape.form is not None else b""
        assert body_of(call, shape) == expected
    assert len(provider.calls) == len(shape.good)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_it_does_not_mean_as_yes_is_no(shape: Shape, register: Register, provider: HostileServer) -> None:
    for answer in shape.bad:
        provider.on(shape.call).answer(**answer)
        with pytest.raises(OAuthError) as caught:
            revoke(register, provider, shape)
        assert "CANARY" not in repr(caught.value)


def test_the_person_who_is_not_known_any_more_is_no_fault_of_ours(register: Register, provider: HostileServer) -> None:
    provider.on("POST /revoke").answer(status=401)
    with pytest.raises(Refused, match="dead_access_token"):
        revoke(register, provider, SHAPES["as the person, and the token"])


def test_an_answer_that_does_not_say_it_is_no_confirmation(register: Register, provider: HostileServer) -> None:
    provider.on("POST /revoke").answer(json={"ok": False})
    with pytest.raises(Unusable, match="unexpected_answer") as caught:
        revoke(register, provider, SHAPES["as the person, the body says it"])
    assert caught.value.status == 200


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([], "is a JSON object"),
        ("DELETE", "is a JSON object"),
        ({"verb": "DELETE"}, "“verb” is not known"),
        ({"method": "delete"}, "“method” is one of POST, DELETE"),
        ({"method": 1}, "“method” is one of"),
        ({"client_authentication": "basic"}, "“client_authentication” is one of"),
        ({"body": None}, "“body” is one of"),
        ({"token_field": 5}, "is a text without placeholders"),
        ({"token_field": "{token}"}, "is a text without placeholders"),
        ({"hint": "yes"}, "is true or false"),
        ({"send": []}, "is a list of refresh_token and access_token"),
        ({"send": "access_token"}, "is a list of"),
        ({"send": ["id_token"]}, "is a list of"),
        ({"send": ["access_token", "access_token"]}, "is a list of"),
        ({"send": [["access_token"]]}, "is a list of"),
        ({"fields": ["token"]}, "“fields” is a JSON object"),
        ({"fields": {"a": "{password}"}}, "the placeholder {password}, which is not known"),
        ({"body": "json", "fields": {"a": {"b": ["{oops}"]}}}, "the placeholder {oops}"),
        ({"fields": {"a": "{token"}}, "a brace that belongs to no placeholder"),
        ({"fields": {"a": {"b": "c"}}}, "only JSON can be nested"),
        ({"body": "none", "fields": {"a": "b"}}, "are not sent"),
        ({"headers": {"X": 1}}, "header names and texts"),
        ({"headers": {"X Y": "z"}}, "header names and texts"),
        ({"headers": {"X": "a\r\nY: b"}}, "header names and texts"),
        ({"headers": {"Host": "evil.example"}}, "The header Host cannot be set"),
        ({"ok_statuses": [True]}, "a list of HTTP statuses"),
        ({"ok_statuses": [500]}, "a list of HTTP statuses"),
        ({"ok_statuses": 204}, "a list of HTTP statuses"),
        ({"ok_json": {"ok": True}}, "pointers and values"),
        ({"ok_json": [1]}, "pointers and values"),
        ({"method": "GET"}, "A GET has no body"),
    ],
)
def test_a_dialect_that_cannot_be_meant_is_refused_in_words(raw: object, sentence: str) -> None:
    with pytest.raises(BadDialect) as caught:
        dialects.parse_dialect(raw)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    with pytest.raises(Misconfigured, match="bad_revocation_request"):
        revocation.dialect_of(raw)


@pytest.mark.parametrize(
    ("url", "request_", "sentence"),
    [
        ("https://{account_id}.example/revoke", {}, "before its path"),
        ("https://a.example:{account_id}/revoke", {}, "before its path"),
        ("{token}://a.example/revoke", {}, "before its path"),
        ("https://a.example/{tenant}", {}, "{tenant}, which is not known"),
        ("https://a.example/{}", {}, "{}, which is not known"),
        ("https://a.example/}", {}, "a brace that belongs to no placeholder"),
        ("https://a.example/", {"token_field": ""}, "says which token to revoke"),
        ("https://a.example/{client_id}", {"body": "none"}, "says which token to revoke"),
        ("https://a.example/{token}", {"body": "none", **BY_BODY}, "authenticates in the body"),
    ],
)
def test_an_address_and_its_dialect_must_fit(
    url: str, request_: dict[str, Any], sentence: str, register: Register, provider: HostileServer
) -> None:
    dialect = dialects.parse_dialect(request_)
    with pytest.raises(BadDialect, match=sentence.replace("{", r"\{").replace("}", r"\}")):
        dialects.check_together(dialect, url, registered="client_secret_basic")
    with pytest.raises(Misconfigured, match="bad_revocation_request"):
        revocation.revoke(register(revocation_url=url), ENDING, "refresh_token", dialect)
    assert provider.connections == 0


@pytest.mark.parametrize("account_id", ["..", "."])
def test_no_account_can_climb_out_of_its_place(account_id: str, register: Register, provider: HostileServer) -> None:
    dialect = dialects.parse_dialect(BY_BEARER | {"method": "DELETE", "body": "none"})
    registration = register(revocation_url=provider.url + "/v1/{account_id}/permissions")
    with pytest.raises(Misconfigured, match="bad_url"):
        revocation.revoke(registration, GrantTokens(access_token="t", account_id=account_id), "access_token", dialect)
    assert provider.connections == 0


def test_what_a_call_would_lack_is_known_before_it_is_made(register: Register) -> None:
    as_person = dialects.parse_dialect(BY_BEARER | {"body": "none"})
    only_refresh = GrantTokens(refresh_token="r")
    assert revocation.missing_values(register(), only_refresh, "refresh_token", as_person) == ["access_token"]
    named = register(revocation_url="https://a.example/{account_id}/{token}")
    assert revocation.missing_values(named, only_refresh, "refresh_token") == ["account_id"]
