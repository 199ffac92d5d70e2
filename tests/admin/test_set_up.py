"""An administrator alone, with nothing but the pages: the procedure from an empty site to a card on a dashboard."""

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, OAuthEntityProfile
from integrations.models.card import integrations_of
from tests.admin.forms import Page, complaints, opened, submitted

pytestmark = pytest.mark.slow

REGISTRY = "/admin/integrations/applicationregistry"
ALIAS = "/admin/integrations/alias"
CREDENTIAL = "/admin/integrations/oauth2credential"
REGISTRY_LABELS = [  # essentials, then the folded groups
    "Name", "Issuer", "Authorization URL", "Token URL", "Client ID", "Client Secret", "Send Credentials",
    "Default Grant Type", "PKCE required", "Code challenge method", "Userinfo URL", "Refresh Token Lifespan",
    "Token Revocation URL", "Token Introspection URL", "Logo", "Comments", "Active",
]  # fmt: skip
TYPED = {
    "Name": "Northwind",
    "Client ID": "keyrack",
    "Client Secret": "CANARY-client-secret",
    "Authorization URL": "https://northwind.example/authorize",
    "Token URL": "https://northwind.example/token",
    "Token Revocation URL": "https://northwind.example/revoke",
}


def scope_rows(*scopes: str) -> dict[str, object]:
    rows: dict[str, object] = {"scopes-TOTAL_FORMS": "3"}
    for number, scope in enumerate(scopes):
        rows |= {f"scopes-{number}-name": scope.title(), f"scopes-{number}-scope": scope}
    return rows


def add_registry(client: Client, **also: object) -> ApplicationRegistry:
    response = submitted(client, f"{REGISTRY}/add/", TYPED, also=dict(also))
    assert not complaints(response)
    return ApplicationRegistry.objects.get()


def test_the_procedure_ends_with_an_integration_that_a_person_can_use(as_admin: Client, amira: User) -> None:
    submitted(
        as_admin, f"{REGISTRY}/add/", {**TYPED, ("profiles-0", "Name"): "Notes"}, also=scope_rows("read", "write")
    )
    profile = OAuthEntityProfile.objects.get()
    connection = {
        ("connections-0", "Name"): "Northwind API",
        ("connections-0", "Connection URL"): "https://northwind.example/api",
    }
    submitted(as_admin, f"{ALIAS}/add/", {"Name": "northwind", "Label": "Northwind CRM", **connection})
    typed = {"Name": "Northwind personal", "OAuth Entity Profile": str(profile.pk), "Integration Type": "personal"}
    submitted(as_admin, f"{CREDENTIAL}/add/", typed)
    linked = {("connections-0", "Credential"): str(OAuth2Credential.objects.get().pk)}
    response = submitted(as_admin, f"{ALIAS}/{Alias.objects.get().pk}/change/", linked)

    assert not complaints(response)
    (integration,) = integrations_of(amira)
    assert (integration.title, integration.state) == ("Northwind CRM", "not_connected")
    assert integration.requested_scope_labels == ["Read", "Write"]


def test_the_form_of_a_registry_has_the_labels_administrators_know_essentials_first(as_admin: Client) -> None:
    page = opened(as_admin, f"{REGISTRY}/add/")
    labels = [text.strip().rstrip(":") for text, _field in page.labels]
    assert [label for label in labels if label in REGISTRY_LABELS][: len(REGISTRY_LABELS)] == REGISTRY_LABELS


def test_the_redirect_url_on_the_empty_form_is_the_one_that_holds(as_admin: Client) -> None:
    page = opened(as_admin, f"{REGISTRY}/add/")
    as_admin.post(f"{REGISTRY}/add/", {**page.fields, **{page.named(label): text for label, text in TYPED.items()}})
    assert ApplicationRegistry.objects.get().redirect_url in page.text


def test_one_empty_form_makes_one_registry(as_admin: Client) -> None:
    page = opened(as_admin, f"{REGISTRY}/add/")
    fields = {**page.fields, **{page.named(label): text for label, text in TYPED.items()}}
    as_admin.post(f"{REGISTRY}/add/", fields)
    again = as_admin.post(f"{REGISTRY}/add/", {**fields, "name": "Another"})
    assert "This page was already saved. Open the registry from the list." in complaints(again)
    assert ApplicationRegistry.objects.count() == 1


def test_a_registry_without_a_profile_gets_one_that_asks_for_its_scopes(as_admin: Client) -> None:
    registry = add_registry(as_admin, **scope_rows("read"), default_grant_type="password")
    profile = registry.profiles.get()
    assert (profile.is_default, profile.grant_type, profile.scope_values()) == (True, "password", ["read"])


def test_a_profile_row_takes_the_default_grant_type_unless_it_names_one(as_admin: Client) -> None:
    rows = {"profiles-TOTAL_FORMS": "2", "profiles-0-name": "A", "profiles-1-name": "B"}
    registry = add_registry(
        as_admin, **rows, **{"default_grant_type": "password", "profiles-1-grant_type": "client_credentials"}
    )
    grants = {profile.name: profile.grant_type for profile in registry.profiles.all()}
    assert grants == {"A": "password", "B": "client_credentials"}


def test_a_profile_offers_the_scopes_of_its_own_registry_only(as_admin: Client, registry: ApplicationRegistry) -> None:
    other = ApplicationRegistry.objects.create(name="Other", client_id="x", token_url="https://other.example/token")
    other.scopes.create(name="Foreign", scope="foreign")
    registry.scopes.create(name="Own", scope="own")
    OAuthEntityProfile.objects.create(registry=registry, name="Notes")
    text = opened(as_admin, f"{REGISTRY}/{registry.pk}/change/").text
    assert "Own (own)" in text
    assert "Foreign" not in text


def test_two_default_profiles_are_refused_in_words(as_admin: Client) -> None:
    rows = {"profiles-TOTAL_FORMS": "2"} | {
        f"profiles-{row}-{field}": value
        for row in range(2)
        for field, value in {"name": f"P{row}", "is_default": "on"}.items()
    }
    response = submitted(as_admin, f"{REGISTRY}/add/", TYPED, also=rows)
    assert "Only one profile of a registry can be the default." in complaints(response)


def test_the_default_moves_from_one_profile_to_another_in_one_go(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    # The new one stands above the old one on the page, and is saved first.
    old = OAuthEntityProfile.objects.create(registry=registry, name="Zeta", is_default=True)
    new = OAuthEntityProfile.objects.create(registry=registry, name="Alpha")
    page = opened(as_admin, f"{REGISTRY}/{registry.pk}/change/")
    row_of = {
        value[0]: name.removesuffix("-id") for name, value in page.fields.items() if name.endswith("-id") and value
    }
    also = {f"{row_of[str(old.pk)]}-is_default": [], f"{row_of[str(new.pk)]}-is_default": "on"}
    response = submitted(as_admin, f"{REGISTRY}/{registry.pk}/change/", {}, also=also)
    assert not complaints(response)
    assert registry.profiles.get(is_default=True) == new


def test_a_new_default_takes_over_on_the_profiles_own_page(as_admin: Client, registry: ApplicationRegistry) -> None:
    OAuthEntityProfile.objects.create(registry=registry, name="Old", is_default=True)
    typed = {"Registry": str(registry.pk), "Name": "New", "Default": "on"}
    response = submitted(as_admin, "/admin/integrations/oauthentityprofile/add/", typed, button="_save")
    assert not complaints(response)
    assert registry.profiles.get(is_default=True).name == "New"
    assert "Scopes" in Page(response.content.decode()).text  # the page where its scopes are chosen
