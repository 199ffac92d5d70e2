"""The activity page: a user's events, by page and by kind."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.security_pages import views
from tests import cast
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

PAGE = "/accounts/security/activity/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def few_on_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 2)


def happened(user: User, *names: str, kind: str = Kind.TOKEN_CREATED) -> None:
    for name in names:
        log.write(kind, whose=user, who=user, subject=name)


def details_on(response: Any) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<span class="sub"><bdi>([^<]*)</bdi>', response.content.decode())


def test_everything_is_there_page_by_page_the_newest_first(as_amira: Client, amira: User) -> None:
    happened(amira, "one", "two", "three", "four", "five")
    first = as_amira.get(PAGE)
    assert details_on(first) == ["five", "four"]
    assert "1–2 of 5" in first.content.decode()
    assert 'href="/accounts/security/activity/?page=2"' in first.content.decode()
    assert details_on(as_amira.get(f"{PAGE}?page=3")) == ["one"]


@pytest.mark.parametrize("number", ["99", "0", "x", ""])
def test_a_page_that_is_not_there_shows_one_that_is(number: str, as_amira: Client, amira: User) -> None:
    happened(amira, "one", "two", "three")
    assert details_on(as_amira.get(f"{PAGE}?page={number}"))


def test_one_kind_is_shown_alone_and_stays_chosen_on_the_next_page(as_amira: Client, amira: User) -> None:
    happened(amira, "one", "two", "three")
    happened(amira, "laptop", kind=Kind.TOKEN_DELETED)
    page = as_amira.get(f"{PAGE}?kind=token_created")
    assert details_on(page) == ["three", "two"]
    assert "?kind=token_created&amp;page=2" in page.content.decode()
    assert '<option value="token_deleted">Deleted a permanent token (1)</option>' in page.content.decode()
    assert '<option value="token_created" selected>' in page.content.decode()
    assert "approved" not in page.content.decode()  # what never happened is not offered
    assert details_on(as_amira.get(f"{PAGE}?kind=nonsense")) == ["laptop", "three"]


def test_nobody_elses_lines_are_there(as_amira: Client, amira: User) -> None:
    happened(cast.person("bob"), "of bob")
    happened(amira, "of amira")
    assert details_on(as_amira.get(PAGE)) == ["of amira"]


def test_an_administrator_reads_anothers_and_each_look_is_in_it(amira: User) -> None:
    helper = cast.person("helper")
    address = f"/accounts/users/{amira.pk}/security/activity/"
    happened(amira, "of amira")
    assert client_of(helper).get(address).status_code == 403
    helper.user_permissions.set(Permission.objects.filter(codename="change_user"))
    page = client_of(User.objects.get(pk=helper.pk)).get(address)
    assert "Activity of amira" in page.content.decode()
    assert "An administrator opened the Account Security page" in page.content.decode()
    assert [event.who for event in log.events_of(amira, Kind.LOOKED_AT)] == [helper]


def test_htmx_gets_what_changes_alone_and_the_count_to_be_read_out(as_amira: Client, amira: User) -> None:
    happened(amira, "one", "two", "three")
    page = as_amira.get(f"{PAGE}?page=2", headers=HTMX)
    assert b"<html" not in page.content
    assert b'id="security"' in page.content
    assert b'id="status" hx-swap-oob="innerHTML">3' in page.content
    assert "no-store" in page["Cache-Control"]


def test_it_costs_as_many_queries_for_many_lines(
    as_amira: Client, amira: User, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 25)
    as_amira.get(PAGE)
    happened(amira, *map(str, range(60)))
    with django_assert_num_queries(6):  # session, person, their rights (2), how often each kind, this page's lines
        as_amira.get(PAGE)


def test_account_security_leads_there_and_no_line_has_an_empty_place(as_amira: Client, amira: User) -> None:
    happened(amira, "one")
    page = as_amira.get("/accounts/security/").content.decode()
    assert f'href="{PAGE}"' in page
    assert '<td data-l="From">–</td>' in page
    assert '<td data-l="From"></td>' not in page
    of_amira = f"/accounts/users/{amira.pk}/security/"
    as_root = client_of(cast.person("root", is_superuser=True))
    assert f'href="{of_amira}activity/"' in as_root.get(of_amira).content.decode()
