"""A person's token goes only where the person agreed: held at every door, by whichever way the set-up was changed."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit import log
from accounts.models import User
from integrations import calls, flows, remote_tables
from integrations.connections import authorization, renewal
from integrations.connections.renewal import NoUsableToken
from integrations.flows import actions
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Event, HttpConnection, Token
from integrations.models.card import State, integration_of
from integrations.personal_auth import AddressChanged, NotAuthenticated, PersonalAuthAPI
from integrations.remote_tables import source_of
from tests import cast, walks
from tests.integrations import flowing, moving, revoking, tables
from tests.integrations.moving import WAYS
from tests.integrations.renewing import due_tokens
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger() -> Iterator[HostileServer]:
    """Another server, which must never see a token."""
    with HostileServer() as running:
        yield running


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    settings_url = f"{server.url}/apps"
    return cast.integration_at(cast.registry_at(server.url, account_settings_url=settings_url), allow_token_export=True)


@pytest.fixture
def token(amira: User, northwind: Alias) -> Token:
    return cast.signed_in(amira, northwind)


def moved(alias: Alias, stranger: HostileServer) -> None:
    moving.change_connection_url(alias, stranger.url)


# Held by whichever way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_however_the_set_up_leads_elsewhere_the_token_stays(
    way: str, amira: User, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    WAYS[way](northwind, stranger.url)
    api = PersonalAuthAPI(amira)
    with pytest.raises(AddressChanged) as refusal:
        api.request("northwind", "GET", "/contacts")
    assert (refusal.value.code, "oauth_initiator.do" in refusal.value.initiator_url) == ("address_changed", True)
    assert not api.is_token_valid("northwind")
    integration = integration_of(amira, northwind.pk)
    assert integration is not None
    assert integration.state == State.ADDRESS_CHANGED
    assert (server.calls, stranger.calls) == ([], [])


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"connection url in SQL"}])
def test_a_token_that_is_due_is_not_renewed_elsewhere(
    way: str, amira: User, northwind: Alias, server: HostileServer, stranger: HostileServer
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    WAYS[way](northwind, stranger.url)
    with pytest.raises(AddressChanged):
        PersonalAuthAPI(amira).get_token("northwind")
    assert (server.calls, stranger.calls) == ([], [])


def test_a_second_alias_on_the_same_credential_is_asked_about_by_itself(
    amira: User, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    trap = Alias.objects.create(name="trap")
    HttpConnection.objects.create(
        alias=trap, name="trap", credential=token.credential, connection_url=f"{stranger.url}/api"
    )
    with pytest.raises(AddressChanged):
        PersonalAuthAPI(amira).request("trap", "GET", "/contacts")
    server.on("GET /api/contacts").always(json=[])
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/contacts").status_code == 200
    assert stranger.calls == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_url", "/v2/token"),
        ("token_revocation_url", "/v2/revoke"),
        ("refresh_url", "/v2/refresh"),
        ("token_introspection_url", "/introspect"),
        ("userinfo_url", "/userinfo"),
    ],
)
def test_another_path_or_a_new_endpoint_at_the_same_server_holds_nothing(
    name: str, value: str, amira: User, northwind: Alias, token: Token, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(**{name: server.url + value})
    HttpConnection.objects.update(connection_url=f"{server.url}/api/v2")
    server.on("GET /api/v2/contacts").always(json=[])
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/contacts").status_code == 200


def test_moved_back_there_is_nothing_to_confirm(
    amira: User, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    moved(northwind, stranger)
    HttpConnection.objects.update(connection_url=f"{server.url}/api")
    assert PersonalAuthAPI(amira).is_token_valid("northwind")


def test_a_row_that_agrees_to_nothing_goes_nowhere(amira: User, northwind: Alias, token: Token) -> None:
    Token.objects.update(agreed=None)
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")


def test_a_base_url_of_the_answer_is_believed_only_within_what_was_agreed(
    amira: User, server: HostileServer, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(base_url_path="/instance_url", base_url_hosts="*.northwind.example")
    token = cast.signed_in(amira, northwind, expires_in=-10)
    ApplicationRegistry.objects.update(base_url_hosts="*.northwind.example *.evil.example")
    with pytest.raises(NoUsableToken):
        renewal.renew(token)
    ApplicationRegistry.objects.update(base_url_hosts="na1.northwind.example")
    walks.grants(server, instance_url="https://na1.northwind.example")
    assert renewal.renew(token).base_url == "https://na1.northwind.example"
    walks.grants(server, instance_url="https://na1.evil.example")
    assert renewal.renew(Token.objects.get()).base_url == "https://na1.northwind.example"


def test_a_host_that_an_administrator_took_away_gets_no_token(amira: User, northwind: Alias) -> None:
    ApplicationRegistry.objects.update(
        base_url_path="/instance_url", base_url_hosts="*.northwind.example *.old.example"
    )
    token = cast.signed_in(amira, northwind, base_url="https://na1.old.example")
    assert token.at_home("https://northwind.example/api") == "https://na1.old.example/api"
    ApplicationRegistry.objects.update(base_url_hosts="*.northwind.example")
    token = Token.objects.with_registry().get()
    assert token.at_home("https://northwind.example/api") == "https://northwind.example/api"
    ready = renewal.ready_call(amira, "northwind")
    assert ready is not None
    assert "old.example" not in ready.connection_url


# At every door --------------------------------------------------------------------------------------------------------

Door = Callable[[User, Alias], object]


def through_a_subflow(user: User, alias: Alias) -> None:
    subflow = flowing.subflow_of(flowing.open_incidents(alias))
    run = flows.run_subflow(subflow.name, user=user, inputs={"limit": 1})
    assert (run.error_code, run.http_status) == ("address_changed", 409)
    raise NoUsableToken(run.error_code)


def through_an_action(user: User, alias: Alias) -> None:
    result = actions.run_action(flowing.open_incidents(alias), user=user, inputs={"limit": 1}, used_by="Test")
    assert result.failure is not None
    assert "moved to another address" in result.failure.sentence
    raise NoUsableToken(result.failure.code)


def through_a_table(user: User, alias: Alias) -> None:
    table = tables.incidents(alias)
    remote_tables.read_table(table, user, source_of(table, user))


def by_the_connection(user: User, alias: Alias) -> None:
    connection = alias.connection
    assert connection is not None
    calls.send(user, connection, "GET", "/contacts")


DOORS: dict[str, Door] = {
    "request": lambda user, alias: PersonalAuthAPI(user).request(alias.name, "GET", "/contacts"),
    "stream": lambda user, alias: PersonalAuthAPI(user).stream(alias.hex, "GET", "/contacts", headers={}),
    "get_token": lambda user, alias: PersonalAuthAPI(user).get_token(alias.name),
    "get_token by id": lambda user, alias: PersonalAuthAPI(user).get_token(alias.hex),
    "rest.send": by_the_connection,
    "subflow": through_a_subflow,
    "action": through_an_action,
    "remote table": through_a_table,
}


@pytest.mark.parametrize("way", ["connection url", "token url"])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_a_moved_token_out(
    door: str, way: str, amira: User, northwind: Alias, token: Token, stranger: HostileServer
) -> None:
    WAYS[way](northwind, stranger.url)
    with pytest.raises((NotAuthenticated, NoUsableToken)) as refusal:
        DOORS[door](amira, Alias.objects.get(pk=northwind.pk))
    assert getattr(refusal.value, "code", "") == "address_changed"
    assert stranger.calls == []


def test_nothing_is_renewed_ahead_of_time_at_another_server(
    amira: User, northwind: Alias, stranger: HostileServer
) -> None:
    cast.signed_in(amira, northwind, expires_in=60, last_used_at=timezone.now())
    Token.objects.update(signed_in_at=timezone.now() - timedelta(hours=10))
    assert due_tokens()
    moving.change_registry("token_url")(northwind, stranger.url)
    assert not due_tokens()


# Agreeing -------------------------------------------------------------------------------------------------------------


def page_of(alias: Alias) -> str:
    return reverse("integrations:confirm_address", args=[alias.hex])


def shown_on(client: Client, alias: Alias) -> str:
    return str(client.get(page_of(alias)).context["integration"].address_fingerprint)


def test_who_confirms_has_calls_go_to_the_new_address(
    amira: User, as_amira: Client, northwind: Alias, token: Token, stranger: HostileServer
) -> None:
    moved(northwind, stranger)
    answer = as_amira.post(page_of(northwind), {"shown": shown_on(as_amira, northwind)}, follow=True)
    assert "New address of Northwind CRM confirmed" in walks.words(answer)
    stranger.on("GET /api/contacts").always(json=[])
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/contacts").status_code == 200
    event = Event.objects.get(kind="address_confirmed")
    assert (event.whose, event.who) == (amira, amira)
    assert f"/api → {stranger.url}/api" in event.detail


@pytest.mark.slow
def test_what_was_left_is_agreed_to_no_longer(
    amira: User, as_amira: Client, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    moved(northwind, stranger)
    as_amira.post(page_of(northwind), {"shown": shown_on(as_amira, northwind)})
    HttpConnection.objects.update(connection_url=f"{server.url}/api")
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")


def test_what_was_not_shown_is_not_confirmed(
    amira: User, as_amira: Client, northwind: Alias, token: Token, stranger: HostileServer
) -> None:
    HttpConnection.objects.update(connection_url="https://harmless.example/api")
    fingerprint = shown_on(as_amira, northwind)
    moved(northwind, stranger)
    answer = as_amira.post(page_of(northwind), {"shown": fingerprint}, follow=True)
    assert "has moved again" in walks.words(answer)
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")


@pytest.mark.slow
def test_nobody_confirms_for_another(
    amira: User, bob: User, as_amira: Client, northwind: Alias, token: Token, stranger: HostileServer
) -> None:
    cast.signed_in(bob, northwind)
    moved(northwind, stranger)
    as_amira.post(page_of(northwind), {"shown": shown_on(as_amira, northwind)})
    assert PersonalAuthAPI(amira).is_token_valid("northwind")
    assert not PersonalAuthAPI(bob).is_token_valid("northwind")


def test_the_card_says_who_moved_it_where_and_since_when(
    amira: User, as_amira: Client, admin: User, northwind: Alias, token: Token, stranger: HostileServer
) -> None:
    admin.first_name, admin.last_name = "Mei", "Tanaka"
    admin.save()
    with log.attributed_to(admin, "192.0.2.1"):
        moved(northwind, stranger)
    dashboard = walks.words(as_amira.get("/integrations/"))
    assert walks.state_on(dashboard) == "address_changed"
    for words in ("Moved to another address.", "Mei Tanaka", stranger.url, "Confirm the new address"):
        assert words in dashboard
    dialog = re.sub("</?b>", "", walks.words(as_amira.get(page_of(northwind))))  # the part that differs is bold
    for words in ("Changed by", "Mei Tanaka", stranger.url, "Where calls go", "Sign in again", "Revoke"):
        assert words in dialog


@pytest.mark.slow
def test_signing_in_again_is_a_yes_to_the_addresses_of_that_moment(
    amira: User, as_amira: Client, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    moved(northwind, stranger)
    walks.grants(server, 2)
    walks.sign_in(as_amira, northwind)
    stranger.on("GET /api/contacts").always(json=[])
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/contacts").status_code == 200


@pytest.mark.slow
def test_what_changes_while_somebody_signs_in_was_not_agreed_to(
    amira: User, as_amira: Client, northwind: Alias, server: HostileServer, stranger: HostileServer
) -> None:
    state = walks.begin(as_amira, northwind)
    moved(northwind, stranger)
    moving.change_registry("userinfo_url")(northwind, stranger.url)
    walks.grants(server)
    walks.come_back(as_amira, northwind, state)
    assert Token.objects.exists()
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")
    assert stranger.calls == []


# Revoking -------------------------------------------------------------------------------------------------------------


def test_revoking_tells_the_server_that_the_person_agreed_to(
    amira: User, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    for name in ("token_revocation_url", "token_introspection_url", "userinfo_url", "token_url", "refresh_url"):
        moving.change_registry(name)(northwind, stranger.url)
    server.on(revoking.TOLD).always()
    revoking.deliver(revoking.promised(amira, northwind))
    assert revoking.REFRESH in revoking.tokens_of(server.calls_to(revoking.TOLD))
    assert stranger.calls == []


def test_trying_again_does_not_take_the_token_to_another_server(
    amira: User, northwind: Alias, token: Token, server: HostileServer, stranger: HostileServer
) -> None:
    server.on(revoking.TOLD).answer(status=503)
    revocation = revoking.deliver(revoking.promised(amira, northwind))
    for name in ("token_revocation_url", "token_introspection_url", "userinfo_url", "refresh_url"):
        moving.change_registry(name)(northwind, stranger.url)
    server.on(revoking.TOLD).always()
    authorization.retry_revocation(amira, northwind)
    revoking.deliver(revocation)
    assert len(server.calls_to(revoking.TOLD)) > 1
    assert stranger.calls == []


# The system's own -----------------------------------------------------------------------------------------------------


def test_the_systems_token_stays_too_until_who_may_move_it_agrees(
    server: HostileServer, stranger: HostileServer
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), integration_type="system")
    token = Token.objects.create(
        credential=walks.credential_of(alias), integration_type="system", access_token="CANARY-access-1"
    )
    moving.change_connection_url(alias, stranger.url)
    connection = HttpConnection.objects.get()
    with pytest.raises(NoUsableToken) as refusal:
        calls.send(None, connection, "GET", "/contacts")
    assert (refusal.value.code, stranger.calls) == ("address_changed", [])
    authorization.confirm_for_system(token.credential.registry)
    stranger.on("GET /api/contacts").always(json=[])
    assert calls.send(None, connection, "GET", "/contacts").status_code == 200


# What is stored -------------------------------------------------------------------------------------------------------


def test_a_sign_in_remembers_the_addresses_it_began_with(
    as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    walks.begin(as_amira, northwind)
    agreed: dict[str, Any] = AuthorizationAttempt.objects.get().agreed
    assert agreed["connections"] == [f"{server.url}/api"]
    assert agreed["token_url"] == f"{server.url}/token"


def test_no_api_key_of_the_headers_is_kept_in_a_second_place(amira: User, northwind: Alias) -> None:
    ApplicationRegistry.objects.update(call_headers={"X-Api-Key": "CANARY-key"})
    token = cast.signed_in(amira, northwind)
    assert "CANARY-key" not in str(token.agreed)
