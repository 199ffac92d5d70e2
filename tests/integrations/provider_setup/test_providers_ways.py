"""Sign-ins and calls at providers with ways of their own: shipped templates, at a server that answers as they do."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.registration import with_origin
from integrations import calls
from integrations.models import Alias, ApplicationRegistry, HttpConnection, Token
from integrations.models.definitions import SAMPLES
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.integrations.provider_setup.recorded_answers import as_signed, moved
from tests.integrations.provider_setup.test_templates import definition_of
from tests.servers.hostile import Call, HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ADDRESSES = ("authorization_url", "token_url", "refresh_url", "token_revocation_url", "token_introspection_url")
PERSON = {"id": 7, "name": "Amira", "email": "amira@northwind.example"}
INTROSPECTED = {"active": True, "user_id": 7, "user": "amira@northwind.example"}
NOTION = {"bot_id": "b-7", "owner": {"user": {"person": {"email": "amira@northwind.example"}}}}
SHOPIFY = {"associated_user": {"id": 7, "email": "amira@northwind.example"}, "token_type": None}
# By template: what the token endpoint says besides, who is asked, what the answer is, and as whom that is.
ASKED: dict[str, tuple[dict[str, Any], str, dict[str, Any], tuple[str, str]]] = {
    "linear": ({}, "POST /graphql", {"data": {"viewer": PERSON}}, ("7", "amira@northwind.example")),
    "monday": ({}, "POST /v2", {"data": {"me": PERSON}}, ("7", "amira@northwind.example")),
    "dropbox": (
        {},
        "POST /2/users/get_current_account",
        {"account_id": "d", "email": "a@b.example"},
        ("d", "a@b.example"),
    ),
    "twitch": ({}, "GET /helix/users", {"data": [{"id": "9", "login": "amira"}]}, ("9", "amira")),
    "mailchimp": (
        {},
        "GET /oauth2/metadata",
        {"dc": "us7", "user_id": 3, "login": {"email": "a@b.example"}},
        ("3", "a@b.example"),
    ),
    "hubspot": ({}, "POST /oauth/2026-03/token/introspect", INTROSPECTED, ("7", "amira@northwind.example")),
    "pipedrive": ({}, "GET /api/v1/users/me", {"data": PERSON}, ("7", "amira@northwind.example")),
    "slack": ({}, "POST /api/auth.test", {"ok": True, "user_id": "U7", "user": "amira"}, ("U7", "amira")),
    "figma": ({}, "GET /v1/me", {"id": "f", "handle": "amira"}, ("f", "amira")),
    "notion": (NOTION, "", {}, ("b-7", "amira@northwind.example")),
    "snowflake": ({"username": "AMIRA"}, "", {}, ("AMIRA", "AMIRA")),
    "shopify": (SHOPIFY, "", {}, ("7", "amira@northwind.example")),
}


def set_up(key: str, server: HostileServer) -> Alias:
    """As the template has it, but at this server."""
    definition = definition_of(key)
    fields = definition.registry_fields({each.name: SAMPLES[each.kind] for each in definition.questions})
    for name in (*ADDRESSES, "userinfo_url"):
        if fields.get(name):
            fields[name] = with_origin(fields[name], server.url)
    fields["provider_profile"] = moved(fields.get("provider_profile", {}), server.url)
    return cast.integration_at(cast.registry_at(server.url, **{"issuer": "", **fields}))


@pytest.fixture
def signed_in(request: pytest.FixtureRequest, as_amira: Client, server: HostileServer) -> Alias:
    more, asked, told, _account = ASKED[request.param]
    alias = set_up(request.param, server)
    nested = {"authed_user": walks.token_answer()} if request.param == "slack" else {}
    at = f"POST {urlsplit(walks.registry_of(alias).token_url).path}"
    server.on(at).answer(json={**walks.token_answer(), **nested, **more})
    if asked:
        server.on(asked).always(json=told)
    state = walks.begin(as_amira, alias)
    walks.come_back(as_amira, alias, state, **as_signed(walks.registry_of(alias), {}, state))
    return alias


@pytest.mark.parametrize(("signed_in", "key"), [(key, key) for key in ASKED], indirect=["signed_in"])
def test_the_account_is_known_in_the_providers_own_way(key: str, signed_in: Alias, server: HostileServer) -> None:
    token = Token.objects.get()
    assert (token.account_id, token.account_label) == ASKED[key][3]


def only(server: HostileServer, path: str) -> Call:
    [call] = server.calls_to(path)
    return call


@pytest.mark.parametrize("signed_in", ["twitch"], indirect=True)
def test_each_call_carries_what_the_provider_wants(signed_in: Alias, amira: User, server: HostileServer) -> None:
    asked = only(server, "GET /helix/users").headers
    server.on("GET /oauth2/api/x").always(json={})
    calls.send(
        amira, HttpConnection.objects.get(), "GET", "x", headers={"client_id": "mallory", "Client-Id": "mallory"}
    )
    call = only(server, "GET /oauth2/api/x").headers
    for told in (asked, call):
        assert (told["client-id"], told["authorization"]) == ("keyrack", "Bearer CANARY-access-1")
        assert "client_id" not in told


@pytest.mark.parametrize("signed_in", ["figma"], indirect=True)
def test_a_stored_token_is_renewed_at_the_refresh_url(signed_in: Alias, amira: User, server: HostileServer) -> None:
    Token.objects.update(expires_at=timezone.now())
    server.on("POST /v1/oauth/refresh").answer(json=walks.token_answer(2, refresh_token=None))
    assert PersonalAuthAPI(amira).get_token(signed_in.name).access_token == "CANARY-access-2"
    assert only(server, "POST /v1/oauth/refresh").form["refresh_token"] == "CANARY-refresh-1"
    assert len(server.calls_to("POST /v1/oauth/token")) == 1


@pytest.mark.parametrize("signed_in", ["notion"], indirect=True)
def test_a_header_that_says_nothing_of_us_is_the_callers_to_change(
    signed_in: Alias, amira: User, server: HostileServer
) -> None:
    server.on("GET /v1/oauth/api/x").always(json={})
    for headers in ({}, {"notion-version": "2025-09-03"}):
        calls.send(amira, HttpConnection.objects.get(), "GET", "x", headers=headers)
    told = [call.headers["notion-version"] for call in server.calls_to("GET /v1/oauth/api/x")]
    assert told == ["2022-06-28", "2025-09-03"]


@pytest.mark.parametrize("signed_in", ["shopify"], indirect=True)
def test_a_token_with_a_header_of_its_own_goes_in_no_other_and_does_not_come_back(
    signed_in: Alias, amira: User, as_amira: Client, server: HostileServer
) -> None:
    server.on("GET /admin/oauth/api/x").always(json={})
    forged = {"X-Shopify-Access-Token": "mallory", "X_Shopify_Access_Token": "mallory"}
    response = calls.send(amira, HttpConnection.objects.get(), "GET", "x", headers=forged)
    as_amira.get(f"/api/v1/integrations/{signed_in.name}/proxy/x", headers=forged).getvalue()
    for call in server.calls_to("GET /admin/oauth/api/x"):
        assert call.headers["x-shopify-access-token"] == "CANARY-access-1"
        assert not {"authorization", "x_shopify_access_token"} & set(call.headers)
    assert "CANARY-access-1" not in str(response.request.headers)
    assert len(server.calls_to("GET /admin/oauth/api/x")) == 2


@pytest.mark.parametrize(
    "path", ["/token_answer/access_token", "/token_answer/id_token", "/token_answer/nested/secret"]
)
def test_no_secret_of_a_token_answer_becomes_a_name(path: str, as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server, account_label_path=path, account_id_path=path)
    walks.grants(server, nested={"secret": "CANARY-nested"})
    walks.sign_in(as_amira, alias)
    token = Token.objects.get()
    assert (token.account_id, token.account_label) == ("", "")


@pytest.mark.parametrize("told", [{"json": {"active": False, "user": "mallory"}}, {"status": 403}])
def test_introspection_that_does_not_vouch_for_the_token_names_nobody(
    told: dict[str, Any], as_amira: Client, server: HostileServer
) -> None:
    fields = {"account_id_path": "/sub", "account_label_path": "/introspection/user"}
    alias = walks.northwind(server, token_introspection_url=f"{server.url}/introspect", **fields)
    server.on("POST /introspect").always(**told)
    walks.grants(server)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().account_label == ""


def test_introspection_is_not_asked_where_no_path_leads_there(as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server, token_introspection_url=f"{server.url}/introspect")
    walks.grants(server)
    walks.sign_in(as_amira, alias)
    assert not server.calls_to("POST /introspect")


def test_a_base_url_that_is_not_believed_is_not_asked_either(
    as_amira: Client, server: HostileServer, other: HostileServer
) -> None:
    way = {"userinfo_request": {"at_base_url": True}, "base_url_path": "/api", "base_url_hosts": "*.northwind.example"}
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo", **way)
    server.on("GET /userinfo").always(json={"sub": "a-1"})
    walks.grants(server, api=other.url)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().account_id == "a-1"
    assert not other.calls


@pytest.fixture
def other() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


@pytest.mark.parametrize("way", [{"userinfo_request": {"method": "POST"}}, {"call_headers": {"V": "1"}}])
def test_a_proof_of_a_revocation_asks_in_the_ordinary_way_alone(way: dict[str, Any], server: HostileServer) -> None:
    registry = cast.registry_at(server.url, userinfo_url=f"{server.url}/userinfo")
    assert registry.revocation_addresses()["userinfo_url"]
    ApplicationRegistry.objects.update(**way)
    assert not ApplicationRegistry.objects.get().revocation_addresses()["userinfo_url"]
