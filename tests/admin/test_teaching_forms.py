"""Forms that teach: groups with a summary, JSON with the line of a mistake, groups to tick, filters that complete."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry
from integrations.models.registry.validation import JSON_FIELDS
from tests import cast
from tests.admin.forms import opened

pytestmark = pytest.mark.django_db


def registry_page(client: Client) -> str:
    registry = ApplicationRegistry.objects.get()
    return unescape(client.get(f"/admin/integrations/applicationregistry/{registry.pk}/change/").content.decode())


def summaries(content: str) -> dict[str, str]:
    pattern = r"<summary>\s*<h2[^>]*>(.*?)</h2>\s*<span class=\"fold-summary[^>]*>(.*?)</span>"
    return dict(re.findall(pattern, content, re.DOTALL))


def test_essentials_come_first_and_the_rest_is_folded_with_a_summary(
    registry: ApplicationRegistry, as_admin: Client
) -> None:
    ApplicationRegistry.objects.update(call_headers={"X-Key": "a"}, token_revocation_url="")
    content = registry_page(as_admin)
    folded = summaries(content)
    assert folded["Revoking"].startswith("As usual:")
    assert folded["Calling"] == "Differs: Headers of calls"
    essentials = content.partition("<summary>")[0]
    for name in ("name", "token_url", "client_id", "client_secret"):
        assert f'name="{name}"' in essentials
    assert 'name="call_headers"' not in essentials


@pytest.mark.slow
def test_a_new_registry_is_as_usual(as_admin: Client, db: None) -> None:
    content = as_admin.get("/admin/integrations/applicationregistry/add/").content.decode()
    folded = summaries(unescape(content))
    assert len(folded) == 7
    assert all(words.startswith("As usual:") for words in folded.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_FIELDS)
def test_a_mistake_in_json_is_named_with_its_line_and_its_group_is_open(
    name: str, registry: ApplicationRegistry, as_admin: Client
) -> None:
    form = opened(as_admin, f"/admin/integrations/applicationregistry/{registry.pk}/change/")
    data: dict[str, Any] = {**form.fields, name: '{\n  "a": "b"\n  "c": "d"\n}'}
    response = as_admin.post(f"/admin/integrations/applicationregistry/{registry.pk}/change/", data)
    content = unescape(response.content.decode())
    assert "line 3, column 3" in content
    assert re.search(rf'name="{name}"[^>]*aria-invalid="true"', content)
    around = content.rpartition(f'name="{name}"')[0]
    assert around.count("<summary>") == around.count("</details>")


def test_few_groups_are_boxes_and_many_are_searched(northwind: Alias, as_admin: Client) -> None:
    address = f"/admin/integrations/alias/{northwind.pk}/change/"
    assert re.search(r'<input type="checkbox" name="groups"', as_admin.get(address).content.decode())
    Group.objects.bulk_create(Group(name=f"Group {number}") for number in range(12))
    content = as_admin.get(address).content.decode()
    assert not re.search(r'<input type="checkbox" name="groups"', content)
    assert "selectfilter" in content


def test_tokens_are_filtered_by_names_that_complete(northwind: Alias, amira: User, bob: User, as_admin: Client) -> None:
    other = cast.integration_at(cast.registry_at("https://other.example", name="Other & Sons"), name="other")
    cast.signed_in(amira, northwind)
    cast.signed_in(bob, other)
    page = as_admin.get("/admin/integrations/token/").content.decode()
    assert '<option value="Other &amp; Sons">' in page
    assert 'id="nav-sidebar"' not in page
    for query, username in [({"registry": "Other & Sons"}, "bob"), ({"credential_name": "northwind"}, "amira")]:
        rows = as_admin.get("/admin/integrations/token/", query).context["cl"].result_list
        assert [token.user.username for token in rows] == [username]
    filtered = as_admin.get("/admin/integrations/token/", {"state__exact": "valid"}).content.decode()
    assert filtered.count('type="hidden" name="state__exact" value="valid"') >= 2


def test_the_admin_writes_dates_as_the_site_does(northwind: Alias, amira: User, as_admin: Client) -> None:
    token = cast.signed_in(amira, northwind)
    assert token.expires_at
    day = f"{token.expires_at.day} {token.expires_at:%b %Y}"
    assert day in as_admin.get("/admin/integrations/token/").content.decode()
