"""Aliases and connections: one active, off with a reason, and no token to a host nobody vouched for."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    Event,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    Revocation,
    Token,
)
from tests import cast, walks
from tests.admin.forms import complaints, opened, submitted
from tests.conftest import client_of

ONE_ACTIVE = "This alias has another active connection; only one can be active."


def page_of(alias: Alias) -> str:
    return f"/admin/integrations/alias/{alias.pk}/change/"


def another(alias: Alias, **fields: object) -> HttpConnection:
    credential = OAuth2Credential.objects.get()
    return HttpConnection.objects.create(
        **{"alias": alias, "name": "Second", "credential": credential, "connection_url": "https://b.example", **fields}
    )


def row_of(client: Client, alias: Alias, connection: HttpConnection) -> str:
    fields = opened(client, page_of(alias)).fields
    return next(name.removesuffix("-id") for name, value in fields.items() if value == [str(connection.pk)])


@pytest.mark.slow
def test_two_active_connections_are_refused_in_words(as_admin: Client, northwind: Alias) -> None:
    second = another(northwind, active=False)
    row = row_of(as_admin, northwind, second)
    response = submitted(as_admin, page_of(northwind), {(row, "Active"): "on"})
    assert complaints(response) == [ONE_ACTIVE]
    assert not HttpConnection.objects.get(pk=second.pk).active


def test_two_active_connections_are_refused_on_their_own_page(as_admin: Client, northwind: Alias) -> None:
    second = another(northwind, active=False)
    response = submitted(as_admin, f"/admin/integrations/httpconnection/{second.pk}/change/", {"Active": "on"})
    assert complaints(response) == [ONE_ACTIVE]


@pytest.mark.slow
def test_the_active_connection_changes_in_one_go(as_admin: Client, northwind: Alias) -> None:
    first, second = HttpConnection.objects.get(), another(northwind, active=False)
    rows = row_of(as_admin, northwind, first), row_of(as_admin, northwind, second)
    response = submitted(as_admin, page_of(northwind), {(rows[0], "Active"): [], (rows[1], "Active"): "on"})
    assert not complaints(response)
    assert Alias.objects.get().connection == second


@pytest.mark.slow
def test_turning_off_needs_a_reason_and_turning_on_forgets_it(as_admin: Client, northwind: Alias) -> None:
    refused = submitted(as_admin, page_of(northwind), {"Active": []})
    assert complaints(refused) == ["Say why it’s off. People read this on their card."]
    submitted(as_admin, page_of(northwind), {"Active": [], "Reason when off": "Contract ended"})
    off = Alias.objects.get()
    assert (off.active, off.inactive_reason) == (False, "Contract ended")
    assert off.deactivated_at is not None
    submitted(as_admin, page_of(northwind), {"Label": "Still off"})
    assert Alias.objects.get().deactivated_at == off.deactivated_at
    submitted(as_admin, page_of(northwind), {"Active": "on"})
    on = Alias.objects.get()
    assert (on.active, on.inactive_reason, on.deactivated_at) == (True, "", None)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"Name": "two words"}, "name"),
        ({"Type": "credential"}, "credential"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_told_at_the_field(
    as_admin: Client, northwind: Alias, typed: dict[str, str], field: str
) -> None:
    response = submitted(as_admin, page_of(northwind), typed)
    assert list(response.context["adminform"].errors) == [field]


def test_a_credential_on_an_alias_with_connections_is_refused_at_the_field(as_admin: Client, northwind: Alias) -> None:
    typed = {"Credential": str(OAuth2Credential.objects.get().pk)}
    response = submitted(as_admin, page_of(northwind), typed)
    assert list(response.context["adminform"].errors) == ["credential"]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["alias", "own"])
def test_tokens_do_not_follow_to_a_new_host_unasked(
    as_admin: Client, northwind: Alias, token: Token, page: str
) -> None:
    connection = HttpConnection.objects.get()
    row = row_of(as_admin, northwind, connection) if page == "alias" else ""
    address = page_of(northwind) if row else f"/admin/integrations/httpconnection/{connection.pk}/change/"
    moved = {(row, "Connection URL"): "https://evil.example/api"}
    refused = submitted(as_admin, address, moved)
    assert [
        "https://evil.example:443" in complaint and "https://northwind.example:443" in complaint
        for complaint in complaints(refused)
    ]
    assert HttpConnection.objects.get().connection_url == connection.connection_url
    assert "Enter the Client Secret of the application registry" in refused.content.decode()
    prefix = f"{row}-" if row else ""
    for also in ({f"{prefix}same_provider": "on"}, {f"{prefix}client_secret": "guessed"}):
        submitted(as_admin, address, moved, also=also)
        assert HttpConnection.objects.get().connection_url == connection.connection_url
    submitted(as_admin, address, moved, also={f"{prefix}client_secret": "CANARY-client-secret"})
    assert HttpConnection.objects.get().connection_url == "https://evil.example/api"
    assert token.address_changes("https://evil.example/api")


def test_a_new_alias_cannot_lead_the_tokens_of_a_credential_elsewhere(as_admin: Client, token: Token) -> None:
    typed = {
        "Name": "trap",
        ("connections-0", "Name"): "Trap",
        ("connections-0", "Credential"): str(token.credential_id),
        ("connections-0", "Connection URL"): "https://evil.example/api",
    }
    submitted(as_admin, "/admin/integrations/alias/add/", typed)
    assert not HttpConnection.objects.filter(connection_url__contains="evil").exists()


@pytest.mark.slow
def test_another_path_at_the_same_host_is_nobodys_question(as_admin: Client, northwind: Alias, token: Token) -> None:
    row = row_of(as_admin, northwind, HttpConnection.objects.get())
    typed = {(row, "Connection URL"): "https://northwind.example/v2"}
    assert not complaints(submitted(as_admin, page_of(northwind), typed))


@pytest.mark.slow
def test_a_connection_url_has_no_query(as_admin: Client, northwind: Alias) -> None:
    row = row_of(as_admin, northwind, HttpConnection.objects.get())
    typed = {(row, "Connection URL"): "https://northwind.example/api?key=1"}
    assert complaints(submitted(as_admin, page_of(northwind), typed)) == ["This address has no query (?)."]


def test_the_initiator_url_can_be_copied_from_the_page(as_admin: Client, northwind: Alias) -> None:
    html = as_admin.get(page_of(northwind)).content.decode()
    match = re.search(r'<code>([^<]+)</code> <button type="button" class="button" data-copy ', html)
    assert match is not None
    assert unescape(match[1]) == f"http://127.0.0.1:8000{walks.start_url(northwind)}"


def test_the_list_shows_where_each_alias_leads(as_admin: Client, northwind: Alias) -> None:
    text = opened(as_admin, "/admin/integrations/alias/?q=northwind").text
    assert "https://northwind.example/api" in text
    assert "Connection and Credential" in text


def page_to_delete(row: Alias | HttpConnection) -> str:
    return f"/admin/integrations/{row._meta.model_name}/{row.pk}/delete/"


def only_connection(alias: Alias) -> HttpConnection:
    return HttpConnection.objects.get()


def itself(alias: Alias) -> Alias:
    return alias


@pytest.mark.slow
@pytest.mark.parametrize("what", [itself, only_connection])
def test_deleting_the_last_that_stands_on_a_credential_ends_its_sign_ins_and_says_so_before(
    what: Any, as_admin: Client, northwind: Alias, token: Token
) -> None:
    address = page_to_delete(what(northwind))
    page = opened(as_admin, address).text
    assert "1 sign-in is affected: amira. Nothing else uses their credential. They end" in page
    as_admin.post(address, {"post": "yes"})
    assert not Token.objects.exists()
    revocation = Revocation.objects.get()
    assert (revocation.user, revocation.reason) == (token.user, "alias_deleted")
    assert Event.objects.get(kind="revoked").detail == "the integration was deleted"


def second_connection(alias: Alias) -> None:
    HttpConnection.objects.create(
        alias=Alias.objects.create(name="second"),
        name="second",
        credential=alias.effective_credential,
        connection_url="https://northwind.example/two",
        active=False,
    )


def second_alias(alias: Alias) -> None:
    Alias.objects.create(name="second", type="credential", credential=alias.effective_credential)


@pytest.mark.parametrize("also", [second_connection, second_alias])
@pytest.mark.slow
def test_deleting_one_of_two_that_stand_on_a_credential_keeps_its_sign_ins(
    also: Any, as_admin: Client, northwind: Alias, token: Token
) -> None:
    also(northwind)
    page = opened(as_admin, page_to_delete(northwind)).text
    assert "Their sign-ins stay, because something else uses the credential" in page
    assert "they end" not in page
    as_admin.post(page_to_delete(northwind), {"post": "yes"})
    assert Token.objects.exists()
    Alias.objects.all().delete()  # both ways together, and by a program
    assert not Token.objects.exists()


# The usual case: one page -----------------------------------------------------------------------------------------


def another_profile(registry: ApplicationRegistry, name: str = "Wider") -> OAuthEntityProfile:
    return OAuthEntityProfile.objects.create(registry=registry, name=name, grant_type="authorization_code")


@pytest.mark.slow
def test_one_page_changes_an_integration_as_a_whole(as_admin: Client, northwind: Alias, amira: User) -> None:
    group, wider = Group.objects.create(name="Sales"), another_profile(ApplicationRegistry.objects.get())
    row = row_of(as_admin, northwind, HttpConnection.objects.get())
    typed = {
        "Name": "crm",
        "Label": "The CRM",
        "OAuth Entity Profile": str(wider.pk),
        (row, "Connection URL"): "https://northwind.example/api/v2",
    }
    assert not complaints(submitted(as_admin, page_of(northwind), typed, also={"groups": [str(group.pk)]}))
    alias = Alias.objects.complete().get()
    assert (alias.name, alias.title, [*alias.groups.all()]) == ("crm", "The CRM", [group])
    assert alias.connection
    assert alias.connection.connection_url == "https://northwind.example/api/v2"
    assert alias.effective_credential
    assert alias.effective_credential.profile == wider
    text = opened(as_admin, page_of(northwind)).text
    assert "Northwind · Wider" in text
    assert "Credential: northwind" in text


def test_people_are_not_moved_to_another_provider(as_admin: Client, northwind: Alias, token: Token) -> None:
    elsewhere = another_profile(cast.registry_at("https://elsewhere.example", name="Elsewhere"))
    response = submitted(as_admin, page_of(northwind), {"OAuth Entity Profile": str(elsewhere.pk)})
    assert complaints(response) == [
        "It belongs to another application registry. Revoke the tokens first, or make a new credential."
    ]
    assert OAuth2Credential.objects.get().profile != elsewhere


def test_a_credential_that_others_use_is_changed_on_its_own_page(as_admin: Client, northwind: Alias) -> None:
    cast.integration_at(ApplicationRegistry.objects.get(), name="second")
    credential = OAuth2Credential.objects.get(name="northwind")
    Alias.objects.create(name="third", type="credential", credential=credential)
    page = opened(as_admin, page_of(northwind))
    assert "profile" not in page.fields
    assert "Credential: northwind" in page.text
    assert "profile" in opened(as_admin, page_of(Alias.objects.get(name="second"))).fields


def test_who_may_not_change_credentials_changes_no_profile(northwind: Alias) -> None:
    staff = cast.person("connector", role=False, is_staff=True)
    staff.groups.add(Group.objects.get(name="Connection Admin"))
    client, wider = client_of(staff), another_profile(ApplicationRegistry.objects.get())
    page = opened(client, page_of(northwind))
    assert "profile" not in page.fields
    client.post(page_of(northwind), {**page.fields, "profile": str(wider.pk)})
    assert OAuth2Credential.objects.get().profile != wider


def test_a_form_with_errors_is_shown_again_when_the_credential_was_only_typed(
    as_admin: Client, northwind: Alias
) -> None:
    lonely = Alias.objects.create(name="lonely")
    credential = OAuth2Credential.objects.create(name="free", profile=OAuthEntityProfile.objects.get())
    typed = {"Type": "credential", "Credential": str(credential.pk), "Name": "not a name"}
    assert complaints(submitted(as_admin, page_of(lonely), typed)) == ["Letters, digits and underscores only."]


@pytest.mark.slow
def test_a_registry_leads_to_its_integrations(as_admin: Client, northwind: Alias) -> None:
    registry = ApplicationRegistry.objects.get()
    content = as_admin.get(f"/admin/integrations/applicationregistry/{registry.pk}/change/").content.decode()
    assert f'<a href="{page_of(northwind)}">Northwind CRM</a>' in content
