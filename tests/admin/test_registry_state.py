"""The page of a registry says how the provider is, and leads to what can be done about it."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db.models.signals import post_init
from django.test import Client
from django.utils import timezone

from integrations.models import Alias, ApplicationRegistry, Token
from tests import canaries, cast
from tests.admin.forms import Page
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


def page_of(client: Client, registry: ApplicationRegistry) -> str:
    return client.get(f"/admin/integrations/applicationregistry/{registry.pk}/change/").content.decode()


def state_of(content: str) -> str:
    section = content.partition('<section class="module" id="state"')[2].partition("</section>")[0]
    return " ".join(Page(f"<section {section}".replace("<", " <")).text.split())


def tools_in(content: str) -> dict[str, str]:
    tools = content.partition('class="object-tools"')[2].partition("</ul>")[0]
    return {name: unescape(url) for name, url in re.findall(r'id="([\w-]+)" href="([^"]*)"', tools)}


@pytest.mark.slow
def test_it_says_who_is_connected_and_when_the_last_call_was(
    registry: ApplicationRegistry, token: Token, as_admin: Client
) -> None:
    state = state_of(page_of(as_admin, registry))
    assert "Now Ready" in state
    assert "People 1 connected" in state
    assert "Last call Never" in state
    Token.objects.update(last_used_at=timezone.now(), state="needs_reauth")
    state = state_of(page_of(as_admin, registry))
    assert "Nobody connected 1 must sign in again" in state
    assert "Last call just now" in state


def test_a_refusal_is_there_in_the_provider_s_words_with_what_to_do(
    registry: ApplicationRegistry, token: Token, as_admin: Client
) -> None:
    ApplicationRegistry.objects.update(
        misconfigured_code="invalid_client",
        misconfigured_use="tokens",
        misconfigured_at=timezone.now(),
        misconfigured_reason="Expired <yesterday>",
    )
    content = page_of(as_admin, registry)
    state = state_of(content)
    assert "Now Misconfigured" in state
    assert "1 person stays signed in" in state
    assert "invalid_client: Expired <yesterday>" in state
    assert "Replace the secret" in state
    assert f'href="/admin/integrations/applicationregistry/{registry.pk}/change/#id_client_secret"' in content
    assert not canaries.finds("CANARY-client-secret", content.encode())


@pytest.mark.slow
def test_the_tools_lead_to_this_provider(registry: ApplicationRegistry, token: Token, as_admin: Client) -> None:
    content = page_of(as_admin, registry)
    tools = tools_in(content)
    assert tools["manage-tokens"] == "/admin/integrations/token/?registry=Northwind"
    assert "Manage Tokens (1)" in content
    assert tools["explain-access"].endswith("?integration=northwind")
    assert tools["turn-off"] == "#id_active"
    assert 'id="id_active"' in content
    assert "try-provider" not in tools
    assert as_admin.get(tools["manage-tokens"]).status_code == 200
    assert as_admin.get(tools["explain-access"]).status_code == 200


def test_it_can_be_tried_until_it_has_worked(registry: ApplicationRegistry, northwind: Alias, as_admin: Client) -> None:
    Alias.objects.update(awaits_trial=True)
    content = page_of(as_admin, registry)
    assert "Now Not shown yet" in state_of(content)
    assert as_admin.get(tools_in(content)["try-provider"]).status_code == 200


def test_what_is_off_is_not_turned_off_again(registry: ApplicationRegistry, northwind: Alias, as_admin: Client) -> None:
    ApplicationRegistry.objects.update(active=False)
    content = page_of(as_admin, registry)
    assert "Now Turned off" in state_of(content)
    assert "turn-off" not in tools_in(content)


def test_staff_get_the_tools_that_they_may_use(registry: ApplicationRegistry, token: Token) -> None:
    staff = cast.person("staff", role=False, is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_applicationregistry"))
    content = page_of(client_of(staff), registry)
    assert "1 connected" in state_of(content)
    assert set(tools_in(content)) == set()


def test_a_new_registry_has_no_state(as_admin: Client) -> None:
    content = as_admin.get("/admin/integrations/applicationregistry/add/").content.decode()
    assert 'id="state"' not in content


def test_integrations_of_other_providers_are_not_read(
    registry: ApplicationRegistry, northwind: Alias, as_admin: Client
) -> None:
    for number in range(3):
        other = cast.registry_at("https://other.example", name=f"Other {number}")
        cast.integration_at(other, name=f"other_{number}")
    read: list[str] = []

    def note(instance: Alias, **_signal: object) -> None:
        read.append(instance.name)

    post_init.connect(note, sender=Alias)
    try:
        page_of(as_admin, registry)
    finally:
        post_init.disconnect(note, sender=Alias)
    assert set(read) == {"northwind"}
