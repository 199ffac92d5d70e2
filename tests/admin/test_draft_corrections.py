"""Step 2 of Add a provider: what was entered or chosen before is corrected there, at the field that is wrong."""

import re
from datetime import date
from html import unescape
from typing import Any

import pytest
from django.test import Client

from integrations.models import Alias, ApplicationRegistry, ConfigurationTemplate, HttpConnection, ProviderDraft
from integrations.models.provider_drafts import Step
from tests import canaries
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

CATALOGUE = "/admin/providers/add/"
SECRET = "CANARY-client-secret"
REFUSED: dict[str, Any] = {"status": 401, "json": {"error": "invalid_client"}}
UNKNOWN_CODE: dict[str, Any] = {"status": 400, "json": {"error": "invalid_grant"}}


@pytest.fixture
def provider(server: HostileServer) -> HostileServer:
    server.on("GET /authorize").always(status=302, redirect="/login")
    server.on("POST /token").always(**UNKNOWN_CODE)
    server.on("GET /api").always(status=401)
    return server


@pytest.fixture
def by_hand(provider: HostileServer, as_admin: Client) -> ProviderDraft:
    url = provider.url
    typed = {
        "name": "Mossbank",
        "authorization_url": f"{url}/authorize",
        "token_url": f"{url}/token",
        "connection_url": f"{url}/api",
        "send_credentials": "client_secret_basic",
        "scopes_text": "read",
    }
    as_admin.post(f"{CATALOGUE}by-hand/", typed)
    return begun(as_admin)


def begun(client: Client) -> ProviderDraft:
    draft = ProviderDraft.objects.get()
    client.post(address(draft, 1))
    return draft


def from_template(client: Client, **registry: str) -> ProviderDraft:
    questions = [{"name": "server", "label": "Your server", "kind": "address"}]
    addresses = {"authorization_url": "{server}/authorize", "token_url": "{server}/token"}
    definition = {
        "description": "Support tickets",
        "questions": questions,
        "registry": {**addresses, **registry},
        "connection_url": "{server}/api",
    }
    template = ConfigurationTemplate.objects.create(name="Copper Tickets", definition=definition)
    client.post(CATALOGUE, {"template": str(template.pk)})
    return begun(client)


def address(draft: ProviderDraft, step: int) -> str:
    return f"/admin/providers/drafts/{draft.hex}/?step={step}"


def enter(client: Client, draft: ProviderDraft, **changes: Any) -> Any:
    values = {"client_id": "m", "client_secret": SECRET, "other_scopes": ""}
    return client.post(address(draft, 2), {**values, **changes})


def test_a_sign_in_page_as_token_url_is_named_at_the_field(by_hand: ProviderDraft, as_admin: Client) -> None:
    """Its answer to a token request, a page with HTTP 403, doesn't show it."""
    authorization_url = by_hand.definition["registry"]["authorization_url"]
    page = enter(as_admin, by_hand, token_url=authorization_url).content.decode()
    assert re.search(r'name="token_url"[^>]*aria-invalid="true"', page)
    assert "Authorization URL and Token URL are the same address" in page


def finish(client: Client, draft: ProviderDraft) -> ApplicationRegistry:
    client.post(address(draft, 3), {"who": "all", "label": "Mossbank", "alias": "mossbank"})
    return ApplicationRegistry.objects.get()


def wrong_fields(response: Any) -> list[str]:
    return re.findall(r'name="(\w+)"[^>]*aria-invalid="true"', response.content.decode())


def names_in_fold(content: str) -> list[str]:
    """Names of the fields that are folded until something is wrong with them."""
    fold = content.partition('id="set-up"')[2].partition("</details>")[0]
    return re.findall(r'<(?:input|select) [^>]*?name="(\w+)"', fold)


def test_an_address_that_was_entered_by_hand_is_corrected_where_the_check_finds_it_wrong(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    provider.on("POST /old").always(status=404)
    response = enter(as_admin, by_hand, token_url=f"{provider.url}/old")
    content = unescape(response.content.decode())
    assert wrong_fields(response) == ["token_url"]
    assert re.search(r'<details class="fold" id="set-up" open>', content)
    assert "Differs: Token URL" in content
    assert not canaries.finds(SECRET, content.encode())
    assert enter(as_admin, by_hand, token_url=f"{provider.url}/token")["Location"] == address(by_hand, 3)
    assert finish(as_admin, by_hand).token_url == f"{provider.url}/token"


def test_each_address_keeps_what_was_corrected(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    corrected = {
        "authorization_url": f"{provider.url}/authorize?tenant=1",
        "token_revocation_url": f"{provider.url}/revoke",
        "userinfo_url": f"{provider.url}/me",
        "connection_url": f"{provider.url}/api/v2",
    }
    assert enter(as_admin, by_hand, **corrected, skip="1")["Location"] == address(by_hand, 3)
    assert f'value="{corrected["userinfo_url"]}"' in as_admin.get(address(by_hand, 2)).content.decode()
    registry = finish(as_admin, by_hand)
    assert HttpConnection.objects.get().connection_url == corrected.pop("connection_url")
    assert {name: getattr(registry, name) for name in corrected} == corrected


@pytest.mark.slow
def test_where_our_client_is_refused_send_credentials_is_beside_the_secret(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    assert "send_credentials" in names_in_fold(as_admin.get(address(by_hand, 2)).content.decode())
    provider.on("POST /token").always(**REFUSED)
    content = enter(as_admin, by_hand).content.decode()
    assert 'id="field-send_credentials"' in content
    assert "send_credentials" not in names_in_fold(content)
    provider.on("POST /token").always(**UNKNOWN_CODE)
    assert enter(as_admin, by_hand, send_credentials="client_secret_post")["Location"] == address(by_hand, 3)
    assert provider.calls_to("POST /token")[-1].form["client_secret"] == SECRET
    assert finish(as_admin, by_hand).send_credentials == "client_secret_post"


def test_a_stored_secret_is_not_sent_to_a_corrected_address(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    enter(as_admin, by_hand)
    before = len(provider.calls)
    other = provider.url.replace("127.0.0.1", "localhost")
    for name in ("token_url", "connection_url"):
        response = enter(as_admin, by_hand, client_secret="", skip="1", **{name: f"{other}/token"})
        assert "Enter the Client Secret again" in unescape(response.content.decode())
    assert len(provider.calls) == before
    back = {"token_url": f"{provider.url}/token", "connection_url": f"{provider.url}/api"}
    assert enter(as_admin, by_hand, client_secret="", **back)["Location"] == address(by_hand, 3)


@pytest.mark.slow
def test_a_client_may_turn_out_to_be_public_and_back(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    response = enter(as_admin, by_hand, send_credentials="none")
    assert "A public client has no secret." in unescape(response.content.decode())
    assert enter(as_admin, by_hand, client_secret="", send_credentials="none")["Location"] == address(by_hand, 3)
    assert "client_secret" not in provider.calls_to("POST /token")[-1].form
    assert 'name="client_secret"' not in as_admin.get(address(by_hand, 2)).content.decode()
    response = enter(as_admin, by_hand, client_secret="", send_credentials="client_secret_post")
    assert wrong_fields(response) == ["client_secret"]
    enter(as_admin, by_hand, send_credentials="client_secret_post")
    registry = finish(as_admin, by_hand)
    assert (registry.send_credentials, registry.client_secret) == ("client_secret_post", SECRET)


def test_an_address_that_an_answer_decides_is_corrected_by_the_answer(
    provider: HostileServer, as_admin: Client
) -> None:
    draft = from_template(as_admin)
    names = names_in_fold(as_admin.get(address(draft, 2)).content.decode())
    assert names == ["send_credentials"]  # nor is anything offered that the template leaves out
    provider.on("POST /token").always(status=404)
    assert wrong_fields(enter(as_admin, draft, answer_server=provider.url)) == ["answer_server"]


def test_a_fixed_address_of_a_template_can_be_corrected(provider: HostileServer, as_admin: Client) -> None:
    draft = from_template(as_admin, userinfo_url="https://accounts.example/moved")
    content = as_admin.get(address(draft, 2)).content.decode()
    assert names_in_fold(content) == ["userinfo_url", "send_credentials"]
    assert "As the template has it" in content
    enter(as_admin, draft, answer_server=provider.url, userinfo_url="https://accounts.example/me", skip="1")
    assert finish(as_admin, draft).userinfo_url == "https://accounts.example/me"
    assert Alias.objects.get().effective_credential


def test_a_draft_that_was_begun_before_keeps_its_addresses(
    by_hand: ProviderDraft, provider: HostileServer, as_admin: Client
) -> None:
    enter(as_admin, by_hand)
    by_hand.refresh_from_db()
    stored_for = {"client_id": "m", "answers": {}}
    fields = {"client_id": "m", "scopes": ["read"], "other_scopes": ""}
    by_hand.keep(Step.SHARE, fields=fields, stored_for=stored_for)
    assert finish(as_admin, by_hand).token_url == f"{provider.url}/token"


def test_the_end_of_the_secret_is_entered_with_it(by_hand: ProviderDraft, as_admin: Client) -> None:
    response = enter(as_admin, by_hand, client_secret_expires_on="soon")
    assert wrong_fields(response) == ["client_secret_expires_on"]
    enter(as_admin, by_hand, client_secret_expires_on="2027-03-01")
    assert 'value="2027-03-01"' in as_admin.get(address(by_hand, 2)).content.decode()
    assert finish(as_admin, by_hand).client_secret_expires_on == date(2027, 3, 1)
