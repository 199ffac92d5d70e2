"""What was granted to one row is not for another one that gets its name later."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.log import Event, Kind
from accounts.models import User
from accounts.oauth_server.models import Application, Approval, DeviceAuthorization
from integrations.models import Alias
from tests import cast, walks
from tests.accounts import programs, proofs
from tests.accounts.programs import granted, program, refresh
from tests.accounts.tokens import caller, make_token
from tests.conftest import client_of, undone
from tests.integrations.mcp.agents import Agent
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SCOPE = "tokens:read service:northwind"
PATH = "/api/v1/integrations/northwind/token/"
Call = Callable[..., Any]  # takes the address to call


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    server.on("GET /api/contacts").always(json=[])
    alias = walks.northwind(server)
    alias.agent_calls, alias.allow_token_export = "read", True
    alias.save()
    cast.signed_in(amira, alias)
    program(allowed_scopes=f"{SCOPE} service:northwind_2")
    return alias


def made_again(server: HostileServer, amira: User) -> Alias:
    """Another service under the same name, at which the person signs in."""
    registry = cast.registry_at(server.url, name="Payroll")
    alias = cast.integration_at(registry, name="payroll")
    alias.name, alias.agent_calls, alias.allow_token_export = "northwind", "read", True
    alias.save()
    cast.signed_in(amira, alias)
    return alias


# Ways to act as a person. Each returns a call that tells the status code.


def access_token(amira: User) -> Call:
    tokens = granted(client_of(amira), scope=SCOPE)
    return lambda path=PATH: caller(tokens["access_token"]).get(path)


def refreshed(amira: User) -> Call:
    tokens = granted(client_of(amira), scope=SCOPE)

    def call(path: str = PATH) -> Any:
        answer = refresh(tokens["refresh_token"])
        assert answer.status_code == 200, answer.content
        return caller(answer.json()["access_token"]).get(path)

    return call


def code(amira: User) -> Call:
    parameters = programs.ask(client_of(amira), scope=SCOPE)
    return lambda path=PATH: caller(programs.exchange(parameters["code"]).json()["access_token"]).get(path)


def permanent_token(amira: User) -> Call:
    _row, secret = make_token(amira, *SCOPE.split())
    return lambda path=PATH: caller(secret).get(path)


def token_of_an_administrator(amira: User) -> Call:
    maker = User.objects.create_superuser("root", "root@hub.example", cast.PASSWORD)
    _row, secret = make_token(amira, *SCOPE.split(), by=maker)
    return lambda path=PATH: caller(secret).get(path)


def application_password(amira: User) -> Call:
    proofs.app_of(amira)
    _row, secret = operations.make_application_password(amira, name="Old tablet", scopes=SCOPE.split())
    header = "Basic " + base64.b64encode(f"amira:{secret}".encode()).decode()
    return lambda path=PATH: Client(headers={"Authorization": header}).get(path)


WAYS = [access_token, code, permanent_token, token_of_an_administrator, application_password, refreshed]


@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_had_a_deleted_integration_does_not_get_another_of_that_name(
    way: Callable[[User], Call], alias: Alias, amira: User, server: HostileServer
) -> None:
    call = way(amira)
    alias.delete()
    made_again(server, amira)
    answer = call()
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope"), answer.content


@pytest.mark.parametrize("way", WAYS)
def test_a_program_keeps_an_integration_that_is_renamed_and_gets_no_other_of_the_old_name(
    way: Callable[[User], Call], alias: Alias, amira: User, server: HostileServer
) -> None:
    call = way(amira)
    alias.name = "northwind_2"
    alias.save()
    made_again(server, amira)
    with undone():
        assert call(PATH.replace("northwind", "northwind_2")).status_code == 200
    answer = call()
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope"), answer.content


def test_two_integrations_that_exchange_their_names_keep_their_programs(
    alias: Alias, amira: User, server: HostileServer
) -> None:
    row, _secret = make_token(amira, *SCOPE.split())
    other = cast.integration_at(cast.registry_at(server.url, name="Payroll"), name="payroll")
    for renamed, name in ((alias, "spare"), (other, "northwind"), (alias, "payroll")):
        renamed.name = name
        renamed.save()
    row.refresh_from_db()
    assert set(row.scopes) == {"tokens:read", "service:payroll"}


def test_people_are_asked_again_about_an_integration_that_was_made_again(
    alias: Alias, amira: User, as_amira: Client, server: HostileServer
) -> None:
    programs.ask(as_amira, scope=SCOPE)
    assert as_amira.get(programs.authorize_url(scope=SCOPE)).status_code == 302
    alias.delete()
    assert Approval.objects.get().scopes == ["tokens:read"]
    made_again(server, amira)
    answer = as_amira.get(programs.authorize_url(scope=SCOPE))
    assert "error=invalid_scope" in answer["Location"]  # an administrator has to give it to the application first
    application = Application.objects.get()
    application.allowed_scopes = SCOPE
    application.save()
    assert as_amira.get(programs.authorize_url(scope=SCOPE)).status_code == 200


def test_the_audit_log_says_what_applications_lost(alias: Alias) -> None:
    alias.delete()
    event = Event.objects.get(kind=Kind.SET_UP_CHANGED, subject="OAuth Application Weekly digest")
    assert "service:northwind " not in event.changes[0]["new"]
    assert Application.objects.get().allowed_scopes == "tokens:read service:northwind_2"


def test_what_would_allow_nothing_is_not_kept(alias: Alias, amira: User) -> None:
    application = Application.objects.get()
    Approval.objects.create(user=amira, application=application, scopes=["service:northwind"])
    fields = {"device_code_hash": "1", "user_code_hash": "2", "expires_at": timezone.now() + timedelta(minutes=5)}
    DeviceAuthorization.objects.create(application=application, scopes=["service:northwind"], **fields)
    alias.delete()
    assert not Approval.objects.exists()
    assert not DeviceAuthorization.objects.exists()


def test_an_agent_does_not_see_another_integration_of_the_name(
    alias: Alias, amira: User, server: HostileServer
) -> None:
    agent = Agent(caller(make_token(amira, *SCOPE.split())[1]))
    assert [name for name in agent.tools() if "northwind" in name]
    alias.delete()
    made_again(server, amira)
    assert not [name for name in agent.tools() if "northwind" in name]


def test_scopes_left_from_before_are_not_for_a_new_integration(
    alias: Alias, amira: User, server: HostileServer
) -> None:
    row, secret = make_token(amira, *SCOPE.split())
    alias.delete()
    PermanentToken.objects.filter(pk=row.pk).update(scopes=SCOPE.split())  # by a parallel request, or an old release
    made_again(server, amira)
    assert caller(secret).get(PATH).status_code == 403


def test_names_that_only_begin_alike_are_other_names(alias: Alias, amira: User) -> None:
    cast.integration_at(walks.registry_of(alias), name="Northwind")
    row, _secret = make_token(amira, "service:northwind", "service:Northwind")
    alias.delete()
    row.refresh_from_db()
    assert row.scopes == ["service:Northwind"]


def test_administrators_read_how_many_programs_lose_an_integration(alias: Alias, amira: User, admin: User) -> None:
    address = reverse("admin:integrations_alias_delete", args=[alias.pk])
    assert "lose" not in client_of(admin).get(address).content.decode()
    make_token(amira, *SCOPE.split())
    programs.ask(client_of(amira), scope=SCOPE)
    page = client_of(admin).get(address).content.decode()
    assert "2 permanent tokens, application passwords and approvals of programs lose it" in page


@pytest.mark.django_db(transaction=True)
def test_an_alias_can_be_saved_outside_of_a_transaction(server: HostileServer) -> None:
    alias = walks.northwind(server)
    program(allowed_scopes="service:northwind")
    alias.name = "northwind_2"
    alias.save()
    assert Application.objects.get().allowed_scopes == "service:northwind_2"


def test_a_program_that_renews_while_an_integration_is_turned_off_keeps_it(alias: Alias, amira: User) -> None:
    tokens = granted(client_of(amira), scope=SCOPE)
    alias.active = False
    alias.save()
    renewed = refresh(tokens["refresh_token"]).json()
    assert caller(renewed["access_token"]).get(PATH).status_code == 404
    alias.active = True
    alias.save()
    assert caller(renewed["access_token"]).get(PATH).status_code == 200
    again = refresh(renewed["refresh_token"]).json()
    assert caller(again["access_token"]).get(PATH).status_code == 200


def test_a_program_that_may_not_have_an_integration_any_more_loses_it(alias: Alias, amira: User) -> None:
    call = refreshed(amira)
    Application.objects.update(allowed_scopes="tokens:read")  # without the end of its approvals
    assert call().status_code == 403
