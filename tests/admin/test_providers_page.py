"""The start page of the administration: problems first, and to each member of staff only what they may see."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.oauth_server.models import Application, Standing
from integrations.models import Alias, ApplicationRegistry, Reminder, Revocation, Token
from integrations.models.heartbeats import Heartbeat
from tests import canaries, cast
from tests.admin.forms import Page, opened
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

PAGE = "/admin/"
LONG_AGO = timezone.now() - timedelta(days=30)


@pytest.fixture
def refused(northwind: Alias, token: Token) -> ApplicationRegistry:
    registry = ApplicationRegistry.objects.get()
    ApplicationRegistry.objects.update(
        misconfigured_code="invalid_client",
        misconfigured_use="tokens",
        misconfigured_at=timezone.now(),
        misconfigured_reason="Expired <yesterday>",
    )
    return registry


def staff_with(*codenames: str) -> Client:
    staff = cast.person("staff", role=False, is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client_of(staff)


def ids(client: Client, path: str = PAGE) -> list[str]:
    return re.findall(r' id="([^"]+)"', client.get(path).content.decode())


def href_of(client: Client, element: str, path: str = PAGE) -> str:
    found = re.search(rf'id="{element}" href="([^"]*)"', client.get(path).content.decode())
    assert found
    return unescape(found[1])


def text_of(client: Client, path: str = PAGE) -> str:
    return " ".join(opened(client, path).text.split())


def test_the_administration_starts_with_what_is_wrong(refused: ApplicationRegistry, as_admin: Client) -> None:
    text = text_of(as_admin)
    assert "1 thing needs an administrator" in text
    assert "1 person stays signed in" in text
    assert "invalid_client: Expired <yesterday>" in text
    assert (
        href_of(as_admin, f"fix-{refused.hex}")
        == f"/admin/integrations/applicationregistry/{refused.pk}/change/#id_client_secret"
    )
    assert text.index("needs an administrator") < text.index("All providers")


def test_no_secret_is_on_it(refused: ApplicationRegistry, as_admin: Client) -> None:
    content = as_admin.get(PAGE).content
    for secret in ("CANARY-access-1", "CANARY-refresh-1", "CANARY-client-secret"):
        assert not canaries.finds(secret, content)


def test_one_may_look_who_may_change_nothing(refused: ApplicationRegistry, as_onlooker: Client) -> None:
    assert "Sign-ins and renewals have failed" in text_of(as_onlooker)
    assert f"problem-{refused.hex}" in ids(as_onlooker)
    assert f"fix-{refused.hex}" not in ids(as_onlooker)


def test_staff_see_only_what_they_may(northwind: Alias) -> None:
    Alias.objects.create(name="lonely", label="Lonely")
    client = staff_with("view_applicationregistry")
    text = text_of(client)
    assert "Northwind" in text
    assert "lonely" not in text.lower()
    assert "northwind" not in text.replace("Northwind", "")
    assert not set(ids(client)) & {"nav-tokens", "nav-people", "nav-explain"}


def test_staff_who_may_see_no_provider_begin_with_their_records(northwind: Alias) -> None:
    client = staff_with("view_user")
    assert client.get(PAGE)["Location"] == "/admin/records/"
    text = text_of(client, "/admin/records/")
    assert "Users" in text
    assert "Application Registries" not in text


def test_djangos_lists_are_one_click_behind_with_servicenows_names(as_admin: Client) -> None:
    text = text_of(as_admin, href_of(as_admin, "nav-records"))
    for name in ("Application Registries", "OAuth Entity Profiles", "Connection & Credential Aliases"):
        assert name in text


def test_the_fields_of_a_search_appear_with_the_eighth_provider(as_admin: Client) -> None:
    for number in range(7):
        cast.integration_at(cast.registry_at(f"https://host{number}.example", name=f"P{number}"), name=f"p{number}")
    assert "q" not in ids(as_admin)
    cast.registry_at("https://host7.example", name="P7")
    assert "q" in ids(as_admin)
    rows = [name for name in ids(as_admin, f"{PAGE}?state=fix&q=host7") if name.startswith("provider-")]
    assert rows == [f"provider-{ApplicationRegistry.objects.get(name='P7').hex}"]
    assert "No provider matches “nothing”" in text_of(as_admin, f"{PAGE}?q=nothing")


def test_a_search_keeps_the_order_the_filter_and_all_problems(as_admin: Client) -> None:
    for number in range(8):
        cast.registry_at(f"https://host{number}.example", name=f"P{number}")
    page = as_admin.get(f"{PAGE}?sort=people&state=fix&problems=all").content.decode()
    form = re.search(r'<form class="search".*?</form>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', form[0] if form else "")
    assert dict(hidden) == {"state": "fix", "sort": "people", "problems": "all"}
    assert href_of(as_admin, "show-all", f"{PAGE}?sort=people&q=nothing") == "?sort=people"


@pytest.mark.parametrize(
    ("sort", "order"), [("name", "ascending"), ("state", "other"), ("people", "descending"), ("call", "descending")]
)
def test_the_order_of_the_list_is_on_its_column(sort: str, order: str, northwind: Alias, as_admin: Client) -> None:
    page = as_admin.get(f"{PAGE}?sort={sort}").content.decode()
    heads = re.findall(r'<th scope="col"(?: aria-sort="(\w+)")?><a class="sort" id="sort-(\w+)"', page)
    assert [head for head in heads if head[0]] == [(order, sort)]


def test_more_than_five_problems_are_cut_to_the_three_worst(as_admin: Client) -> None:
    for number in range(6):
        cast.registry_at(f"https://host{number}.example", name=f"P{number}")

    def count(path: str = PAGE) -> int:
        return sum(name.startswith("problem-") for name in ids(as_admin, path))

    assert count() == 3
    assert "Show all 6" in text_of(as_admin)
    assert count(PAGE + href_of(as_admin, "all-problems")) == 6


def test_a_silent_worker_is_said_with_what_waits(northwind: Alias, amira: User, as_admin: Client) -> None:
    assert "Beat has never run: no background work is started." in text_of(as_admin)
    cast.working_background()
    assert "Nothing is overdue." in text_of(as_admin)
    cast.signed_in(amira, northwind).delete()
    Revocation.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=5), claimed_until=None)
    assert "1 revocation has been due since" in text_of(as_admin)
    Heartbeat.objects.tasks().update(at=timezone.now() - timedelta(minutes=5))
    assert "No worker has finished a task for 5 minutes" in text_of(as_admin).replace("\xa0", " ")


def test_with_nothing_set_up_it_says_how_to_begin(as_admin: Client) -> None:
    assert "nothing-yet" in ids(as_admin)


# Programs that wait ---------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(db: None) -> None:
    """Programs of four hosts, one with two, that no administrator has allowed yet."""
    for number, host in enumerate(("a", "b", "c", "d", "a")):
        Application.objects.create(
            client_id=f"https://{host}.example/{number}.json",
            client_type="public",
            authorization_grant_type="authorization-code",
            registration_source="cimd",
            standing=Standing.WAITING,
        )


@pytest.mark.usefixtures("waiting")
def test_programs_that_wait_are_one_thing_with_a_link_to_where_they_are_allowed(as_admin: Client) -> None:
    text = text_of(as_admin)
    assert "1 thing needs an administrator" in text
    assert "People want to use 5 programs of hosts that aren’t allowed yet: a.example, b.example, c.example, …" in text
    listed = as_admin.get(href_of(as_admin, "fix-programs")).content.decode()
    assert listed.count('name="_selected_action"') == 5
    assert 'value="allow_selected"' in listed
    Application.objects.exclude(client_id="https://d.example/3.json").delete()
    assert "Somebody wants to use a program of d.example, a host that isn’t allowed yet" in text_of(as_admin)
    Application.objects.update(standing=Standing.BLOCKED)
    assert "problem-programs" not in ids(as_admin)


@pytest.mark.usefixtures("waiting")
def test_programs_that_wait_come_after_providers_that_do_not_work(
    refused: ApplicationRegistry, as_admin: Client
) -> None:
    assert [name for name in ids(as_admin) if name.startswith("problem-")] == [
        f"problem-{refused.hex}",
        "problem-programs",
    ]


@pytest.mark.usefixtures("waiting")
def test_only_who_may_see_applications_reads_of_them_and_only_who_may_change_them_gets_the_link() -> None:
    staff = staff_with("view_applicationregistry")
    assert "problem-programs" not in ids(staff)
    person = User.objects.get(username="staff")
    person.user_permissions.add(Permission.objects.get(codename="view_application"))
    assert "problem-programs" in ids(staff)
    assert "fix-programs" not in ids(staff)
    person.user_permissions.add(Permission.objects.get(codename="change_application"))
    assert "fix-programs" in ids(staff)


# Reminders ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def must_sign_in(amira: User, bob: User, northwind: Alias) -> ApplicationRegistry:
    """Two people must sign in again; one of them has no mail address."""
    for person in (amira, bob):
        cast.signed_in(person, northwind, state="needs_reauth", notice="needs_reauth", failed_at=LONG_AGO)
    User.objects.filter(pk=bob.pk).update(email="")
    return ApplicationRegistry.objects.get()


def remind(client: Client, registry: ApplicationRegistry) -> str:
    response = client.post(f"/admin/providers/{registry.hex}/remind/", follow=True)
    return " ".join(Page(response.content.decode()).text.split())


def test_it_says_how_many_get_a_mail_and_why_the_others_do_not(
    must_sign_in: ApplicationRegistry, as_admin: Client, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert "Remind 2 people" in text_of(as_admin)
    text = remind(as_admin, must_sign_in)
    assert "1 person gets an email. 1 person gets none: without an email address" in text
    assert [row.user.get_username() for row in Reminder.objects.all()] == ["amira"]
    assert "2 people get none" in remind(as_admin, must_sign_in)


def test_without_a_mail_server_it_says_that_nobody_gets_one(
    must_sign_in: ApplicationRegistry, as_admin: Client, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "No mail server is set up, so nobody can be mailed." in remind(as_admin, must_sign_in)
    assert not Reminder.objects.exists()


def test_nobody_is_reminded_of_what_would_fail(must_sign_in: ApplicationRegistry, as_admin: Client) -> None:
    ApplicationRegistry.objects.update(misconfigured_code="invalid_client", misconfigured_at=timezone.now())
    assert f"remind-{must_sign_in.hex}" not in ids(as_admin)
    assert "There is nobody to remind" in remind(as_admin, must_sign_in)
    assert not Reminder.objects.exists()


def test_who_may_not_change_registries_reminds_nobody(must_sign_in: ApplicationRegistry, as_onlooker: Client) -> None:
    assert f"remind-{must_sign_in.hex}" not in ids(as_onlooker)
    assert as_onlooker.post(f"/admin/providers/{must_sign_in.hex}/remind/").status_code == 403
    assert as_onlooker.get(f"/admin/providers/{must_sign_in.hex}/remind/").status_code == 405
    assert not Reminder.objects.exists()


# The end of a client secret -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "badge"), [(11, "In 11 days"), (1, "In 1 day"), (0, "Today"), (-1, "Expired")])
@pytest.mark.slow
def test_a_secret_that_ends_soon_is_a_problem_and_on_the_row(
    northwind: Alias, as_admin: Client, days: int, badge: str
) -> None:
    day = timezone.localdate() + timedelta(days=days)
    ApplicationRegistry.objects.update(client_secret_expires_on=day)
    registry, text = ApplicationRegistry.objects.get(), text_of(as_admin)
    said = f"Client Secret {'expired' if days < 0 else 'expires'} on {day.day} {day:%b %Y}"
    assert "1 thing needs an administrator" in text
    assert f"{badge} Its {said}" in text
    assert text.count(said) == 2
    assert "Ready" in text
    assert href_of(as_admin, f"fix-ending-{registry.hex}").endswith("/change/#id_client_secret")


def test_a_secret_that_ends_later_or_is_refused_already_is_no_problem_of_its_own(
    refused: ApplicationRegistry, as_admin: Client
) -> None:
    ApplicationRegistry.objects.update(client_secret_expires_on=timezone.localdate())
    assert f"problem-ending-{refused.hex}" not in ids(as_admin)
    ApplicationRegistry.objects.update(
        misconfigured_code="", client_secret_expires_on=timezone.localdate() + timedelta(days=31)
    )
    assert f"problem-ending-{refused.hex}" not in ids(as_admin)
    ApplicationRegistry.objects.update(client_secret_expires_on=timezone.localdate() + timedelta(days=30))
    assert f"problem-ending-{refused.hex}" in ids(as_admin)
