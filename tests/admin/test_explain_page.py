"""Explain access as a page and in a terminal: for whom, in which words; looking changes nothing."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access_tokens import operations
from accounts.models import User
from integrations.models import Alias, ApplicationRegistry
from integrations.provider_setup.explain_access import explain
from tests import canaries, cast
from tests.accounts import programs
from tests.accounts.tokens import make_token
from tests.admin.explaining import (
    ARRANGEMENTS,
    COMPLETE,
    PAGE,
    REFUSALS,
    connected,
    page_text,
    role,
    run_command,
)
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return connected(server, amira)


# The page -------------------------------------------------------------------------------------------------------------


def test_what_is_allowed_says_yes_and_as_whom(alias: Alias, as_admin: Client) -> None:
    text = page_text(as_admin)
    assert "Yes. Amira Haddad may use Northwind CRM, and nothing is known that would stop a call now." in text
    assert "It would run there as amira@northwind.example." in text
    assert "No group is named, so everyone with the role may use it." in text
    assert "Not asked" not in text


def test_one_may_look_who_may_change_nothing(alias: Alias, as_onlooker: Client) -> None:
    assert "may use Northwind CRM" in page_text(as_onlooker)
    assert b"/admin/explain-access/" in as_onlooker.get("/admin/").content


def test_it_takes_permission_to_see_people_and_aliases(alias: Alias) -> None:
    staff = cast.person("staff", is_staff=True)
    for codenames, status in [
        ([], 403),
        (["view_user"], 403),
        (["view_alias"], 403),
        (["view_user", "view_alias"], 200),
        (["change_user", "change_alias"], 200),
    ]:
        staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = client_of(staff)
        assert client.get(PAGE, {"person": "amira", "integration": "northwind"}).status_code == status
        assert (b"explain-access" in client.get("/admin/", follow=True).content) == (status == 200)
    assert client_of(User.objects.get(username="amira")).get(PAGE).status_code == 302


def test_who_may_see_no_more_gets_no_more(alias: Alias) -> None:
    """Neither the account at the provider, which is in the list of tokens, nor links that would be refused."""
    REFUSALS["registry_off"][0]()
    staff = cast.person("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_alias"]))
    assert "Registry: Northwind (you may not open it)" in page_text(client_of(staff))
    ApplicationRegistry.objects.update(active=True)
    assert "amira@northwind.example" not in page_text(client_of(staff))


@pytest.mark.parametrize("person", ["amira", " amira ", "AMIRA", "amira@hub.example", "Amira  Haddad", "amira haddad"])
def test_people_are_found_by_what_they_are_called(person: str, alias: Alias, as_admin: Client) -> None:
    assert "Amira Haddad may use" in page_text(as_admin, person)


def test_integrations_are_found_by_what_they_are_called(alias: Alias, as_admin: Client) -> None:
    for name in ("northwind", "Northwind CRM", "northwind crm", alias.hex, str(alias.pk)):
        assert "may use Northwind CRM" in page_text(as_admin, integration=name)


def test_several_of_one_name_are_a_choice(alias: Alias, amira: User, as_admin: Client) -> None:
    cast.person("amira2", first_name="Amira", last_name="Haddad")
    cast.integration_at(ApplicationRegistry.objects.get(), name="northwind2")
    text = page_text(as_admin, "Amira Haddad", "Northwind CRM")
    assert "Several people have this name: Amira Haddad (amira) , Amira Haddad (amira2)" in text
    assert "Several integrations have this name: Northwind CRM (northwind) , Northwind CRM (northwind2)" in text
    assert run_command("Amira Haddad") == (2, "Several are called “Amira Haddad”: amira, amira2.")
    page = as_admin.get(PAGE, {"person": "Amira Haddad", "integration": "northwind"}).content.decode()
    (link, _other) = re.findall(r'href="(\?person=[^"]*)"', page)
    assert "Amira Haddad may use" in as_admin.get(PAGE + unescape(link)).content.decode()


def test_who_is_not_here_is_said_so_with_whoever_is_meant(alias: Alias, as_admin: Client) -> None:
    for number in range(5):
        cast.person(f"amirah{number}", first_name="Amira", last_name="Hadad")
    text = page_text(as_admin, "amira hadat", "northwnd")
    assert "Nobody here is called “amira hadat”." in text
    assert text.count("Amira Had") == 3
    assert "No integration here is called “northwnd”. Did you mean: Northwind CRM" in text
    assert "Did you mean" not in page_text(as_admin, "Zebulon", "Q")
    assert run_command("Zebulon") == (2, "Nobody here is called “Zebulon”.")
    assert run_command(alias="northwnd") == (2, "No integration here is called “northwnd”. Did you mean northwind?")


def test_what_is_typed_is_text(alias: Alias, as_admin: Client) -> None:
    content = as_admin.get(PAGE, {"person": "<b>&'\"", "integration": "<i>%s%(x)s"}).content
    assert b"<b>&" not in content
    assert b"<i>" not in content
    assert "Choose a person and an integration." in page_text(as_admin, "", " ")


def test_the_pages_of_a_person_and_an_alias_lead_there(alias: Alias, amira: User, as_admin: Client) -> None:
    for row, address in [
        (f"accounts/user/{amira.pk}", "?person=amira"),
        (f"integrations/alias/{alias.pk}", "?integration=northwind"),
    ]:
        assert f'href="{PAGE}{address}"' in as_admin.get(f"/admin/{row}/change/").content.decode()
        assert as_admin.get(f"{PAGE}{address}").status_code == 200


# The terminal ---------------------------------------------------------------------------------------------------------


def test_the_command_says_the_same_as_text(alias: Alias) -> None:
    code, text = run_command()
    assert code == 0
    assert text.splitlines()[0].startswith("Yes. Amira Haddad may use Northwind CRM")
    assert re.search(r"^ \d. Yes        Is in a group that may use it$", text, re.MULTILINE)
    REFUSALS["not_shared"][0]()
    code, text = run_command()
    assert code == 1
    assert re.search(r"Rule \d says no: Only these groups may use it: Finance\.", text)
    assert re.search(r"^ ?\d+. Not asked  Has signed in at Northwind CRM$", text, re.MULTILINE)
    assert "Programs that call as Amira Haddad get 404 not_found." in text.splitlines()
    assert f"(/admin/integrations/alias/{alias.pk}/change/)" in text
    assert "<" not in text


# Looking --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrange", [*ARRANGEMENTS.values(), lambda: None], ids=[*ARRANGEMENTS, "allowed"])
def test_looking_changes_nothing_calls_nobody_and_shows_no_secret(
    arrange: Callable[[], object], alias: Alias, server: HostileServer, as_admin: Client
) -> None:
    arrange()
    as_admin.get("/admin/")
    before, calls = sorted(canaries.database()), len(server.calls)
    content = as_admin.get(PAGE, {"person": "amira", "integration": "northwind"}).content
    _code, text = run_command()
    assert sorted(canaries.database()) == before
    assert len(server.calls) == calls
    for secret in ("CANARY-access-1", "CANARY-refresh-1", "CANARY-client-secret", "CANARY-header"):
        assert not canaries.finds(secret, content)
        assert not canaries.finds(secret, text)


def test_the_number_of_queries_does_not_grow(alias: Alias, amira: User) -> None:
    amira = User.objects.get(pk=amira.pk)

    def queries() -> int:
        complete = COMPLETE().get(name="northwind")
        with CaptureQueriesContext(
            connection,
        ) as captured:
            explain(User.objects.get(pk=amira.pk), complete)
        return len(captured)

    few = queries()
    for number in range(5):
        group = Group.objects.create(name=f"Group {number}")
        amira.groups.add(group)
        group.permissions.add(role())
        other = cast.integration_at(ApplicationRegistry.objects.get(), name=f"other{number}")
        cast.signed_in(amira, other)
    assert queries() == few


def test_programs_that_act_as_the_person_there_are_named(alias: Alias, amira: User, as_admin: Client) -> None:
    make_token(amira, "service:northwind", name="nightly-report")
    make_token(amira, "service:*", name="everything")
    make_token(amira, "integrations:read", name="list-only")
    over, _secret = make_token(amira, "service:northwind", name="over")
    operations.end_secret(over, who=amira)
    programs.program(name="Desk Assistant", allowed_scopes="service:northwind")
    programs.granted(client_of(amira), scope="service:northwind")
    text = page_text(as_admin)
    named = text.partition("Who else may act as Amira Haddad there")[2].partition("The person can end them")[0]
    assert named.split("Token")[1:] == [" “everything” ", " “nightly-report” Desk Assistant "]
    staff = cast.person("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_alias"]))
    assert "Who else may act" not in page_text(client_of(staff))
    REFUSALS["registry_off"][0]()
    assert "Who else may act" not in page_text(as_admin)


def test_the_text_to_copy_is_that_of_the_terminal(alias: Alias, as_admin: Client) -> None:
    page = as_admin.get(PAGE, {"person": "amira", "integration": "northwind"}).content.decode()
    text = unescape(page.partition('<pre id="as-text">')[2].partition("</pre>")[0])
    assert text.splitlines()[0].startswith("Yes. Amira Haddad may use Northwind CRM")
    assert (0, f"{text}\n") == run_command("amira")


def options(client: Client, **query: str) -> list[tuple[str, str]]:
    page = client.get(PAGE, query, headers={"HX-Request": "true"}).content.decode()
    return re.findall(r'<option value="([^"]*)">([^<]*)</option>', page)


def test_people_and_integrations_are_suggested_while_one_types(alias: Alias, amira: User, as_admin: Client) -> None:
    cast.person("amir", first_name="<Amir>")
    assert [name for name, _ in options(as_admin, person="ami")] == ["amir", "amira"]
    [(name, words)] = options(as_admin, person="had ami")
    assert (name, words) == ("amira", f"Amira Haddad {amira.email}")
    assert options(as_admin, person="amir hub")[0] == ("amir", "&lt;Amir&gt; amir@hub.example")
    assert options(as_admin, integration=alias.title[:4].upper()) == [(alias.name, alias.title)]
    assert options(as_admin, person=" ") == options(as_admin, integration="%") == []


def test_of_many_the_first_are_suggested_with_one_query(as_admin: Client, alias: Alias) -> None:
    for number in range(30):
        cast.person(f"person{number:02}")
    with CaptureQueriesContext(connection) as queries:
        assert len(options(as_admin, person="person")) == 20
    assert sum("icontains" in query["sql"] or "LIKE" in query["sql"] for query in queries) == 1


def test_suggestions_take_the_permission_that_the_page_takes(alias: Alias) -> None:
    clerk = cast.person("clerk", is_staff=True)
    response = client_of(clerk).get(PAGE, {"person": "a"}, headers={"HX-Request": "true"})
    assert response.status_code == 403
