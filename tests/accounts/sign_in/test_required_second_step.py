"""Where two-step sign-in is required: who lacks it gets to its set-up and nowhere else, by no door."""

import base64
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from accounts.sign_in import mfa
from accounts.sign_in.models import TwoStepRequirement
from integrations import flows
from integrations.connections import authorization
from integrations.models import Alias
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.accounts import programs, proofs, tokens
from tests.conftest import client_of
from tests.integrations.flowing import open_incidents, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

SET_UP = "/accounts/2fa/"


@pytest.fixture
def group(db: None) -> Group:
    return Group.objects.create(name="Finance")


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    server.on("GET /api/contacts").always(json=[])
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    return alias


def require(group: Group | None) -> None:
    TwoStepRequirement.objects.create(group=group)


def leads_to(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers)
    return response.headers.get("Location") or response.headers.get("HX-Redirect") or str(response.status_code)


def test_a_member_without_it_is_led_to_set_it_up_and_gets_no_further(amira: User, group: Group) -> None:
    browser = client_of(amira)
    amira.groups.add(group)
    pages = ["/", "/integrations/", "/accounts/security/", "/accounts/security/tokens/new/", programs.authorize_url()]
    assert SET_UP not in {leads_to(browser, page) for page in pages}
    require(group)
    assert {leads_to(browser, page) for page in pages} == {SET_UP}
    assert browser.post("/accounts/security/tokens/new/", {"name": "x"})["Location"] == SET_UP
    assert leads_to(browser, "/integrations/", **{"HX-Request": "true"}) == SET_UP
    page = browser.get(SET_UP).content.decode()
    assert 'id="required"' in page
    assert browser.get("/api/v1/integrations/").status_code == 403
    assert browser.post("/accounts/logout/").status_code == 302


def test_after_setting_it_up_one_goes_on_where_one_was_going(amira: User, group: Group) -> None:
    amira.groups.add(group)
    require(group)
    browser = proofs.just_shown(client_of(amira), amira)
    assert leads_to(browser, "/integrations/?q=1") == SET_UP
    secret = browser.get("/accounts/2fa/totp/activate/").context["form"].secret
    browser.post("/accounts/2fa/totp/activate/", {"code": proofs.code(secret)})
    assert mfa.is_on(amira)
    page = browser.get(SET_UP).content.decode()
    assert 'id="go-on" href="/accounts/continue/"' in page
    assert leads_to(browser, "/accounts/continue/") == "/integrations/?q=1"
    assert 'id="required"' not in page
    assert leads_to(browser, "/integrations/") == "200"
    assert 'id="go-on"' not in browser.get(SET_UP).content.decode()
    Authenticator.objects.all().delete()
    assert leads_to(browser, "/integrations/") == SET_UP


@pytest.mark.slow
def test_continuing_with_a_sign_in_shows_its_start_page_first(amira: User, group: Group, northwind: Alias) -> None:
    amira.groups.add(group)
    require(group)
    browser = client_of(amira)
    browser.get(walks.start_url(northwind))
    proofs.app_of(amira)
    start = browser.get("/accounts/continue/", headers={"Sec-Fetch-Site": "same-origin"})["Location"]
    assert start == walks.start_url(northwind)
    assert leads_to(browser, start, **{"Sec-Fetch-Site": "same-origin"}) == "200"


def test_no_secret_of_an_address_is_stored_to_continue_with(
    amira: User, bob: User, admin: User, group: Group, northwind: Alias
) -> None:
    amira.groups.add(group)
    require(group)
    browser = client_of(amira)
    _link, secret = authorization.create_connect_link(bob, northwind, by=admin)
    assert leads_to(browser, f"/integrations/connect/{secret}/") == "/integrations/connect/"
    assert leads_to(browser, "/integrations/connect/") == SET_UP
    for path in ("/integrations/calendar/CANARY.ics", f"/oauth_redirect.do/{northwind.hex}?code=CANARY"):
        assert leads_to(browser, path) == SET_UP
    assert browser.session["led_away_from"] == "/integrations/connect/"


def test_it_concerns_members_and_staff_and_nobody_else(amira: User, bob: User, admin: User, group: Group) -> None:
    amira.groups.add(group)
    require(group)
    assert [mfa.is_missing(user) for user in (amira, bob, admin)] == [True, False, False]
    require(None)
    assert [mfa.is_missing(user) for user in (amira, bob, admin)] == [True, False, True]
    assert leads_to(client_of(admin), "/admin/") == SET_UP
    proofs.app_of(admin)
    assert leads_to(client_of(admin), "/admin/") == "200"
    for duplicate in (group, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            require(duplicate)


def basic(user: User, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user.username}:{password}".encode()).decode()}


@pytest.mark.slow
def test_programs_stop_until_then(amira: User, group: Group, northwind: Alias) -> None:
    programs.program(allowed_scopes="integrations:read service:northwind")
    _row, permanent = tokens.make_token(amira, "integrations:read", "service:northwind")
    browser = client_of(amira)
    granted = programs.granted(browser, scope="integrations:read service:northwind")
    code = programs.ask(browser, scope="integrations:read")["code"]
    amira.groups.add(group)
    calls = [f"{tokens.BASE}northwind/proxy/contacts", f"{tokens.BASE}northwind/token-valid/", tokens.BASE]
    for secret in (permanent, granted["access_token"]):
        assert [tokens.status(secret, call) for call in calls] == [200, 200, 200]
    assert programs.introspect(granted["access_token"]).status_code in {200, 403}
    require(group)
    for secret in (permanent, granted["access_token"]):
        assert [tokens.status(secret, call) for call in calls] == [403, 403, 403]
    answer = tokens.caller(permanent).get(tokens.BASE).json()
    assert answer["error_description"] == "Two-step sign-in is required of this user, who hasn't set it up yet."
    for response in (programs.exchange(code), programs.refresh(granted["refresh_token"])):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    proofs.app_of(amira)
    assert [tokens.status(permanent, call) for call in calls] == [200, 200, 200]
    _password, password = operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    assert Client(headers=basic(amira, password)).get(tokens.BASE).status_code == 200


def test_the_introspection_of_such_a_token_says_inactive(amira: User, group: Group) -> None:
    programs.program(may_introspect=True)
    granted = programs.granted(client_of(amira))
    both = ("access_token", "refresh_token")
    assert [programs.introspect(granted[name]).json()["active"] for name in both] == [True, True]
    amira.groups.add(group)
    require(group)
    assert [programs.introspect(granted[name]).json() for name in both] == [{"active": False}] * 2


def by_password(user: User, password: str = cast.PASSWORD) -> Any:
    return programs.token(grant_type="password", username=user.username, password=password)


def test_the_password_grant_follows(amira: User, group: Group) -> None:
    programs.program(authorization_grant_type="password", redirect_uris="", first_party=True)
    amira.groups.add(group)
    assert by_password(amira).status_code == 200
    require(group)
    refused, wrong = by_password(amira), by_password(amira, "wrong")
    assert (refused.status_code, refused.json()) == (wrong.status_code, wrong.json())
    proofs.app_of(amira)
    _row, password = operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    assert by_password(amira, password).status_code == 200


def test_what_runs_in_the_background_stops_too(amira: User, group: Group, northwind: Alias) -> None:
    subflow_of(open_incidents(northwind))
    run = flows.start_subflow("my_open_incidents", user=amira)
    amira.groups.add(group)
    require(group)
    flows.runs.perform_later(run.hex)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("cancelled", "no_second_step")
    with pytest.raises(flows.NotAvailable):
        flows.run_subflow("my_open_incidents", user=amira)
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).get_token("northwind")


@pytest.mark.slow
def test_a_bot_in_such_a_group_works_with_its_permanent_token(admin: User, group: Group, server: HostileServer) -> None:
    bot = cast.bot("nightly")
    bot.groups.add(group)
    require(group)
    alias = walks.northwind(server)
    cast.signed_in(bot, alias)
    _row, secret = tokens.make_token(bot, "integrations:read", "service:northwind", by=admin)
    assert [tokens.status(secret), tokens.status(secret, f"{tokens.BASE}northwind/token-valid/")] == [200, 200]
    assert PermanentToken.objects.get().last_used_at


@pytest.mark.slow
def test_a_bot_works_also_if_the_person_who_made_its_token_has_not_set_it_up(group: Group) -> None:
    """Who makes a token for it is in all of its groups, and so is asked for a second step with it."""
    maker = tokens.permitted("maker", "accounts.change_user", "accounts.add_permanenttoken")
    bot = cast.bot("nightly")
    for user in (bot, maker):
        user.groups.add(group)
    _row, secret = tokens.make_token(bot, "integrations:read", "service:*", by=maker)
    _row, own = tokens.make_token(maker, "integrations:read")
    require(group)
    assert [tokens.status(each) for each in (secret, own)] == [200, 403]
    User.objects.filter(pk=bot.pk).update(is_superuser=True)  # above its maker
    assert tokens.status(secret) == 403


# Administrators -------------------------------------------------------------------------------------------------------


def group_form(group: Group, **fields: str) -> dict[str, str]:
    return {"name": group.name, **fields}


@pytest.mark.slow
def test_the_switch_is_on_the_group_and_in_the_audit_log(admin: User, group: Group) -> None:
    browser, address = client_of(admin), f"/admin/auth/group/{group.pk}/change/"
    assert "Requires two-step sign-in" in browser.get(address).content.decode()
    browser.post(address, group_form(group, requires_two_steps="on"))
    assert TwoStepRequirement.objects.get().group == group
    assert 'id="id_requires_two_steps" checked' in browser.get(address).content.decode()
    browser.post(address, group_form(group, requires_two_steps="on"))
    browser.post(address, group_form(group))
    assert not TwoStepRequirement.objects.exists()
    browser.post("/admin/accounts/twosteprequirement/add/", {"group": ""})
    assert TwoStepRequirement.objects.get().group is None
    events = Event.objects.filter(subject__startswith="Required two-step sign-in ").order_by("at")
    assert [event.kind for event in events] == ["set_up_added", "set_up_deleted", "set_up_added"]


@pytest.mark.slow
def test_a_weaker_administrator_decides_neither_about_staff_nor_about_other_groups(group: Group) -> None:
    names = ["add_twosteprequirement", "delete_twosteprequirement", "view_twosteprequirement"]
    weak = tokens.permitted("weak", *(f"accounts.{name}" for name in names), "auth.change_group")
    User.objects.filter(pk=weak.pk).update(is_staff=True)
    browser, add = client_of(weak), "/admin/accounts/twosteprequirement/add/"
    for chosen in ("", str(group.pk)):
        assert browser.post(add, {"group": chosen}).status_code == 200  # the form comes back with an error
    assert browser.post(f"/admin/auth/group/{group.pk}/change/", group_form(group)).status_code == 403
    assert not TwoStepRequirement.objects.exists()
    weak.groups.add(group)
    assert browser.post(add, {"group": str(group.pk)}).status_code == 302


@pytest.mark.slow
def test_the_list_of_people_says_who_lacks_it(admin: User, amira: User, bob: User, group: Group) -> None:
    for user in (amira, bob):
        user.groups.add(group)
    require(group)
    proofs.app_of(bob)
    browser, address = client_of(admin), "/admin/accounts/user/"
    assert browser.get(address).content.decode().count("Required, not set up</td>") == 1
    shown = {
        value: {user.username for user in browser.get(f"{address}?two_steps={value}").context["cl"].result_list}
        for value in ("on", "off", "missing")
    }
    assert shown == {"on": {"bob"}, "off": {"admin", "amira"}, "missing": {"amira"}}


def test_a_group_that_requires_it_can_be_deleted(admin: User) -> None:
    group = Group.objects.create(name="Support")
    TwoStepRequirement.objects.create(group=group)
    Group.objects.get(pk=group.pk).delete()
    assert not TwoStepRequirement.objects.exists()
    subjects = Event.objects.filter(kind="set_up_deleted").values_list("subject", flat=True)
    assert set(subjects) == {"group Support", "Required two-step sign-in Support"}
