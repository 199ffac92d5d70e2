"""OAuth Applications in the admin: a secret is made, shown once, and kept as a hash."""

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from accounts.admin import scope_boxes
from accounts.oauth_server.models import Application
from tests import cast
from tests.accounts import programs
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

TYPED = {
    "name": "Weekly digest",
    "client_type": "confidential",
    "authorization_grant_type": "authorization-code",
    "redirect_uris": programs.CALLBACK,
    "allowed_scopes": ["integrations:read", "integrations:revoke"],
}


def add(client: Client, **typed: Any) -> Any:
    return client.post(reverse("admin:accounts_application_add"), {**TYPED, **typed})


def shown_secret(page: Any) -> str:
    match = re.search(r'id="client-secret">([\w-]{43})<', page.content.decode())
    assert match, page.content
    return match[1]


def test_a_new_application_gets_a_secret_that_is_shown_once(as_admin: Client) -> None:
    page = add(as_admin)
    application = Application.objects.get()
    assert check_password(shown_secret(page), application.client_secret)
    assert "no-store" in page["Cache-Control"]
    assert application.client_id in page.content.decode()
    assert application.scope_values == ["integrations:read", "integrations:revoke"]
    again = as_admin.get(reverse("admin:accounts_application_change", args=[application.pk])).content.decode()
    assert shown_secret(page) not in again
    assert application.client_secret not in again


@pytest.mark.parametrize("grant", ["authorization-code", "urn:ietf:params:oauth:grant-type:device_code"])
def test_a_public_client_is_told_no_secret(as_admin: Client, grant: str) -> None:
    """Whoever got one would put it into a program that cannot keep it."""
    page = add(as_admin, client_type="public", authorization_grant_type=grant).content.decode()
    application = Application.objects.get()
    assert f'id="client-id">{application.client_id}<' in page
    assert 'id="client-secret"' not in page
    assert "A public client has no secret." in page
    assert application.client_secret  # and nobody can guess one


def test_the_page_about_an_application_is_the_admins(as_admin: Client) -> None:
    add(as_admin)
    application = Application.objects.get()
    page = reverse("admin:accounts_application_change", args=[application.pk])
    shortcut = reverse("admin:view_on_site", args=[ContentType.objects.get_for_model(Application).pk, application.pk])
    assert shortcut not in as_admin.get(page).content.decode()
    assert as_admin.get(shortcut)["Location"] == f"http://testserver{page}"


def test_a_new_secret_replaces_the_old_one_and_saving_alone_does_not(as_admin: Client) -> None:
    first = shown_secret(add(as_admin))
    address = reverse("admin:accounts_application_change", args=[Application.objects.get().pk])
    assert as_admin.post(address, {**TYPED, "name": "Renamed"}).status_code == 302
    assert check_password(first, Application.objects.get().client_secret)
    second = shown_secret(as_admin.post(address, {**TYPED, "_new_secret": "1"}))
    assert second != first
    assert check_password(second, Application.objects.get().client_secret)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"authorization_grant_type": "implicit"}, "authorization_grant_type"),
        ({"authorization_grant_type": "password"}, "authorization_grant_type"),
        ({"authorization_grant_type": "client-credentials", "client_type": "public"}, "authorization_grant_type"),
        ({"allowed_scopes": ["made:up"]}, "allowed_scopes"),
        ({"redirect_uris": "javascript:alert(1)"}, "redirect_uris"),
        ({"redirect_uris": "https://*.example/callback"}, "redirect_uris"),
        ({"redirect_uris": ""}, "redirect_uris"),
    ],
)
def test_what_would_be_unsafe_is_refused_at_its_field(as_admin: Client, typed: dict[str, Any], field: str) -> None:
    page = add(as_admin, **typed)
    assert field in page.context["adminform"].form.errors
    assert not Application.objects.exists()


# Many integrations ----------------------------------------------------------------------------------------------------


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch, server: HostileServer) -> None:
    """Five integrations, of which two are listed."""
    monkeypatch.setattr(scope_boxes, "LISTED", 2)
    registry = cast.registry_at(server.url)
    for place in range(5):
        cast.integration_at(registry, name=f"alias_{place}")


def boxes(page: Any) -> list[str]:
    return re.findall(r'type="checkbox" name="allowed_scopes" value="(service:alias_\d)"', page.content.decode())


@pytest.mark.usefixtures("many")
def test_of_many_integrations_the_first_have_boxes_and_others_are_typed(as_admin: Client) -> None:
    address = reverse("admin:accounts_application_add")
    assert len(boxes(as_admin.get(address))) == 3
    shown_secret(add(as_admin, allowed_scopes=["integrations:read", "service:alias_1", " service:alias_4\nservice:*"]))
    application = Application.objects.get()
    assert set(application.scope_values) == {"integrations:read", "service:alias_1", "service:alias_4", "service:*"}
    address = reverse("admin:accounts_application_change", args=[application.pk])
    page = as_admin.get(address)
    assert "service:alias_4" in boxes(page)  # what it has can be unticked
    assert "service:alias_3" not in boxes(page)
    as_admin.post(address, {**TYPED, "allowed_scopes": ["service:alias_1", ""]})
    assert Application.objects.get().scope_values == ["service:alias_1"]


@pytest.mark.usefixtures("many")
def test_a_typed_scope_that_does_not_exist_is_refused_and_nothing_is_lost(as_admin: Client) -> None:
    page = add(as_admin, allowed_scopes=["integrations:read", "service:alias_3 service:alias_9"])
    form = page.context["adminform"].form
    assert "service:alias_9" in str(form.errors["allowed_scopes"])
    assert re.search(r'value="service:alias_3"[^>]* checked', page.content.decode())
    assert re.search(r"<textarea[^>]*>service:alias_9</textarea>", page.content.decode())
    assert not Application.objects.exists()


def test_few_integrations_have_boxes_alone(as_admin: Client, server: HostileServer) -> None:
    cast.integration_at(cast.registry_at(server.url), name="alias_0")
    page = as_admin.get(reverse("admin:accounts_application_add"))
    assert boxes(page) == ["service:alias_0"]
    assert "id_allowed_scopes_further" not in page.content.decode()
