"""What the form of an application registry refuses, keeps and fills in."""

import re
from datetime import UTC, date, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, Token
from tests import cast
from tests.admin.forms import Page, complaints, opened, submitted

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
    submitted(as_admin, page_of(registry), {"Client Secret": "inner  spaces count"})
    assert stored(registry).client_secret == "inner  spaces count"


@pytest.mark.parametrize(
    "pasted",
    [" CANARY-pasted", "CANARY-pasted\t", "CANARY-pasted\r\n", "CANARY-pasted\u200b", "CANARY-id\nCANARY-pasted"],
)
def test_a_secret_that_was_copied_with_something_else_is_refused_in_words(
    as_admin: Client, registry: ApplicationRegistry, pasted: str
) -> None:
    refused = submitted(as_admin, page_of(registry), {"Client Secret": pasted})
    assert [text for text in complaints(refused) if "Copy it again" in text]
    html = refused.content.decode()
    assert "CANARY" not in html
    assert "Kept. Leave this empty" not in html
    assert stored(registry).client_secret == "CANARY-client-secret"
    page = Page(html)  # what was wrong is not kept: the next attempt needs nothing but the secret
    as_admin.post(page_of(registry), {**page.fields, "client_secret": "right", "_save": "Save"})
    assert stored(registry).client_secret == "right"


def test_a_stored_secret_with_a_space_around_it_still_proves_itself(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    registry.client_secret = "CANARY-odd "
    registry.save()
    typed = {"Token URL": "https://northwind.example/v2/token", "Client Secret": "CANARY-odd "}
    assert not complaints(submitted(as_admin, page_of(registry), typed))
    assert stored(registry).token_url.endswith("/v2/token")


@pytest.mark.parametrize("scope", ["contacts:read,", ",contacts:read", "contacts:read;"])
def test_a_scope_that_was_copied_with_its_separator_is_refused(
    as_admin: Client, registry: ApplicationRegistry, scope: str
) -> None:
    stored_scopes = registry.scopes.count()
    at = int(opened(as_admin, page_of(registry)).fields["scopes-TOTAL_FORMS"][0])
    row = {"scopes-TOTAL_FORMS": str(at + 1), f"scopes-{at}-name": "Contacts", f"scopes-{at}-scope": scope}
    row |= {f"scopes-{at}-id": "", f"scopes-{at}-registry": str(registry.pk)}
    assert "without a comma" in str(complaints(submitted(as_admin, page_of(registry), {}, also=row)))
    assert registry.scopes.count() == stored_scopes


def test_a_public_client_has_no_secret_any_more(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, page_of(registry), {"Send Credentials": "none"})
    assert stored(registry).client_secret == ""


def test_a_new_secret_has_an_end_of_its_own(as_admin: Client, registry: ApplicationRegistry) -> None:
    label = "Secret expires on"
    submitted(as_admin, page_of(registry), {label: "2027-02-28"})
    assert stored(registry).client_secret_expires_on == date(2027, 2, 28)
    submitted(as_admin, page_of(registry), {"Client Secret": "CANARY-client-secret"})
    assert stored(registry).client_secret_expires_on == date(2027, 2, 28)
    submitted(as_admin, page_of(registry), {"Client Secret": "another"})
    assert stored(registry).client_secret_expires_on is None
    submitted(as_admin, page_of(registry), {"Client Secret": "the next", label: "2028-02-28"})
    assert stored(registry).client_secret_expires_on == date(2028, 2, 28)


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
