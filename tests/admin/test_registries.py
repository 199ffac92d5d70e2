"""What the form of an application registry refuses, keeps and fills in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, Token
from tests import cast
from tests.admin.forms import Page, complaints, opened, submitted
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
ADD = "/admin/integrations/applicationregistry/add/"
AGAIN = "Enter the Client Secret again"


def page_of(registry: ApplicationRegistry) -> str:
    return f"/admin/integrations/applicationregistry/{registry.pk}/change/"


def stored(registry: ApplicationRegistry) -> ApplicationRegistry:
    return ApplicationRegistry.objects.get(pk=registry.pk)


def test_an_empty_secret_field_keeps_the_secret(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, page_of(registry), {"Comments": "Ask Tomás."})
    assert (stored(registry).comments, stored(registry).client_secret) == ("Ask Tomás.", "CANARY-client-secret")


def test_a_typed_secret_replaces_the_old_one(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, page_of(registry), {"Client Secret": " spaces count "})
    assert stored(registry).client_secret == " spaces count "


def test_a_public_client_has_no_secret_any_more(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, page_of(registry), {"Send Credentials": "none"})
    assert stored(registry).client_secret == ""


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("Token URL", "https://evil.example/token"),
        ("Authorization URL", "https://evil.example/authorize"),
        ("Issuer", "https://evil.example"),
        ("Client ID", "another"),
        ("Send Credentials", "client_secret_post"),
        ("Token Revocation URL", "https://evil.example/revoke"),
        ("Token Introspection URL", "https://evil.example/introspect"),
        ("Userinfo URL", "https://evil.example/userinfo"),
        ("Refresh URL", "https://evil.example/refresh"),
    ],
)
def test_who_leads_the_secret_elsewhere_must_know_it(
    as_admin: Client, registry: ApplicationRegistry, label: str, value: str
) -> None:
    refused = submitted(as_admin, page_of(registry), {label: value})
    assert [text for text in complaints(refused) if AGAIN in text and label in text]
    assert stored(registry).endpoints() == registry.endpoints()
    taken = submitted(as_admin, page_of(registry), {label: value, "Client Secret": "known"})
    assert not complaints(taken)
    assert stored(registry).client_secret == "known"


def test_another_path_at_the_same_revocation_host_needs_no_secret(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    submitted(as_admin, page_of(registry), {"Token Revocation URL": "https://northwind.example/v2/revoke"})
    assert stored(registry).token_revocation_url.endswith("/v2/revoke")


def test_tokens_of_a_public_client_do_not_follow_to_a_new_host_unasked(
    as_admin: Client, registry: ApplicationRegistry, token: Token
) -> None:
    ApplicationRegistry.objects.update(client_secret=None, send_credentials="none")
    moved = {"Token URL": "https://new.example/token"}
    refused = submitted(as_admin, page_of(registry), moved)
    assert [text for text in complaints(refused) if "https://new.example:443" in text]
    submitted(as_admin, page_of(registry), moved, also={"same_provider": "on"})
    assert stored(registry).token_url == "https://new.example/token"


@pytest.mark.parametrize(
    "address",
    [
        "http://northwind.example/token",
        "ftp://northwind.example/token",
        "https://user:pass@northwind.example/token",
        "https://northwind.example/token#x",
        "https://169.254.169.254/token",
        "https://northwind.example\\@evil.example/",
        "northwind.example/token",
    ],
)
def test_an_address_that_would_not_be_called_is_refused(
    as_admin: Client, registry: ApplicationRegistry, address: str
) -> None:
    response = submitted(as_admin, page_of(registry), {"Token URL": address, "Client Secret": "known"})
    assert complaints(response)
    assert stored(registry).token_url == registry.token_url


def test_plain_http_is_for_networks_that_are_allowed(as_admin: Client, registry: ApplicationRegistry) -> None:
    typed = {"Token URL": "http://127.0.0.1:8001/token", "Client Secret": "known"}
    assert not complaints(submitted(as_admin, page_of(registry), typed))


@pytest.mark.parametrize("text", ['["a"]', '{"a": 1}', '{"redirect_uri": "https://evil.example"}', '{"state": "x"}'])
def test_authorization_parameters_are_texts_and_not_ours(
    as_admin: Client, registry: ApplicationRegistry, text: str
) -> None:
    assert complaints(submitted(as_admin, page_of(registry), {"Authorization parameters": text}))


def test_no_authorization_parameters_are_an_empty_object(as_admin: Client, registry: ApplicationRegistry) -> None:
    assert not complaints(submitted(as_admin, page_of(registry), {"Authorization parameters": ""}))
    assert stored(registry).authorization_parameters == {}


def test_a_logo_is_stored_shown_and_removed(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, page_of(registry), {}, also={"logo": SimpleUploadedFile("anything.exe", PNG)})
    assert (bytes(stored(registry).logo or b""), stored(registry).logo_type) == (PNG, "image/png")
    assert as_admin.get(f"/integrations/logos/{registry.hex}/").content == PNG
    submitted(as_admin, page_of(registry), {"Remove the logo": "on"})
    assert (stored(registry).logo, stored(registry).logo_type) == (None, "")


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", PNG + b"\0" * 100_000])
def test_other_pictures_are_refused(as_admin: Client, registry: ApplicationRegistry, content: bytes) -> None:
    response = submitted(as_admin, page_of(registry), {}, also={"logo": SimpleUploadedFile("logo.png", content)})
    assert complaints(response)
    assert stored(registry).logo_type == ""


def published(server: HostileServer, issuer: str, **fields: Any) -> None:
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{server.url}/auth",
        "token_endpoint": f"{server.url}/tokens",
        "revocation_endpoint": f"{server.url}/revocation",
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "scopes_supported": ["read"],
        **fields,
    }
    server.on("GET /.well-known/oauth-authorization-server").always(json=document)


@pytest.mark.usefixtures("token")
def test_tokens_follow_no_answer_to_hosts_that_nobody_confirmed(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    typed = {"Base URL in the answer": "/home", "Hosts of that base URL": "*.other.example"}
    refused = submitted(as_admin, page_of(registry), typed)
    assert [text for text in complaints(refused) if AGAIN in text and "Hosts of that base URL" in text]
    assert stored(registry).base_url_hosts == ""
    assert not complaints(submitted(as_admin, page_of(registry), {**typed, "Client Secret": "known"}))
    assert stored(registry).base_url_hosts == "*.other.example"
    wide = submitted(as_admin, page_of(registry), {"Hosts of that base URL": "*.com"}, also={"same_provider": "on"})
    assert [complaint for complaint in complaints(wide) if "Not valid: *.com" in complaint]


def test_filling_in_from_metadata_saves_nothing(
    as_admin: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    published(server, server.url)
    typed = {"Issuer": server.url, "Client Secret": "CANARY-typed"}
    response = submitted(as_admin, page_of(registry), typed, button="_fill")
    fields = response.context["adminform"].form
    assert fields["token_url"].value() == f"{server.url}/tokens"
    assert fields["send_credentials"].value() == "client_secret_post"
    assert "CANARY" not in response.content.decode()
    assert "A secret is never shown again" in response.content.decode()
    assert stored(registry).endpoints() == registry.endpoints()


def test_a_secret_typed_before_filling_in_is_kept_and_not_shown(as_admin: Client, server: HostileServer) -> None:
    published(server, server.url)
    typed = {"Name": "Northwind", "Client ID": "k", "Issuer": server.url, "Client Secret": " CANARY typed "}
    filled = submitted(as_admin, ADD, typed, button="_fill")
    assert "CANARY" not in filled.content.decode()
    page = Page(filled.content.decode())
    as_admin.post(ADD, {**page.fields, "_save": "Save"})
    assert ApplicationRegistry.objects.get().client_secret == " CANARY typed "


def test_a_secret_is_kept_when_the_form_comes_back_with_a_mistake(as_admin: Client, server: HostileServer) -> None:
    typed = {"Name": "Northwind", "Client Secret": "CANARY-typed", "Authorization URL": f"{server.url}/auth"}
    typed |= {"Token URL": f"{server.url}/token"}
    refused = submitted(as_admin, ADD, typed)
    assert complaints(refused)
    page = Page(refused.content.decode())
    as_admin.post(ADD, {**page.fields, page.named("Client ID"): "k", "_save": "Save"})
    assert ApplicationRegistry.objects.get().client_secret == "CANARY-typed"


def test_a_kept_secret_opens_for_the_same_person_record_and_hour_alone(
    as_admin: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    published(server, server.url)
    filled = submitted(as_admin, ADD, {"Issuer": server.url, "Client Secret": "CANARY-typed"}, button="_fill")
    sealed = {"kept_secret": filled.context["adminform"].form["kept_secret"].value()}
    elsewhere = {"Token URL": "https://evil.example/token"}
    assert AGAIN in str(complaints(submitted(as_admin, page_of(registry), elsewhere, also=sealed)))
    other = User.objects.create_superuser("other", "", cast.PASSWORD)
    typed = {"Client ID": "k", "Authorization URL": f"{server.url}/auth", "Token URL": f"{server.url}/token"}
    submitted(client_of(other), ADD, {"Name": "N", **typed}, also=sealed)
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=2)):
        submitted(as_admin, ADD, {"Name": "L", **typed}, also=sealed)
    made = ApplicationRegistry.objects.exclude(pk=registry.pk)
    assert [row.client_secret for row in made] == ["", ""]


def test_the_scopes_found_are_offered_and_the_ticked_ones_are_saved(as_admin: Client, server: HostileServer) -> None:
    published(server, server.url, scopes_supported=["read", "write", "admin", 'not"one'])
    typed = {"Name": "Northwind", "Client ID": "k", "Issuer": server.url, "Client Secret": "CANARY-typed"}
    filled = submitted(as_admin, ADD, typed, button="_fill")
    offered = filled.context["adminform"].form.fields["offered_scopes"].choices
    assert [value for value, _words in offered] == ["read", "write", "admin"]
    assert not filled.context["adminform"].form["offered_scopes"].value()
    page = Page(filled.content.decode())
    as_admin.post(ADD, {**page.fields, "offered_scopes": ["read", "write"], "_save": "Save"})
    registry = ApplicationRegistry.objects.get()
    assert sorted(registry.scopes.values_list("scope", flat=True)) == ["read", "write"]
    assert registry.profiles.get().scopes.count() == 2


def test_of_thousands_of_scopes_the_first_are_named_and_offered(as_admin: Client, server: HostileServer) -> None:
    """The message is stored until it is shown."""
    published(server, server.url, scopes_supported=[f"patient/{number}.read" for number in range(9000)])
    filled = submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill")
    assert len(filled.context["adminform"].form.fields["offered_scopes"].choices) == 200
    [message] = filled.context["messages"]
    assert "9000 scopes" in str(message)
    assert len(str(message)) < 10_000


def test_scopes_that_are_rows_already_are_not_offered(
    as_admin: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    registry.scopes.get_or_create(scope="read", defaults={"name": "Read"})
    published(server, server.url, scopes_supported=["read", "write"])
    filled = submitted(as_admin, page_of(registry), {"Issuer": server.url}, button="_fill")
    assert filled.context["adminform"].form.fields["offered_scopes"].choices == [("write", "write")]


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["plain"], "plain"), (["plain", "S256"], "S256"), ([], "S256"), (["S512"], "S256")]
)
def test_the_safer_code_challenge_stays_where_the_server_leaves_a_choice(
    offered: list[str], chosen: str, as_admin: Client, server: HostileServer
) -> None:
    document = {"issuer": server.url, "token_endpoint": f"{server.url}/t", "code_challenge_methods_supported": offered}
    server.on("GET /.well-known/openid-configuration").answer(json=document)
    address = "/admin/integrations/applicationregistry/add/"
    response = submitted(as_admin, address, {"Issuer": server.url}, button="_fill")
    assert response.context["adminform"].form["code_challenge_method"].value() == chosen


def test_a_new_registry_can_be_filled_in_before_anything_else(as_admin: Client, server: HostileServer) -> None:
    published(server, server.url)
    address = "/admin/integrations/applicationregistry/add/"
    response = submitted(as_admin, address, {"Issuer": server.url}, button="_fill")
    assert response.context["adminform"].form["token_url"].value() == f"{server.url}/tokens"
    assert not complaints(response)
    assert not ApplicationRegistry.objects.exists()


def test_metadata_of_another_issuer_fills_in_nothing(
    as_admin: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    published(server, "https://other.example")
    response = submitted(as_admin, page_of(registry), {"Issuer": server.url}, button="_fill")
    assert "Nothing was filled in" in response.content.decode()
    assert response.context["adminform"].form["token_url"].value() == registry.token_url


def test_onlookers_cannot_make_keyrack_call_an_issuer(
    as_onlooker: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    response = as_onlooker.post(page_of(registry), {"_fill": "1", "issuer": server.url})
    assert response.status_code == 403
    assert not server.calls


def test_a_problem_is_in_the_list_until_the_registration_changes(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    registry.note_misconfigured("invalid_client")
    assert "invalid_client" in opened(as_admin, "/admin/integrations/applicationregistry/").text
    submitted(as_admin, page_of(registry), {"Client Secret": "the right one"})
    assert stored(registry).misconfigured_code == ""


def test_a_provider_that_does_not_answer_is_in_the_list_and_on_its_page(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    registry.note_misconfigured("invalid_client")
    ApplicationRegistry.objects.update(down_since=datetime(2026, 11, 19, 8, 31, tzinfo=UTC))
    for address in ("/admin/integrations/applicationregistry/", page_of(registry)):
        text = opened(as_admin, address).text
        assert "invalid_client" in text
        assert re.search(r"Not answering since .*8:31", text)


def test_a_registry_that_is_in_use_cannot_be_deleted_and_the_page_names_the_people(
    as_admin: Client, registry: ApplicationRegistry, token: Token
) -> None:
    address = page_of(registry).replace("change", "delete")
    text = opened(as_admin, address).text
    assert "1 sign-in is affected: amira." in text
    assert "Those records depend on it." in text
    as_admin.post(address, {"post": "yes"})
    assert ApplicationRegistry.objects.exists()


def test_the_list_counts_the_aliases(as_admin: Client, northwind: Alias) -> None:
    cast.integration_at(northwind.effective_credential.registry, name="second")  # type: ignore[union-attr]
    assert "2 aliases" in opened(as_admin, "/admin/integrations/applicationregistry/").text


def test_deleting_an_administrator_deletes_nobodys_set_up(
    as_admin: Client, admin: User, registry: ApplicationRegistry, token: Token
) -> None:
    submitted(as_admin, page_of(registry), {"Comments": "Mine."})
    other = User.objects.create_superuser("second", password=cast.PASSWORD)
    as_admin.force_login(other)
    as_admin.post(f"/admin/accounts/user/{admin.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=admin.pk).exists()
    assert ApplicationRegistry.objects.exists()
    assert Token.objects.exists()


# How a provider wants to be told --------------------------------------------------------------------------------------


DIALECT = '{"method": "DELETE", "client_authentication": "bearer", "body": "none", "send": ["access_token"]}'


def test_a_dialect_is_stored_with_an_address_that_has_placeholders(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    url = "https://northwind.example/v1/{account_id}/permissions"
    response = submitted(as_admin, page_of(registry), {"Revocation request": DIALECT, "Token Revocation URL": url})
    assert not complaints(response)
    assert stored(registry).revocation_request["method"] == "DELETE"
    assert stored(registry).token_revocation_url == url
    submitted(as_admin, page_of(registry), {"Revocation request": "", "Token Revocation URL": ""})
    assert stored(registry).revocation_request == {}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"Revocation request": '{"verb": "DELETE"}'}, "“verb” is not known in a revocation request"),
        ({"Revocation request": '["DELETE"]'}, "A revocation request is a JSON object"),
        ({"Revocation request": "{"}, "Enter a valid JSON"),
        ({"Revocation request": '{"headers": {"X": "{password}"}}'}, "{password}, which is not known"),
        ({"Revocation request": '{"body": "none"}'}, "Nothing in this request says which token to revoke."),
        ({"Token Revocation URL": "https://{account_id}.northwind.example/revoke"}, "before its path"),
        ({"Token Revocation URL": "https://northwind.example/{tenant}"}, "{tenant}, which is not known"),
        (
            {
                "Revocation request": '{"body": "none", "client_authentication": "client_secret_post"}',
                "Token Revocation URL": "https://northwind.example/{token}",
            },
            "The client authenticates in the body",
        ),
    ],
)
def test_a_dialect_that_cannot_work_is_refused_at_its_field(
    typed: dict[str, str], sentence: str, as_admin: Client, registry: ApplicationRegistry
) -> None:
    before = stored(registry)
    refused = submitted(as_admin, page_of(registry), typed)
    assert [text for text in complaints(refused) if sentence in text]
    after = stored(registry)
    assert (after.revocation_request, after.token_revocation_url) == (
        before.revocation_request,
        before.token_revocation_url,
    )


def test_a_placeholder_does_not_hide_another_host(as_admin: Client, registry: ApplicationRegistry) -> None:
    refused = submitted(as_admin, page_of(registry), {"Token Revocation URL": "https://evil.example/{refresh_token}"})
    assert [text for text in complaints(refused) if AGAIN in text]
