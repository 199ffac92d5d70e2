"""Staff who may look at one kind of record: no link that the administration shows them is refused."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from integrations.models import ApplicationRegistry, RemoteTable, Token
from tests import cast
from tests.admin.test_single_permissions import MODELS, addresses_of, permission, rows, staff_with  # noqa: F401 - a fixture
from tests.conftest import client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]

LINK = re.compile(r'<a\b[^>]*\bhref="([^"]*)"')
SEEN_BY_ALL = ("integrations:providers", "integrations:all_records", "integrations:consent_expiries")


def links_of(client: Client, address: str) -> set[str]:
    """Addresses of this site that the page links to; none if it doesn't open."""
    response = client.get(address)
    if response.status_code != 200 or "html" not in response.headers["Content-Type"]:
        return set()
    links = {urljoin(address, unescape(link)) for link in LINK.findall(response.content.decode())}
    return {link.partition("#")[0] for link in links if not urlsplit(link).scheme and "/logout" not in link}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_link_is_refused_to_who_may_only_look(rows: None, model: type[Model]) -> None:  # noqa: F811
    client = staff_with(permission(model, "view"))
    refused = []
    asked: dict[str, int] = {}
    for page in [*map(reverse, SEEN_BY_ALL), *addresses_of(model)]:
        for link in links_of(client, page):
            if link not in asked:
                asked[link] = client.get(link).status_code
            if asked[link] >= 400:
                refused.append(f"{page} links to {link}: {asked[link]}")
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize("action", ["view", "change"])
def test_who_may_open_the_sign_ins_that_end_is_shown_the_way(rows: None, action: str) -> None:  # noqa: F811
    client = staff_with(permission(Token, action), permission(ApplicationRegistry, "view"))
    address = reverse("integrations:consent_expiries")
    assert client.get(address).status_code == 200
    for page in ("integrations:providers", "integrations:all_records"):
        assert address in links_of(client, reverse(page)), page


def test_tables_lead_to_the_administration_only_for_staff(db: None) -> None:
    somebody = cast.person("somebody")
    somebody.user_permissions.add(permission(RemoteTable, "add"))
    page = "/remote-tables/"
    assert reverse("admin:integrations_remotetable_add") not in links_of(client_of(somebody), page)
    User.objects.filter(pk=somebody.pk).update(is_staff=True)
    somebody.refresh_from_db()
    assert reverse("admin:integrations_remotetable_add") in links_of(client_of(somebody), page)


def test_a_page_that_is_refused_asks_for_no_role_that_would_not_open_it(rows: None) -> None:  # noqa: F811
    """The role for people's pages opens nothing here."""
    page = staff_with(permission(Token, "view")).get(reverse("integrations:add_provider"))
    assert page.status_code == 403
    assert "permission to open it" in page.content.decode()
    assert "Personal Auth User" not in page.content.decode()
