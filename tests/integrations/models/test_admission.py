"""Who may use which integration is decided in one place: each rule refuses at every door, also one that was added."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from accounts.oauth_server.models import Application
from integrations import flows
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, admission
from integrations.models.admission import About, Rule
from integrations.models.flows import RunState
from integrations.personal_auth import FAIL, NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.accounts import programs, tokens
from tests.conftest import client_of, undone
from tests.integrations import flowing, tables
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SCOPES = (
    "integrations:read",
    "integrations:revoke",
    "tokens:read",
    "service:northwind",
    "subflows:run",
    "remote-tables:read",
)
REST = "/api/v1/integrations/"


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    server.on("GET /api/contacts").always(json=[])
    server.on(flowing.INCIDENTS).always(json={"result": tables.INCIDENTS})
    server.on(tables.ROWS).always(json={"result": tables.INCIDENTS})
    alias = walks.northwind(server)
    Alias.objects.filter(pk=alias.pk).update(allow_token_export=True)
    cast.signed_in(amira, alias)
    flowing.subflow_of(flowing.open_incidents(alias))
    tables.incidents(alias)
    return Alias.objects.get(pk=alias.pk)


@pytest.mark.parametrize(
    "model", [model for model in apps.get_app_config("integrations").get_models() if hasattr(model, "groups")], ids=str
)
def test_what_is_restricted_to_groups_is_for_their_members(model: Any, alias: Alias, amira: User, bob: User) -> None:
    row = model.objects.first() or model.objects.create(name="restricted")

    def allowed(user: User) -> bool:
        return bool(model.objects.filter(admission.in_a_group_of(model, user.pk), pk=row.pk).exists())

    assert allowed(amira)
    group = Group.objects.create(name="Sales")
    row.groups.add(group)
    amira.groups.add(group)
    assert (allowed(amira), allowed(bob)) == (True, False)


# The doors: each says whether the person got through to their integration.


def python(user: User) -> PersonalAuthAPI:
    return PersonalAuthAPI(User.objects.get(pk=user.pk))


def raises_not_authenticated(call: Callable[[], object]) -> bool:
    try:
        call()
    except NotAuthenticated as error:
        return error.code == "not_available"
    return False


def subflow_runs(user: User) -> bool:
    try:
        run = flows.run_subflow("my_open_incidents", user=User.objects.get(pk=user.pk), inputs={})
    except flows.NotAvailable:
        return False
    if run.status != RunState.SUCCEEDED:
        assert run.error_code in {"integration_not_available", "person_deactivated", "role_lost", "no_longer_allowed"}
    return run.status == RunState.SUCCEEDED


PYTHON: dict[str, Callable[[User], bool]] = {
    "get_initiator_url": lambda user: python(user).get_initiator_url("northwind") != "",
    "is_token_valid": lambda user: python(user).is_token_valid("northwind"),
    "get_token": lambda user: not raises_not_authenticated(lambda: python(user).get_token("northwind")),
    "request": lambda user: not raises_not_authenticated(lambda: python(user).request("northwind", "GET", "/contacts")),
    "stream": lambda user: (
        not raises_not_authenticated(lambda: python(user).stream("northwind", "GET", "/contacts", headers={}).close())
    ),
    "run_subflow": subflow_runs,
}
# What a person's browser is shown. Only what hides is looked at: a switch leaves the card there, turned off.
PAGES: dict[str, Callable[[Client, Alias], bool]] = {
    "dashboard": lambda client, _alias: b"c-northwind" in client.get("/integrations/").content,
    "details": lambda client, alias: client.get(f"/integrations/{alias.hex}/").status_code == 200,
    "remote table": lambda client, _alias: b"INC3" in client.get(tables.PAGE).content,
}


def starts(client: Client, alias: Alias) -> bool:
    """The browser is sent to the provider, not to our own page for signing in."""
    answer = walks.start(client, alias)
    return answer.status_code == 302 and answer["Location"].startswith("http")


def listed(client: Client) -> list[str]:
    answer = client.get(REST)
    return [each["state"] for each in answer.json()] if answer.status_code == 200 else []


CALLS: dict[str, Callable[[Client], bool]] = {
    "list": lambda client: listed(client) == ["connected"],
    "details": lambda client: client.get(f"{REST}northwind/").status_code == 200,
    "initiator-url": lambda client: client.get(f"{REST}northwind/initiator-url/").json().get("initiator_url", "") != "",
    "token": lambda client: client.get(f"{REST}northwind/token/").status_code == 200,
    "token by id": lambda client: client.get(f"{REST}{Alias.objects.get().hex}/token/").status_code == 200,
    "token-valid": lambda client: client.get(f"{REST}northwind/token-valid/").status_code == 200,
    "proxy": lambda client: client.get(f"{REST}northwind/proxy/contacts").status_code == 200,
    "subflow": lambda client: (
        client.post("/api/v1/subflows/my_open_incidents/runs/", {}, content_type="application/json")
        .json()
        .get("status")
        == "succeeded"
    ),
    "remote table": lambda client: client.get("/api/v1/remote-tables/incidents/rows/").status_code == 200,
}


@pytest.fixture(params=["OAuth token", "permanent token", "permanent token made by another"])
def program(request: pytest.FixtureRequest, alias: Alias, amira: User, admin: User, as_amira: Client) -> Client:
    if request.param == "OAuth token":
        programs.program()
        Application.objects.update(allowed_scopes=" ".join(SCOPES))
        bearer = programs.granted(as_amira, scope=" ".join(SCOPES))["access_token"]
    else:
        maker = amira if request.param == "permanent token" else admin
        _token, bearer = tokens.make_token(amira, *SCOPES, by=maker)
    return Client(headers={"Authorization": f"Bearer {bearer}"})


# The ways in which a rule comes to refuse.


def added(about: About, condition: Callable[[], Q]) -> Callable[[pytest.MonkeyPatch], None]:
    rule = Rule(code="curfew", about=about, condition=condition, title="Not at night", refusal="It is night.")
    return lambda patch: patch.setattr(admission, "RULES", [*admission.RULES, rule])


def by_rows(change: Callable[[], object]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda _patch: (change(), None)[1]


def amiras(change: Callable[[User], object]) -> Callable[[pytest.MonkeyPatch], None]:
    return by_rows(lambda: change(User.objects.get(username="amira")))


HIDING: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "deactivated": amiras(lambda amira: User.objects.filter(pk=amira.pk).update(is_active=False)),
    "no role": amiras(lambda amira: amira.groups.clear()),
    "not shared": by_rows(lambda: Alias.objects.get().groups.add(Group.objects.create(name="Finance"))),
    "an added rule about the person": added(About.PERSON, lambda: ~Q(username="amira")),
    "an added rule about the alias": added(About.ALIAS, lambda: ~Q(name="northwind")),
    "an added rule about the credential": added(About.CREDENTIAL, lambda: Q(profile__registry__name="Another")),
    "an added rule about person and alias": added(
        About.ALIAS, lambda: ~Q(Exists(User.objects.filter(pk=OuterRef("person_id"), username="amira")))
    ),
}
SWITCHES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "alias off": by_rows(lambda: Alias.objects.update(active=False)),
    "credential off": by_rows(lambda: OAuth2Credential.objects.update(active=False)),
    "registry off": by_rows(lambda: ApplicationRegistry.objects.update(active=False)),
}
REFUSALS = {**HIDING, **SWITCHES}


@contextmanager
def refused(refuse: Callable[[pytest.MonkeyPatch], None]) -> Iterator[None]:
    with undone(), pytest.MonkeyPatch.context() as patch:
        refuse(patch)
        yield


@pytest.mark.slow
def test_python_callers_are_refused(alias: Alias, amira: User, subtests: pytest.Subtests) -> None:
    assert {name: door(amira) for name, door in PYTHON.items()} == dict.fromkeys(PYTHON, True)
    for name, refuse in REFUSALS.items():
        with subtests.test(name), refused(refuse):
            assert {name: door(amira) for name, door in PYTHON.items()} == dict.fromkeys(PYTHON, False)
            assert python(amira).revoke_token("northwind").response_status == FAIL
    assert {name: door(amira) for name, door in PYTHON.items()} == dict.fromkeys(PYTHON, True)


@pytest.mark.slow
def test_programs_are_refused(program: Client, subtests: pytest.Subtests) -> None:
    assert {name: door(program) for name, door in CALLS.items()} == dict.fromkeys(CALLS, True)
    for name, refuse in REFUSALS.items():
        with subtests.test(name), refused(refuse):
            assert {name: door(program) for name, door in CALLS.items()} == dict.fromkeys(CALLS, False)
            assert program.post(f"{REST}northwind/revoke/").status_code in {401, 403, 404}
    assert {name: door(program) for name, door in CALLS.items()} == dict.fromkeys(CALLS, True)


@pytest.mark.slow
def test_pages_are_refused(alias: Alias, amira: User, subtests: pytest.Subtests) -> None:
    client = client_of(amira)
    assert {name: door(client, alias) for name, door in PAGES.items()} == dict.fromkeys(PAGES, True)
    assert starts(client, alias)
    for name, refuse in HIDING.items():
        with subtests.test(name), refused(refuse):
            assert {name: door(client, alias) for name, door in PAGES.items()} == dict.fromkeys(PAGES, False)
            assert not starts(client, alias)
    assert {name: door(client, alias) for name, door in PAGES.items()} == dict.fromkeys(PAGES, True)


@pytest.mark.slow
@pytest.mark.parametrize("refuse", SWITCHES.values(), ids=SWITCHES)
def test_what_is_turned_off_is_shown_so_to_whoever_signed_in(
    refuse: Callable[[pytest.MonkeyPatch], None], alias: Alias, amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(amira)
    refuse(monkeypatch)
    assert walks.cards(client.get("/integrations/").content.decode()) != {}
    assert b'data-state="disabled"' in client.get("/integrations/").content
    assert not PAGES["remote table"](client, alias)
    assert not starts(client, alias)


def test_what_the_system_calls_is_not_about_persons(alias: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who set a step up has chosen the alias for it; only its switches count."""
    Alias.objects.get().groups.add(Group.objects.create(name="Finance"))
    assert admission.filter_turned_on(Alias.objects.all()).exists()
    HttpConnection.objects.update(active=False)
    assert not admission.filter_turned_on(Alias.objects.all()).exists()


@pytest.mark.parametrize("refuse", REFUSALS.values(), ids=REFUSALS)
def test_the_rule_that_refuses_is_named(
    refuse: Callable[[pytest.MonkeyPatch], None],
    alias: Alias,
    amira: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    names = {
        each: each for each in ("deactivated", "no role", "not shared", "alias off", "credential off", "registry off")
    }
    assert all(passes for _rule, passes in admission.evaluate_rules(amira.pk, alias))
    refuse(monkeypatch)
    with django_assert_num_queries(1):
        refused = [rule.code for rule, passes in admission.evaluate_rules(amira.pk, alias) if not passes]
    expected_code = next(
        (name.replace(" ", "_") for name, each in REFUSALS.items() if each is refuse and name in names), "curfew"
    )
    assert refused == [expected_code]
