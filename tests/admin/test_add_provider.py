"""Add a provider: the catalogue, a draft that stays, a check before the secret is stored, and a trial before people."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.admin.enter_form import read_secret_file
from integrations.models import Alias, ApplicationRegistry, ConfigurationTemplate, ProviderDraft, Token
from integrations.models.admission import filter_admitted, filter_visible
from integrations.models.provider_drafts import Step
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt
from integrations.personal_auth import PersonalAuthAPI
from integrations.provider_setup import drafts
from tests import canaries, cast
from tests.admin.forms import Page, opened
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

CATALOGUE = "/admin/providers/add/"
SECRET = "CANARY-client-secret"


@pytest.fixture
def provider(server: HostileServer) -> HostileServer:
    """A provider that knows the secret of the tests alone."""
    server.on("GET /authorize").always(status=302, redirect="/login")
    server.on("POST /token").always(status=400, json={"error": "invalid_grant"})
    server.on("POST /revoke").always(status=200)
    server.on("GET /api").always(status=401)
    return server


@pytest.fixture
def template(provider: HostileServer) -> ConfigurationTemplate:
    return ConfigurationTemplate.objects.create(
        name="Copper Tickets",
        definition={
            "description": "Support tickets",
            "questions": [{"name": "server", "label": "Your server", "kind": "address"}],
            "registry": {
                "authorization_url": "{server}/authorize",
                "token_url": "{server}/token",
                "token_revocation_url": "{server}/revoke",
                "send_credentials": "client_secret_post",
            },
            "connection_url": "{server}/api",
            "scopes": [{"scope": "read", "name": "Read tickets", "chosen": True}, {"scope": "write", "name": "Write"}],
        },
    )


def begin(client: Client, template: ConfigurationTemplate) -> ProviderDraft:
    client.post(CATALOGUE, {"template": str(template.pk)})
    return ProviderDraft.objects.latest("begun_at")


def address(draft: ProviderDraft, step: int) -> str:
    return f"/admin/providers/drafts/{draft.hex}/?step={step}"


def description(draft: ProviderDraft) -> str:
    return f"{CATALOGUE}by-hand/?draft={draft.hex}"


def entered(server: HostileServer, **changes: Any) -> dict[str, Any]:
    values = {"client_id": "ct", "client_secret": SECRET, "answer_server": server.url, "scopes": ["read"]}
    return {**values, "other_scopes": "", **changes}


def shared(**changes: Any) -> dict[str, Any]:
    return {"who": "all", "label": "Copper", "description": "Tickets as yourself.", "alias": "copper", **changes}


def set_up(client: Client, template: ConfigurationTemplate, server: HostileServer, **sharing: Any) -> Alias:
    draft = begin(client, template)
    client.post(address(draft, 1))
    assert client.post(address(draft, 2), entered(server)).status_code == 302
    response = client.post(address(draft, 3), shared(**sharing))
    assert response["Location"] == f"/admin/providers/{draft.hex}/try/"
    return Alias.objects.get(name="copper")


def trial_state(client: Client) -> str:
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    found = re.search(r'data-state="(\w+)"', client.get(path).content.decode())
    assert found
    return found[1]


def text_of(client: Client, path: str) -> str:
    return " ".join(opened(client, path).text.split())


# The catalogue --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_services_are_found_by_words_and_category(as_admin: Client) -> None:
    text = text_of(as_admin, f"{CATALOGUE}?q=development+gitlab")
    assert "GitLab" in text
    assert "Notion" not in text
    assert "Notion" in text_of(as_admin, f"{CATALOGUE}?category=documents")
    assert "GitLab" not in text_of(as_admin, f"{CATALOGUE}?category=documents")
    assert "No template for “mossbank loans”" in text_of(as_admin, f"{CATALOGUE}?q=mossbank+loans")


@pytest.mark.slow
def test_a_search_keeps_the_chosen_category_as_long_as_something_there_matches(as_admin: Client) -> None:
    kept = '<input type="hidden" name="category" value="documents">'
    assert kept in as_admin.get(f"{CATALOGUE}?category=documents").content.decode()
    content = as_admin.get(f"{CATALOGUE}?category=documents&q=notion").content.decode()
    assert kept in content
    assert 'id="category-documents" href="?category=documents&amp;q=notion" aria-current="true"' in content
    elsewhere = as_admin.get(f"{CATALOGUE}?category=documents&q=gitlab").content.decode()
    assert "GitLab" in elsewhere
    assert kept not in elsewhere


@pytest.mark.slow
def test_only_what_is_tested_counts_as_verified(as_admin: Client) -> None:
    content = as_admin.get(f"{CATALOGUE}?category=development").content.decode()
    cards = {unescape(name): rest for name, rest in re.findall(r"<b>([^<]+)(.*?)</b>", content)}
    assert "verified" in cards["GitHub"]
    assert "verified" not in cards["OAuth Authorization Code Demo Configuration"]


@pytest.mark.parametrize("missing", ["add_alias", "add_applicationregistry", "add_oauthentityscope"])
def test_it_takes_the_permission_to_add_everything(missing: str, template: ConfigurationTemplate) -> None:
    staff = cast.person("staff", is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label="integrations").exclude(codename=missing)
    staff.user_permissions.set(permissions)
    assert client_of(staff).get(CATALOGUE).status_code == 403
    assert "add-provider" not in client_of(staff).get("/admin/").content.decode()


# The draft ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_redirect_url_stays_until_the_end_for_every_administrator(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    url = draft.redirect_url
    assert url in text_of(as_admin, address(draft, 1))
    as_admin.post(address(draft, 1))
    as_admin.post("/accounts/logout/")
    other = User.objects.create_superuser("other", "other@hub.example", cast.PASSWORD)
    text = text_of(client_of(other), CATALOGUE)
    assert "Copper Tickets is at step 2 of 3. admin began it" in text
    assert url in text_of(client_of(other), address(draft, 1))
    client_of(other).post(address(draft, 2), entered(provider))
    client_of(other).post(address(draft, 3), shared())
    assert ApplicationRegistry.objects.get().redirect_url == url
    assert not ProviderDraft.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "client_id"),
    [
        ("secret.txt", f"{SECRET}\n", "ct"),
        ("client_secret.json", json.dumps({"web": {"client_id": "from-file", "client_secret": SECRET}}), "from-file"),
        ("flat.json", json.dumps({"client_id": "from-file", "client_secret": SECRET}), "ct"),  # typed as well
    ],
)
def test_the_secret_may_come_from_a_file(
    template: ConfigurationTemplate,
    provider: HostileServer,
    as_admin: Client,
    name: str,
    content: str,
    client_id: str,
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    typed = {"client_id": "" if client_id == "from-file" else "ct", "client_secret": ""}
    file = SimpleUploadedFile(name, content.encode())
    response = as_admin.post(address(draft, 2), {**entered(provider, **typed), "secret_file": file})
    assert response.status_code == 302
    draft.refresh_from_db()
    assert draft.client_secret == SECRET
    assert draft.entered["fields"]["client_id"] == client_id
    assert "secret_file" not in draft.entered["fields"]


@pytest.mark.parametrize("content", ["12345678", '"quoted"', "1e10"])
def test_a_secret_that_is_json_by_chance_is_read_as_text(content: str) -> None:
    assert read_secret_file(SimpleUploadedFile("secret.txt", content.encode())) == {"client_secret": content}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"{}", b'{"client_secret": 5}', b"two\nlines", b"x" * 30_000]
)
def test_a_file_without_a_secret_is_refused_in_a_sentence(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, content: bytes
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    file = SimpleUploadedFile("secret", content)
    response = as_admin.post(address(draft, 2), {**entered(provider, client_secret=""), "secret_file": file})
    text = response.content.decode()
    assert "nothing but the secret, or JSON that has a client_secret" in text or "file is empty" in text
    assert not provider.calls


def test_what_was_entered_is_kept_except_for_the_secret(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    provider.on("POST /token").always(status=401, json={"error": "invalid_client", "error_description": "No such id"})
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    response = as_admin.post(address(draft, 2), entered(provider, client_id="ct_9f2l", scopes=["write"]))
    content = response.content.decode()
    assert response.status_code == 200
    assert "No such id" in content
    assert re.search(r'name="client_secret"[^>]*aria-invalid="true"', content)
    draft.refresh_from_db()
    assert (draft.has_secret, draft.step) == (False, 2)
    assert draft.entered["fields"]["client_id"] == "ct_9f2l"
    assert not canaries.finds(SECRET, content.encode())
    assert not any(canaries.finds(SECRET, str(value).encode()) for value in draft.entered.values())
    again = as_admin.get(address(draft, 2)).content.decode()
    assert 'value="ct_9f2l"' in again
    assert re.search(r'value="write"[^>]*checked', again)


def test_what_is_typed_is_saved_after_each_field_and_by_going_back(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    typed = {"client_id": "ct_9f2l", "client_secret": ""}
    part = as_admin.post(address(draft, 2), typed, headers={"HX-Request": "true"})
    assert part.headers["HX-Retarget"] == "#draft-saved"
    assert "Draft saved" in part.content.decode()
    assert 'value="ct_9f2l"' in as_admin.get(address(draft, 2)).content.decode()
    back = as_admin.post(address(draft, 2), {**typed, "client_id": "ct_other", "back": "1"})
    assert back.headers["Location"] == address(draft, 1)
    assert 'value="ct_other"' in as_admin.get(address(draft, 2)).content.decode()
    as_admin.post(address(draft, 2), entered(provider))
    as_admin.post(address(draft, 3), {"label": "Half a na", "back": "1"})
    assert 'value="Half a na"' in as_admin.get(address(draft, 3)).content.decode()
    draft.refresh_from_db()
    assert draft.step == 3


def test_a_session_that_has_ended_replaces_no_part_of_the_page(
    template: ConfigurationTemplate, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    answer = Client().post(address(draft, 2), {"client_id": "a"}, headers={"HX-Request": "true"}, follow=True)
    assert "HX-Retarget" not in answer.headers


def test_the_check_asks_nobody_to_sign_in_and_ends_nothing(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    assert as_admin.post(address(draft, 2), entered(provider))["Location"] == address(draft, 3)
    (call,) = [call for call in provider.calls_to("POST /token") if call.form["grant_type"] == "authorization_code"]
    assert call.form["client_secret"] == SECRET
    draft.refresh_from_db()
    assert draft.has_secret
    assert {finding["tone"] for finding in draft.findings} <= {"ok", "idle"}
    assert not ApplicationRegistry.objects.exists()


def test_the_check_can_be_skipped_and_the_next_step_says_so(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider, skip="1"))
    assert provider.calls == []
    assert "Not checked: you skipped it." in text_of(as_admin, address(draft, 3))


def test_a_stored_secret_is_not_sent_to_another_server(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))
    before = len(provider.calls)
    other = provider.url.replace("127.0.0.1", "localhost")
    for _attempt in range(2):  # what was refused once does not count as entered with the secret
        response = as_admin.post(address(draft, 2), entered(provider, client_secret="", answer_server=other, skip="1"))
        assert "Enter the Client Secret again" in unescape(response.content.decode())
    assert as_admin.post(address(draft, 3), shared())["Location"] == address(draft, 2)
    assert len(provider.calls) == before
    assert not ApplicationRegistry.objects.exists()
    response = as_admin.post(address(draft, 2), entered(provider, client_secret="", scopes=["write"]))
    assert response["Location"] == address(draft, 3)  # the server of the secret


def test_a_stored_secret_is_not_kept_if_the_api_is_elsewhere(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    definition = {**template.definition, "connection_url": "{api}/api"}
    definition["questions"] = [*definition["questions"], {"name": "api", "label": "API", "kind": "address"}]
    ConfigurationTemplate.objects.filter(pk=template.pk).update(definition=definition)
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider, answer_api=provider.url, skip="1"))
    other = provider.url.replace("127.0.0.1", "localhost")
    changed = entered(provider, client_secret="", answer_api=other, skip="1")
    assert "(Connection URL)" in as_admin.post(address(draft, 2), changed).content.decode()


@pytest.mark.slow
def test_what_was_not_checked_does_not_count_as_checked(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))
    assert "Checked at" in text_of(as_admin, address(draft, 3))
    provider.on("POST /token").always(status=401, json={"error": "invalid_client"})
    as_admin.post(address(draft, 2), entered(provider, client_secret="", scopes=["write"]))
    draft.refresh_from_db()
    assert (draft.step, draft.findings, draft.checked_at) == (2, [], None)
    assert as_admin.post(address(draft, 3), shared())["Location"] == address(draft, 2)
    draft.refresh_from_db()
    assert draft.entered["fields"]["scopes"] == ["write"]
    assert not ApplicationRegistry.objects.exists()


def test_no_step_can_be_jumped_over(template: ConfigurationTemplate, as_admin: Client) -> None:
    draft = begin(as_admin, template)
    assert as_admin.get(address(draft, 3))["Location"] == address(draft, 1)
    assert as_admin.get(f"/admin/providers/drafts/{draft.hex}/?step=x")["Location"] == address(draft, 1)
    assert as_admin.get(f"/admin/providers/drafts/{'0' * 32}/").status_code == 404


def test_a_draft_that_is_continued_keeps_what_is_entered_then(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    link = re.search(rf'id="continue-{draft.hex}" href="([^"]+)"', as_admin.get(CATALOGUE).content.decode())
    assert link
    shown_at = as_admin.get(link[1])["Location"]
    response = as_admin.post(shown_at, entered(provider))  # a form without an action
    assert response["Location"] == address(draft, 3)


def test_looking_into_a_template_twice_makes_one_draft(template: ConfigurationTemplate, as_admin: Client) -> None:
    assert begin(as_admin, template) == begin(as_admin, template)
    assert ProviderDraft.objects.count() == 1
    draft = ProviderDraft.objects.get()
    as_admin.post(f"/admin/providers/drafts/{draft.hex}/discard/")
    assert not ProviderDraft.objects.exists()


def test_names_that_are_taken_get_a_number(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    cast.integration_at(cast.registry_at(provider.url, name="Copper Tickets"), name="copper_tickets")
    draft = begin(as_admin, template)
    assert draft.name == "Copper Tickets 2"
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))
    assert 'value="copper_tickets_2"' in as_admin.get(address(draft, 3)).content.decode()
    response = as_admin.post(address(draft, 3), shared(alias="copper_tickets"))
    assert "There’s already an alias with this name." in response.content.decode()


def test_two_drafts_of_one_service_can_be_finished(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    begun = []
    for _number in range(2):
        begun.append(begin(as_admin, template))
        as_admin.post(address(begun[-1], 1))
        as_admin.post(address(begun[-1], 2), entered(provider, skip="1"))
    for draft, alias in zip(begun, ("copper", "bronze"), strict=True):
        response = as_admin.post(address(draft, 3), shared(alias=alias))
        assert response["Location"] == f"/admin/providers/{draft.hex}/try/"
    assert set(ApplicationRegistry.objects.values_list("name", flat=True)) == {"Copper Tickets", "Copper Tickets 2"}


def test_a_second_click_leads_to_the_trial(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider, skip="1"))
    trial = as_admin.post(address(draft, 3), shared())["Location"]
    assert as_admin.post(address(draft, 3), shared())["Location"] == trial
    assert ApplicationRegistry.objects.count() == 1


def test_a_discarded_draft_does_not_come_back(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    ProviderDraft.objects.all().delete()
    with pytest.raises(ProviderDraft.DoesNotExist):  # in a request that has read it before
        draft.keep(Step.ENTER, fields={})
    assert not ProviderDraft.objects.exists()
    assert as_admin.post(address(draft, 2), entered(provider)).status_code == 404


# Any server, and by hand ----------------------------------------------------------------------------------------------


def test_any_server_is_read_and_completed(server: HostileServer, as_admin: Client) -> None:
    server.on("GET /.well-known/oauth-authorization-server").always(
        json={
            "issuer": server.url,
            "authorization_endpoint": f"{server.url}/authorize",
            "token_endpoint": f"{server.url}/token",
            "revocation_endpoint": f"{server.url}/revoke",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
    )
    redirects = [as_admin.post(f"{CATALOGUE}any/", {"address": server.url}) for _time in range(2)]
    assert [answer["Location"] for answer in redirects] == [description(ProviderDraft.objects.get())] * 2
    content = as_admin.get(redirects[0]["Location"]).content.decode()
    assert f"Read from {server.url}" in content
    for value in (f"{server.url}/authorize", f"{server.url}/token", f"{server.url}/revoke"):
        assert f'value="{value}"' in content
    assert re.search(r'value="client_secret_post"[^>]*selected', content)


def test_the_address_of_a_server_without_metadata_is_not_typed_again_by_hand(as_admin: Client) -> None:
    assert as_admin.post(f"{CATALOGUE}any/", {"address": "", "by_hand": "1"})["Location"] == f"{CATALOGUE}by-hand/"
    answer = as_admin.post(f"{CATALOGUE}any/", {"address": " https://m.example/t ", "by_hand": "1"})
    assert answer["Location"] == description(ProviderDraft.objects.get())
    content = as_admin.get(answer["Location"]).content.decode()
    assert re.search(r'name="issuer" value="https://m.example/t"', content)
    assert "Read from" not in content


def test_a_server_that_publishes_nothing_is_said_so(server: HostileServer, as_admin: Client) -> None:
    content = as_admin.post(f"{CATALOGUE}any/", {"address": server.url}).content.decode()
    assert "There’s no readable metadata" in unescape(content)


@pytest.mark.parametrize(
    "typed", ["gitlab.example", "https://[::1", "https://ann:pw@gitlab.example", "javascript:alert(1)"]
)
def test_a_server_that_is_not_an_address_is_said_in_a_sentence_of_the_reader(typed: str, as_admin: Client) -> None:
    content = unescape(
        as_admin.post(f"{CATALOGUE}any/", {"address": typed}, HTTP_ACCEPT_LANGUAGE="de").content.decode()
    )
    assert "https://" in content.partition('id="address-error"')[2].partition("</div>")[0]
    assert "the URL" not in content


def test_by_hand_takes_at_most_twelve_fields(provider: HostileServer, as_admin: Client) -> None:
    url = provider.url
    typed = {
        "name": "Mossbank",
        "authorization_url": f"{url}/authorize",
        "token_url": f"{url}/token",
        "connection_url": f"{url}/api",
        "send_credentials": "client_secret_basic",
        "scopes_text": "read write",
    }
    as_admin.post(f"{CATALOGUE}by-hand/", typed)
    draft = ProviderDraft.objects.get()
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), {"client_id": "m", "client_secret": SECRET, "scopes": ["read"]})
    as_admin.post(address(draft, 3), {"who": "all", "label": "Mossbank", "alias": "mossbank"})
    alias = Alias.objects.get()
    assert alias.effective_credential
    assert alias.effective_credential.profile.scope_values() == ["read"]
    assert alias.effective_credential.registry.authorization_url == f"{url}/authorize"
    assert len(typed) + 3 <= 12


def test_a_wrong_address_is_named_at_its_field(as_admin: Client) -> None:
    response = as_admin.post(f"{CATALOGUE}by-hand/", {"name": "X", "token_url": "http://x.example/token"})
    content = response.content.decode()
    assert re.search(r'name="token_url"[^>]*aria-invalid="true"', content)
    assert "Enter an https:// address." in content
    assert not ProviderDraft.objects.get().is_described


@pytest.mark.parametrize("scopes", ["read,write", "read, write", "read ,write"])
def test_scopes_with_commas_between_them_are_refused_in_words(scopes: str, as_admin: Client) -> None:
    page = as_admin.post(f"{CATALOGUE}by-hand/", {"name": "M", "scopes_text": scopes}).content.decode()
    assert "Separate scopes by spaces, not by commas" in page
    assert f'value="{scopes}"' in page  # nothing to type again


@pytest.mark.parametrize("scope", ['re"ad', "r" * 256])
def test_by_hand_takes_no_scope_that_cannot_be_stored(scope: str, provider: HostileServer, as_admin: Client) -> None:
    url = provider.url
    typed = {"name": "M", "authorization_url": f"{url}/a", "token_url": f"{url}/t", "connection_url": f"{url}/api"}
    typed |= {"send_credentials": "client_secret_basic", "scopes_text": f"read {scope}"}
    assert "isn’t a scope" in unescape(as_admin.post(f"{CATALOGUE}by-hand/", typed).content.decode())
    assert not ProviderDraft.objects.get().is_described


def test_what_is_typed_by_hand_is_a_draft_from_the_first_field_on(provider: HostileServer, as_admin: Client) -> None:
    form = as_admin.get(f"{CATALOGUE}by-hand/").content.decode()
    reserved = re.search(r'name="draft" value="(\w{32})"', form)
    assert reserved
    assert not ProviderDraft.objects.exists()
    typed = {"draft": reserved[1], "token_url": f"{provider.url}/tok", "send_credentials": "client_secret_post"}
    part = as_admin.post(f"{CATALOGUE}by-hand/", typed, headers={"HX-Request": "true"})
    draft = ProviderDraft.objects.get()
    assert "Draft saved" in part.content.decode()
    assert (part.headers["HX-Retarget"], part.headers["HX-Replace-Url"]) == ("#hand-draft", description(draft))
    as_other = client_of(cast.person("other", is_staff=True, is_superuser=True))
    for page in (CATALOGUE, "/admin/"):
        content = as_other.get(page).content.decode()
        assert "Without a name yet" in content
        assert "ddresses are still being entered" in content
        assert f"/admin/providers/drafts/{draft.hex}/" in content
    assert as_other.get(address(draft, 2), follow=True).redirect_chain == [(description(draft), 302)]
    content = as_other.get(description(draft)).content.decode()
    assert f'value="{provider.url}/tok"' in content
    assert re.search(r'value="client_secret_post"[^>]*selected', content)
    typed |= {"name": "M", "authorization_url": f"{provider.url}/a", "connection_url": f"{provider.url}/api"}
    back = as_other.post(f"{CATALOGUE}by-hand/", typed | {"back": "1"})
    assert back["Location"] == CATALOGUE
    assert ProviderDraft.objects.get().name == "M"
    for _click in range(2):
        assert as_other.post(f"{CATALOGUE}by-hand/", typed)["Location"] == address(draft, 1)
    assert ProviderDraft.objects.get().begun_by_name == draft.begun_by_name


def test_a_field_that_is_saved_late_does_not_undo_the_form(as_admin: Client, admin: User) -> None:
    """Its request overlapped with the one that went on."""
    draft = drafts.save_description(ProviderDraft(), {"name": "M"}, admin)
    drafts.complete_description(draft, "M", {"description": "M"})
    drafts.save_description(draft, {"name": "Late"}, admin)
    stored = ProviderDraft.objects.get()
    assert (stored.name, stored.is_described, stored.entered) == ("M", True, {})


def test_what_is_typed_into_a_discarded_draft_begins_it_again(as_admin: Client) -> None:
    as_admin.post(f"{CATALOGUE}by-hand/", {"name": "M"})
    draft = ProviderDraft.objects.get()
    as_admin.post(f"/admin/providers/drafts/{draft.hex}/discard/")
    assert as_admin.get(description(draft)).status_code == 404
    as_admin.post(f"{CATALOGUE}by-hand/", {"name": "M", "issuer": "https://m.example", "draft": draft.hex})
    again = ProviderDraft.objects.get()
    assert (again.pk, again.entered["description"]["issuer"]) == (draft.pk, "https://m.example")


def test_an_empty_form_begins_no_draft(as_admin: Client) -> None:
    as_admin.post(f"{CATALOGUE}by-hand/", {"send_credentials": "client_secret_basic"})
    assert not ProviderDraft.objects.exists()


# Who sees it ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_only_who_tries_it_sees_it_until_it_has_worked(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User, amira: User
) -> None:
    alias = set_up(as_admin, template, provider)
    assert not filter_visible(amira.pk).exists()
    assert filter_admitted(admin.pk).get() == alias
    assert "Not shown yet" in text_of(as_admin, "/admin/")
    assert trial_state(as_admin) == "start"
    as_admin.post(f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/", {"action": "show"})
    assert filter_admitted(amira.pk).get() == alias


def test_groups_count_once_it_is_shown(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User, amira: User
) -> None:
    group = Group.objects.create(name="Support")
    alias = set_up(as_admin, template, provider, who="some", groups=[str(group.pk)])
    assert filter_admitted(admin.pk).exists()
    alias.show_to_people()
    assert not filter_admitted(admin.pk).exists()
    amira.groups.add(group)
    assert filter_admitted(amira.pk).exists()


@pytest.mark.slow
def test_another_administrator_can_take_the_trial_over(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    set_up(as_admin, template, provider)
    other = User.objects.create_superuser("other", "other@hub.example", cast.PASSWORD)
    as_other = client_of(other)
    assert trial_state(as_other) == "taken"
    as_other.post(f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/", {"action": "take"})
    assert trial_state(as_other) == "start"
    assert trial_state(as_admin) == "taken"
    admin_alone = filter_admitted(admin.pk)
    assert not admin_alone.exists()


# The trial ------------------------------------------------------------------------------------------------------------


def call(client: Client, path: str = "") -> str:
    address = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    content = client.post(address, {"action": "call", "path": path}).content.decode()
    found = re.search(r'data-state="(\w+)"', content)
    assert found
    return f"{found[1]} {unescape(content)}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "state", "is_shown"),
    [
        ({"json": {"name": "Ingrid"}}, "call_works", True),
        ({"status": 403, "json": {"message": "Missing scope: profile"}}, "call_refused", False),
        ({"json": {"ok": False, "error": "missing_scope"}}, "call_refused", False),
        ({"status": 302, "text": "please sign in", "redirect": "/login"}, "call_unclear", False),
        ({"status": 403, "json": {"message": "API rate limit exceeded"}}, "call_unclear", False),
        ({"status": 404, "text": "nothing here"}, "call_unclear", False),
        ({"status": 500, "text": "oops"}, "call_unclear", False),
    ],
)
def test_people_see_it_once_a_real_call_has_worked(
    answer: dict[str, Any],
    state: str,
    is_shown: bool,
    template: ConfigurationTemplate,
    provider: HostileServer,
    as_admin: Client,
    admin: User,
    amira: User,
) -> None:
    alias = set_up(as_admin, template, provider)
    cast.signed_in(admin, alias, refresh_token="")  # a renewal would come before an answer that refuses the token
    assert trial_state(as_admin) == "signed_in"
    provider.on("GET /api").always(**answer)
    page = call(as_admin)
    assert page.startswith(f"{state} ")
    said = answer.get("text") or list(answer["json"].values())[-1]
    assert said in page
    assert filter_admitted(amira.pk).exists() is is_shown
    assert provider.calls_to("GET /api")[-1].headers["authorization"] == "Bearer CANARY-access-1"


@pytest.mark.slow
def test_the_account_shows_that_the_token_is_accepted(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User, amira: User
) -> None:
    alias = set_up(as_admin, template, provider)
    ApplicationRegistry.objects.update(userinfo_url=f"{provider.url}/userinfo")
    cast.signed_in(admin, alias)
    provider.on("GET /api").always(status=404, text="nothing here")
    provider.on("GET /userinfo").always(status=401)
    assert call(as_admin).startswith("call_unclear")
    provider.on("GET /userinfo").always(json={"sub": "ingrid"})
    assert call(as_admin).startswith("call_works")
    assert filter_admitted(amira.pk).exists()


def test_an_answer_that_repeats_the_token_does_not_show_it(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    cast.signed_in(admin, set_up(as_admin, template, provider))
    provider.on("GET /api").always(text="you sent Bearer CANARY-access-1")
    page = call(as_admin)
    assert "you sent Bearer …" in page
    assert not canaries.finds("CANARY-access-1", page.encode())


@pytest.mark.slow
def test_the_path_of_the_call_cannot_leave_the_connection(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    cast.signed_in(admin, set_up(as_admin, template, provider))
    before = len(provider.calls)
    assert call(as_admin, "../token").startswith("call_unclear")
    assert len(provider.calls) == before


def failed_attempt(alias: Alias, user: User, code: str, reason: str = "") -> None:
    credential = alias.effective_credential
    assert credential
    AuthorizationAttempt.objects.create(
        user=user,
        credential=credential,
        registry=credential.registry,
        state_hash=code,
        status=AttemptStatus.FAILED,
        failure_code=code,
        failure_reason=reason,
    )


@pytest.mark.slow
def test_a_refused_secret_is_corrected_in_place(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    alias = set_up(as_admin, template, provider)
    failed_attempt(alias, admin, "invalid_client", "secret mismatch")
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    text = text_of(as_admin, path)
    assert "invalid_client: secret mismatch" in text
    assert "Client Secret" in text
    empty = as_admin.post(path, {"action": "mend", "field": "client_secret", "client_id": "ct"})
    assert 'aria-invalid="true"' in empty.content.decode()
    mended = {"client_id": "ct", "client_secret": "CANARY-other-secret", "send_credentials": "client_secret_basic"}
    response = as_admin.post(path, {"action": "mend", "field": "client_secret", **mended})
    assert response["Location"].startswith(f"{path}?again=")
    registry = ApplicationRegistry.objects.get()
    assert (registry.client_secret, registry.send_credentials) == ("CANARY-other-secret", "client_secret_basic")
    assert "data-goes-on" in as_admin.get(response["Location"]).content.decode()
    assert as_admin.get(f"{path}?again={'9' * 5000}").status_code == 200
    again = as_admin.get(f"{path}?again=9999999999999").content.decode()
    assert 'data-state="start"' in again
    assert "data-goes-on" not in again
    assert 'data-state="failed"' in as_admin.get(f"{path}?again=1").content.decode()  # tried again since


@pytest.mark.slow
def test_a_sign_in_that_worked_and_was_revoked_has_not_failed(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    failed_attempt(set_up(as_admin, template, provider), admin, "")
    assert trial_state(as_admin) == "failed"
    AuthorizationAttempt.objects.update(status=AttemptStatus.CONNECTED)
    assert trial_state(as_admin) == "start"


MENDED = {
    "action": "mend",
    "field": "client_secret",
    "client_id": "other",
    "client_secret": "CANARY-other-secret",
    "send_credentials": "client_secret_post",
}


@pytest.mark.slow
def test_a_correction_takes_the_permission_to_change(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    maker = cast.person("maker", is_staff=True)
    may_add = Permission.objects.filter(content_type__app_label="integrations", codename__startswith="add_")
    maker.user_permissions.add(*may_add)
    alias = set_up(as_admin, template, provider)
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    as_maker = client_of(maker)
    as_maker.post(path, {"action": "take"})
    failed_attempt(alias, maker, "invalid_client")
    assert 'id="no-mending"' in as_maker.get(path).content.decode()
    as_maker.post(path, MENDED)
    assert ApplicationRegistry.objects.get().client_id == "ct"
    for model in ("applicationregistry", "oauthentityprofile"):
        maker.user_permissions.add(Permission.objects.get(codename=f"change_{model}"))
    as_maker.post(path, MENDED)
    assert ApplicationRegistry.objects.get().client_id == "other"


@pytest.mark.slow
def test_a_registration_that_people_use_is_not_corrected_here(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    alias = set_up(as_admin, template, provider)
    failed_attempt(alias, admin, "invalid_client")
    registry = ApplicationRegistry.objects.get()
    cast.integration_at(registry, name="shown", label="Copper for all")
    path = f"/admin/providers/{registry.hex}/try/"
    assert "People use this registration with Copper for all already" in text_of(as_admin, path)
    as_admin.post(path, MENDED)
    assert ApplicationRegistry.objects.get().client_id == "ct"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_id": "a\u0007b"}, "A client ID must be one line"),
        ({"client_secret": "   "}, "This is only spaces"),
        ({"client_secret": "pasted "}, "begins or ends with a space"),
        ({"client_secret": ""}, "This field is required"),
        ({"send_credentials": "none"}, "A public client has no secret"),
    ],
)
def test_a_correction_is_checked_like_a_registry(
    changes: dict[str, str],
    sentence: str,
    template: ConfigurationTemplate,
    provider: HostileServer,
    as_admin: Client,
) -> None:
    set_up(as_admin, template, provider)
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    assert sentence in as_admin.post(path, {**MENDED, **changes}).content.decode()
    assert ApplicationRegistry.objects.get().client_id == "ct"


def test_a_correction_ends_the_problem_of_the_registration(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    set_up(as_admin, template, provider)
    registry = ApplicationRegistry.objects.get()
    registry.note_misconfigured("invalid_client")
    public = {"send_credentials": "none", "client_secret": ""}
    as_admin.post(f"/admin/providers/{registry.hex}/try/", {**MENDED, **public})
    registry = ApplicationRegistry.objects.get()
    assert (registry.misconfigured_code, registry.send_credentials, registry.client_secret) == ("", "none", "")


@pytest.mark.parametrize(
    ("code", "control"),
    [("invalid_scope", 'name="scopes"'), ("redirect_uri_mismatch", 'id="redirect-url"'), ("x", 'name="client_id"')],
)
@pytest.mark.slow
def test_the_field_that_causes_it_is_on_the_page(
    code: str, control: str, template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    failed_attempt(set_up(as_admin, template, provider), admin, code)
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    assert control in as_admin.get(path).content.decode()


@pytest.mark.slow
def test_a_shown_integration_cannot_be_tried_or_changed_here(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    alias = set_up(as_admin, template, provider)
    alias.show_to_people()
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    before = ApplicationRegistry.objects.get().client_id
    as_admin.post(
        path,
        {
            "action": "mend",
            "field": "client_secret",
            "client_id": "other",
            "client_secret": "x",
            "send_credentials": "none",
        },
    )
    as_admin.post(path, {"action": "take"})
    assert ApplicationRegistry.objects.get().client_id == before
    assert Alias.objects.get().tester is None


@pytest.mark.slow
def test_programs_do_not_see_it_either(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, amira: User
) -> None:
    alias = set_up(as_admin, template, provider)
    cast.signed_in(amira, alias)
    assert PersonalAuthAPI(amira).get_initiator_url("copper") == ""
    assert not PersonalAuthAPI(amira).is_token_valid("copper")
    assert Token.objects.count() == 1


@pytest.mark.slow
def test_a_scope_that_the_provider_misses_is_added_in_place(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, admin: User
) -> None:
    alias = set_up(as_admin, template, provider)
    cast.signed_in(admin, alias)
    provider.on("GET /api").always(status=403, json={"message": "Missing scope: profile"})
    assert 'name="more_scopes"' in call(as_admin)
    path = f"/admin/providers/{ApplicationRegistry.objects.get().hex}/try/"
    mended = {"action": "mend", "field": "scopes", "scopes": ["read"]}
    assert "isn’t a scope" in unescape(as_admin.post(path, {**mended, "more_scopes": 'pro"file'}).content.decode())
    failed_attempt(alias, admin, "earlier")
    AuthorizationAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    response = as_admin.post(path, {**mended, "more_scopes": "profile"})
    assert 'data-state="start"' in as_admin.get(response["Location"]).content.decode()  # to sign in once more
    credential = Alias.objects.get().effective_credential
    assert credential
    assert credential.profile.scope_values() == ["profile", "read"]


def test_the_last_step_shows_the_card_as_people_will_read_it(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))

    def card(response: Any) -> str:
        content = response.content.decode()
        return " ".join(
            Page(content[content.index('<article class="card preview"') :].partition("</article>")[0]).text.split()
        )

    there, facts = "In the provider’s own window", "Support tickets Will ask for Read tickets"
    assert card(as_admin.get(address(draft, 3))) == f"C Copper TicketsNot connected {there} {facts}"
    typed = {"who": "some", "label": "Tickets", "description": "Yours & ours.", "alias": "copper"}
    assert card(as_admin.post(address(draft, 3), typed)).startswith(f"T TicketsNot connected {there} Yours & ours.")


def test_the_folded_alias_says_whether_it_is_the_usual_one(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))
    assert "As usual: copper_tickets" in text_of(as_admin, address(draft, 3))
    as_admin.post(address(draft, 3), shared(alias="bad alias"))
    assert "Differs: bad alias" in text_of(as_admin, address(draft, 3))


def test_groups_say_how_many_people_would_see_it(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client, amira: User, bob: User
) -> None:
    group = Group.objects.create(name="Support")
    group.user_set.add(amira, cast.person("guest", role=False))
    draft = begin(as_admin, template)
    as_admin.post(address(draft, 1))
    as_admin.post(address(draft, 2), entered(provider))
    text = text_of(as_admin, address(draft, 3))
    assert "Support (1 person)" in text
    assert "3 people today" in text  # with the administrator


@pytest.mark.slow
def test_the_alias_says_that_it_awaits_its_trial(
    template: ConfigurationTemplate, provider: HostileServer, as_admin: Client
) -> None:
    alias = set_up(as_admin, template, provider)
    page = f"/admin/integrations/alias/{alias.pk}/change/"
    assert "Not shown yet" in text_of(as_admin, page)
    alias.show_to_people()
    assert "Not shown yet" not in text_of(as_admin, page)


def test_what_a_template_asks_is_asked_in_the_language_of_the_reader(as_admin: Client) -> None:
    draft = begin(as_admin, ConfigurationTemplate.objects.get(name="GitLab"))
    as_admin.post(address(draft, 1))
    page = as_admin.get(address(draft, 2), headers={"accept-language": "de"}).content.decode()
    assert "GitLab-Server" in page
    assert "GitLab server" not in page
