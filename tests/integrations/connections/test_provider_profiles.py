"""A sign-in, its calls and its renewals at a provider that departs from the standards, as its profile says."""

import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Unreachable
from foundation.oauth_client.provider_profile import parse_profile
from integrations import calls
from integrations.connections import renewal
from integrations.models import Alias, AuthorizationAttempt, HttpConnection, Renewal, Revocation, Token
from integrations.models.registry import ApplicationRegistry, validation
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.django_db]


def integration(server: HostileServer, profile: dict[str, Any], *, path: str = "/api", **fields: Any) -> Alias:
    scopes = fields.pop("scopes", ("read",))
    registry = cast.registry_at(server.url, provider_profile=profile, **fields)
    return cast.integration_at(registry, connection_url=server.url + path, scopes=scopes)


def connection_of(alias: Alias) -> HttpConnection:
    return HttpConnection.objects.select_related("credential__profile__registry").get(alias=alias)


def with_values(token: Token, **values: str) -> Token:
    """The stored token with these values in place of its own."""
    token.provider_values = json.dumps(values)
    token.save()
    return Token.objects.get(pk=token.pk)


def make_due() -> None:
    now = timezone.now()
    Token.objects.update(expires_at=now, signed_in_at=now - timedelta(hours=1))


@pytest.mark.slow
def test_a_value_of_the_callback_fills_addresses_and_headers(
    amira: User, as_amira: Client, server: HostileServer
) -> None:
    profile = {"callback": {"keep": {"realmId": {"pattern": "[0-9]+"}}}}
    alias = integration(
        server, profile, path="/company/{realmId}", call_headers={"X-Company": "{realmId}", "X-Kind": "books"}
    )
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /company/913/info").always(json={"ok": True})
    walks.sign_in(as_amira, alias, realmId="913")
    assert Token.objects.get().values == {"realmId": "913"}
    assert calls.send(amira, connection_of(alias), "GET", "info").json() == {"ok": True}
    [call] = server.calls_to("GET /company/913/info")
    assert (call.headers["x-company"], call.headers["x-kind"]) == ("913", "books")
    assert as_amira.get(f"/api/v1/integrations/{alias.name}/proxy/info").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("value", ["91/../3", "abc", "", "9" * 600])
def test_a_value_that_does_not_look_as_expected_is_not_kept(
    value: str, amira: User, as_amira: Client, server: HostileServer
) -> None:
    profile = {"callback": {"keep": {"realmId": {"pattern": "[0-9]{1,30}"}}}}
    alias = integration(server, profile, path="/company/{realmId}")
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, realmId=value)
    with pytest.raises(renewal.NoUsableToken, match="value_missing"):
        calls.send(amira, connection_of(alias), "GET", "info")
    assert not [call for call in server.calls if call.method == "GET"]


@pytest.mark.slow
def test_a_renewal_keeps_the_values_of_the_sign_in(as_amira: Client, amira: User, server: HostileServer) -> None:
    alias = integration(server, {"callback": {"keep": {"realmId": {}}}}, path="/company/{realmId}")
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, realmId="913")
    make_due()
    renewal.current(amira, walks.credential_of(alias))
    assert len(server.calls_to("POST /token")) == 2
    assert Token.objects.get().values == {"realmId": "913"}


@pytest.mark.slow
def test_values_are_sealed_in_the_database(as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, {"callback": {"keep": {"realmId": {}}}})
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, realmId="CANARY-company")
    assert "CANARY" not in str(Token.objects.values_list("provider_values", flat=True).get())


SITES = {"name": "site", "value": "/id", "label": "/name", "title": "Which site?"}


def sites_of(server: HostileServer) -> dict[str, Any]:
    return {"lookups": [{**SITES, "url": f"{server.url}/sites"}]}


@pytest.mark.slow
def test_the_person_chooses_among_several_sites(amira: User, as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, sites_of(server), path="/{site}")
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /sites").always(json=[{"id": "s-1", "name": "One"}, {"id": "s-2", "name": "Two"}])
    server.on("GET /s-2/x").always(json={"ok": True})
    page = walks.sign_in(as_amira, alias)
    words = walks.words(page)
    assert "Which site?" in words
    assert "Two" in words
    assert not Token.objects.exists()
    attempt = AuthorizationAttempt.objects.get()
    assert attempt.status == "choice"
    as_amira.post(f"/integrations/done/{attempt.hex}/", {"value": "s-9"})
    assert not Token.objects.exists()
    done = as_amira.post(f"/integrations/done/{attempt.hex}/", {"value": "s-2"}, follow=True)
    assert "Northwind CRM is connected" in walks.words(done)
    assert Token.objects.get().values == {"site": "s-2"}
    assert calls.send(amira, connection_of(alias), "GET", "x").status_code == 200
    attempt.refresh_from_db()
    assert (attempt.answer, attempt.choices) == ("", "")


@pytest.mark.slow
def test_a_later_sign_in_keeps_the_choice(as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, sites_of(server), path="/{site}", userinfo_url=f"{server.url}/me")
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /me").always(json=walks.PROVIDERS_ACCOUNT)
    server.on("GET /sites").always(json=[{"id": "s-1"}, {"id": "s-2"}])
    walks.sign_in(as_amira, alias)
    as_amira.post(f"/integrations/done/{AuthorizationAttempt.objects.get().hex}/", {"value": "s-2"})
    assert "is connected" in walks.words(walks.sign_in(as_amira, alias))
    assert Token.objects.get().values == {"site": "s-2"}


def test_another_person_cannot_choose(as_amira: Client, bob: User, server: HostileServer) -> None:
    alias = integration(server, sites_of(server))
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /sites").always(json=[{"id": "s-1"}, {"id": "s-2"}])
    walks.sign_in(as_amira, alias)
    attempt = AuthorizationAttempt.objects.get()
    assert client_of(bob).post(f"/integrations/done/{attempt.hex}/", {"value": "s-2"}).status_code == 404
    assert not Token.objects.exists()


@pytest.mark.slow
def test_a_single_site_is_taken_without_a_question(as_amira: Client, server: HostileServer) -> None:
    profile = {"lookups": [{**SITES, "url": f"{server.url}/sites", "also": {"cloud": "/cloud"}}]}
    alias = integration(server, profile)
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /sites").always(json=[{"id": "s-1", "cloud": "c"}, {"id": "s-1", "cloud": "c"}])
    assert "is connected" in walks.words(walks.sign_in(as_amira, alias))
    assert Token.objects.get().values == {"site": "s-1", "cloud": "c"}


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [({"json": []}, "nothing_to_choose"), ({"status": 500}, "http_500")])
def test_without_a_site_nothing_is_stored_and_the_tokens_are_revoked(
    answer: dict[str, Any], code: str, as_amira: Client, server: HostileServer
) -> None:
    alias = integration(server, sites_of(server))
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /sites").always(**answer)
    walks.sign_in(as_amira, alias)
    assert AuthorizationAttempt.objects.get().failure_code == code
    assert not Token.objects.exists()
    assert Revocation.objects.exists()


def test_granted_scopes_can_stand_in_the_callback(as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, {"callback": {"scopes": "scope"}}, scopes=("read", "write"))
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, scope="read,profile")
    token = Token.objects.get()
    assert token.scopes == ["profile", "read"]
    assert token.missing_scopes() == ["write"]


@pytest.mark.slow
def test_a_callback_with_an_empty_scope_says_nothing_of_scopes(as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, {}, scopes=("read", "write"))
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, scope="")
    assert Token.objects.get().scopes == ["read", "write"]


@pytest.mark.slow
def test_a_posted_callback_is_asked_for_once_more_by_get(as_amira: Client, server: HostileServer) -> None:
    alias = integration(server, {"callback": {"posted": True, "code": ["auth_code", "code"]}})
    server.on("POST /token").always(json=walks.token_answer())
    asked = walks.asked(walks.start(as_amira, alias))
    assert asked["response_mode"] == "form_post"
    posted = {"auth_code": "CANARY-code", "state": asked["state"]}
    address = walks.callback_url(walks.registry_of(alias), {}).rstrip("?")
    browser_of_the_provider = Client(enforce_csrf_checks=True)
    back = browser_of_the_provider.post(address, posted)
    assert (back.status_code, back["Location"]) == (303, f"{address}?{urlencode(posted)}")
    assert "is connected" in walks.words(as_amira.get(back["Location"], follow=True))
    assert server.calls_to("POST /token")[0].form["code"] == "CANARY-code"


def test_a_posted_callback_without_end_is_refused(server: HostileServer) -> None:
    alias = integration(server, {"callback": {"posted": True}})
    address = walks.callback_url(walks.registry_of(alias), {}).rstrip("?")
    assert Client().post(address, {"code": "c" * 40_000, "state": "s"}).status_code == 400


@pytest.mark.slow
def test_a_server_that_the_callback_names_is_believed_if_the_registry_allows_it(
    as_amira: Client, server: HostileServer
) -> None:
    alias = integration(server, {"callback": {"token_host": "server"}}, base_url_hosts="*.elsewhere.example")
    server.on("POST /token").always(json=walks.token_answer())
    walks.sign_in(as_amira, alias, server="https://evil.example")
    assert len(server.calls_to("POST /token")) == 1
    token = Token.objects.get()
    assert token.server == ""
    token = with_values(token, server="https://eu.elsewhere.example")
    assert token.server == "https://eu.elsewhere.example"
    registration = token.credential.registry.registration().at(token.server)
    assert registration.token_url == "https://eu.elsewhere.example/token"
    assert registration.revocation_url == "https://eu.elsewhere.example/revoke"
    assert registration.authorization_url == f"{server.url}/authorize"


@pytest.mark.parametrize(
    ("hosts", "home"),
    [("*.api.example", "https://us7.api.example/x"), ("", "https://{dc}.api.example/x")],
)
def test_a_value_completes_the_host_only_where_the_registry_allows_it(
    hosts: str, home: str, amira: User, server: HostileServer
) -> None:
    profile = {"token_answer": {"keep": {"dc": "/dc"}}}
    alias = integration(server, profile, base_url_hosts=hosts)
    token = cast.signed_in(amira, alias)
    token = with_values(token, dc="us7")
    assert token.at_home("https://{dc}.api.example/x") == home
    token = with_values(token, dc="evil.example/")
    assert "evil.example/" not in token.at_home("https://{dc}.api.example/x")


@pytest.mark.slow
def test_an_access_token_renews_itself(amira: User, as_amira: Client, server: HostileServer) -> None:
    profile = {"self_renewal": {"url": f"{server.url}/again", "parameters": {"access_token": "{access_token}"}}}
    alias = integration(server, profile)
    server.on("POST /token").always(json={"access_token": "CANARY-first", "expires_in": 3600})
    server.on("GET /again").always(json={"access_token": "CANARY-second", "expires_in": 3600})
    walks.sign_in(as_amira, alias)
    token = Token.objects.get()
    assert token.renews_itself
    now = timezone.now()
    Token.objects.update(expires_at=now + timedelta(seconds=100), signed_in_at=now - timedelta(hours=1))
    assert renewal.current(amira, walks.credential_of(alias)).access_token == "CANARY-second"
    assert server.calls_to("GET /again")[0].query == "access_token=CANARY-first"


def test_a_token_that_is_too_young_to_renew_itself_says_nothing_about_the_provider(
    amira: User, server: HostileServer
) -> None:
    again = {"url": f"{server.url}/again", "parameters": {"access_token": "{access_token}"}, "not_before": 7200}
    alias = integration(server, {"self_renewal": again})
    token = cast.signed_in(amira, alias, expires_in=-10)  # an hour ago
    for _ in range(3):
        with pytest.raises(Unreachable) as wait:
            renewal.current(amira, walks.credential_of(alias))
        assert wait.value.retry_after == pytest.approx(3600, abs=10)
    Token.objects.update(expires_at=timezone.now() + timedelta(days=59))
    server.on("GET /api/x").always(status=401)
    for _ in range(3):
        assert calls.send(amira, connection_of(alias), "GET", "x").status_code == 401
    assert {call.path for call in server.calls} == {"/api/x"}
    registry = ApplicationRegistry.objects.get()
    assert (registry.failures, registry.down_since) == (0, None), "nothing was sent to it"
    assert not Renewal.objects.exists()
    server.on("GET /again").answer(json={"access_token": "CANARY-second", "expires_in": 3600})
    Token.objects.update(signed_in_at=timezone.now() - timedelta(hours=2))
    assert renewal.renew(token).access_token == "CANARY-second"


def test_each_call_carries_a_hash_of_its_token_where_the_provider_wants_one(
    amira: User, as_amira: Client, server: HostileServer
) -> None:
    alias = integration(server, {"calls": {"parameters": {"proof": "{access_token_hmac}"}}})
    cast.signed_in(amira, alias)
    server.on("GET /api/x").always(json={})
    calls.send(amira, connection_of(alias), "GET", "x?proof=mine")
    assert as_amira.get(f"/api/v1/integrations/{alias.name}/proxy/x").status_code == 200
    digest = hmac.new(b"CANARY-client-secret", b"CANARY-access-1", "sha256").hexdigest()
    assert [call.query for call in server.calls] == [f"proof=mine&proof={digest}", f"proof={digest}"]


def signed(parameters: dict[str, str], key: str = "CANARY-client-secret") -> str:
    message = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return hmac.new(key.encode(), message.encode(), "sha256").hexdigest()


@pytest.mark.parametrize("case", ["signed", "spelled", "changed", "unsigned", "other_secret", "no_secret"])
def test_a_callback_is_believed_only_with_its_signature(case: str, as_amira: Client, server: HostileServer) -> None:
    profile = {"callback": {"signature": {"parameter": "hmac", "without": ["old"]}, "keep": {"shop": {}}}}
    alias = integration(server, profile)
    if case == "no_secret":
        registry = walks.registry_of(alias)
        registry.client_secret = ""
        registry.save()
    server.on("POST /token").always(json=walks.token_answer())
    state = walks.begin(as_amira, alias)
    parameters = {"code": "c", "shop": "one.example", "timestamp": "1", "state": state}
    if case == "spelled":
        parameters["host"] = "a/b c"
    signature = signed({**parameters, **({"host": "a%2Fb+c"} if case == "spelled" else {})})
    if case in {"other_secret", "no_secret"}:
        signature = signed(parameters, "" if case == "no_secret" else "other")
    if case == "changed":
        parameters["shop"] = "two.example"
    if case != "unsigned":
        parameters |= {"hmac": signature.upper(), "old": "x"}
    walks.come_back(as_amira, alias, **parameters)
    attempt = AuthorizationAttempt.objects.get()
    is_good = case in {"signed", "spelled"}
    assert (attempt.status, attempt.failure_code) == (("connected", "") if is_good else ("failed", "bad_signature"))
    assert len(server.calls_to("POST /token")) == int(is_good)


@pytest.mark.slow
def test_an_account_may_be_named_by_a_kept_value(as_amira: Client, server: HostileServer) -> None:
    alias = integration(
        server,
        {
            "callback": {"keep": {"realm": {}}},
            "lookups": [{**SITES, "url": f"{server.url}/sites", "also": {"site_name": "/name"}}],
        },
        account_id_path="/sub /kept/realm",
        account_label_path="/name /kept/site_name",
    )
    server.on("POST /token").always(json=walks.token_answer())
    server.on("GET /sites").always(json=[{"id": "s-1", "name": "One"}, {"id": "s-2", "name": "Two"}])
    walks.sign_in(as_amira, alias, realm="913")
    as_amira.post(f"/integrations/done/{AuthorizationAttempt.objects.get().hex}/", {"value": "s-2"})
    token = Token.objects.get()
    assert (token.account_id, token.account_label) == ("913", "Two")


def test_a_region_leads_to_its_host(amira: User, server: HostileServer) -> None:
    profile = {
        "token_answer": {"keep": {"region": "/region"}},
        "value_maps": {"region": {"EU": "api.eu.api.example", "US": "elsewhere.example"}},
    }
    alias = integration(server, profile, base_url_hosts="*.api.example")
    token = with_values(cast.signed_in(amira, alias), region=parse_profile(profile).mapped("region", "EU"))
    assert token.at_home("https://{region}/x") == "https://api.eu.api.example/x"
    token = with_values(token, region=parse_profile(profile).mapped("region", "US"))
    assert token.at_home("https://{region}/x") == "https://{region}/x"


def test_each_call_carries_the_parameters_of_the_profile(amira: User, server: HostileServer) -> None:
    profile = {"calls": {"parameters": {"api-version": "7.0"}, "token_parameter": "token"}}
    alias = integration(server, profile)
    cast.signed_in(amira, alias)
    server.on("GET /api/x").always(json={})
    calls.send(amira, connection_of(alias), "GET", "x", params={"page": "2"})
    calls.send(amira, connection_of(alias), "GET", "x?api-version=8.0&token=mine")
    assert server.calls[0].query == "api-version=7.0&token=CANARY-access-1&page=2"
    assert server.calls[1].query == "api-version=8.0&token=mine&token=CANARY-access-1"


@pytest.mark.parametrize(
    ("scopes", "listed", "missing"),
    [
        ({}, ["read"], []),
        ({}, [], ["read"]),
        ({"aliases": {"email": "https://x.example/email"}}, ["https://x.example/email", "read"], []),
        ({"implies": {"all": ["read", "email"]}}, ["all"], []),
        ({"never_listed": ["email", "read"]}, ["other"], []),
        ({"prefixes": ["https://x.example/"]}, ["https://x.example/read", "email"], []),
        ({"prefixes": ["https://x.example/"]}, ["https://y.example/read", "email"], ["read"]),
        ({"prefixes": ["https://x.example/"], "implies": {"all": "https://x.example/read"}}, ["all", "email"], []),
        ({"ignore_case": True}, ["Read", "EMAIL"], []),
        ({}, ["Read"], ["read"]),
    ],
)
def test_scopes_by_other_names_are_not_missing(
    scopes: dict[str, Any], listed: list[str], missing: list[str], amira: User, server: HostileServer
) -> None:
    alias = integration(server, {"scopes": scopes} if scopes else {})
    requested = ["read", "offline_access", *(["email"] if scopes else [])]
    token = cast.signed_in(amira, alias, scopes=listed, requested_scopes=requested)
    assert token.missing_scopes() == missing


def test_a_profile_cannot_send_tokens_to_another_server(server: HostileServer) -> None:
    registry = ApplicationRegistry(
        token_url="https://login.provider.example/token",
        provider_profile={"exchange": {"url": "https://elsewhere.example/longer"}},
    )
    assert "elsewhere.example" in validation.wrong_profile_address(registry)
    registry.base_url_hosts = "*.elsewhere.example elsewhere.example"
    assert validation.wrong_profile_address(registry) == ""
