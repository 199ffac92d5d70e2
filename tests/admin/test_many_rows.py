"""Admin pages of large tables: choices are completed, counts end early, and no page asks once for each row."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from integrations.admin import base, many_rows, tokens
from integrations.models import Alias, OAuth2Credential, Token
from tests import cast, walks
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", "boss@hub.example", cast.PASSWORD))
    return client


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two choices are many, and three tokens."""
    for module in (base, many_rows, tokens):
        monkeypatch.setattr(module, "CHOICES_AT_MOST", 2)
    for module in (many_rows, tokens):
        monkeypatch.setattr(module, "COUNTED_AT_MOST", 3)


def fill(server: HostileServer, number: int, *, since: int = 0) -> None:
    registry = cast.registry_at(server.url, name=f"Provider {since}")
    for place in range(since, since + number):
        alias = cast.integration_at(registry, name=f"alias_{place}")
        cast.signed_in(User.objects.create(username=f"person {place}"), alias, account_label=f"account {place}")


def statements(admin: Client, name: str, *arguments: Any, **parameters: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = admin.get(reverse(f"admin:integrations_{name}", args=arguments), parameters)
    assert answer.status_code == 200
    return len(captured)


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_pages_cost_the_same_with_more_rows(server: HostileServer, admin: Client) -> None:
    fill(server, 5)
    credential = OAuth2Credential.objects.get(name="alias_0")
    pages: list[tuple[Any, ...]] = [
        ("token_changelist",),
        ("oauth2credential_changelist",),
        ("oauth2credential_change", credential.pk),
        ("oauth2credential_add",),
        ("alias_add",),
        ("alias_change", Alias.objects.get(name="alias_0").pk),
        ("connectlink_add",),
    ]
    before = [statements(admin, *page) for page in pages]
    fill(server, 10, since=5)
    assert [statements(admin, *page) for page in pages] == before


@pytest.mark.usefixtures("few")
@pytest.mark.slow
def test_forms_complete_one_of_many_instead_of_listing_all(server: HostileServer, admin: Client) -> None:
    fill(server, 4)
    alias = Alias.objects.get(name="alias_0")
    for name, *row in (("alias_add",), ("alias_change", alias.pk), ("oauth2credential_add",), ("connectlink_add",)):
        page = admin.get(reverse(f"admin:integrations_{name}", args=row)).content.decode()
        options = re.findall(r"<option(?![^>]*selected)[^>]*>(?:alias_\d|Provider 0)", page)
        assert "admin-autocomplete" in page
        assert not options, name
    proposed = admin.get(
        reverse("admin:autocomplete"),
        {"term": "alias_3", "app_label": "integrations", "model_name": "httpconnection", "field_name": "credential"},
    )
    assert [each["text"] for each in proposed.json()["results"]] == ["alias_3"]


@pytest.mark.usefixtures("few")
def test_many_tokens_are_not_all_counted_and_still_found(server: HostileServer, admin: Client) -> None:
    fill(server, 6)
    page = admin.get(reverse("admin:integrations_token_changelist")).content.decode()
    assert "3+ OAuth Tokens" in " ".join(page.split())
    found = admin.get(reverse("admin:integrations_token_changelist"), {"q": "person 4"}).context["cl"].result_list
    assert [token.user.username for token in found] == ["person 4"]
    by_credential = admin.get(reverse("admin:integrations_token_changelist"), {"credential_name": "alias_5"})
    assert [token.credential.name for token in by_credential.context["cl"].result_list] == ["alias_5"]


def test_few_tokens_are_counted_sorted_by_name_and_searched_by_account(server: HostileServer, admin: Client) -> None:
    fill(server, 2)
    answer = admin.get(reverse("admin:integrations_token_changelist"), {"q": "account 1"})
    assert [token.account_label for token in answer.context["cl"].result_list] == ["account 1"]
    assert "1 OAuth Token" in answer.content.decode()


def test_the_number_of_people_is_shown_for_each_credential(server: HostileServer, admin: Client) -> None:
    alias = walks.northwind(server)
    for number in range(3):
        cast.signed_in(User.objects.create(username=f"person {number}"), alias)
    Token.objects.filter(user__username="person 0").update(state="needs_reauth", failure_code="invalid_grant")
    page = admin.get(reverse("admin:integrations_oauth2credential_changelist")).content.decode()
    assert "2 people" in page
