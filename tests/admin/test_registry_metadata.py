"""The button Fill from metadata on the form of an application registry: what is filled in, kept and offered."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import ApplicationRegistry
from tests import cast
from tests.admin.forms import Page, complaints, submitted
from tests.admin.test_registries import ADD, AGAIN, page_of, stored
from tests.browser.readers import ENGLISH
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow


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
    typed = {"Name": "Northwind", "Client ID": "k", "Issuer": server.url, "Client Secret": "CANARY typed"}
    filled = submitted(as_admin, ADD, typed, button="_fill")
    assert "CANARY" not in filled.content.decode()
    page = Page(filled.content.decode())
    as_admin.post(ADD, {**page.fields, "_save": "Save"})
    assert ApplicationRegistry.objects.get().client_secret == "CANARY typed"


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


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_both_spellings_of_the_issuer_are_named(as_admin: Client, server: HostileServer) -> None:
    published(server, "https://other.example")
    sentence = said(submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill"))
    assert f"https://other.example, not {server.url}" in sentence
    assert "enter the address of the document" in sentence


def test_the_address_of_a_document_is_replaced_by_the_issuer_that_it_names(
    as_admin: Client, server: HostileServer
) -> None:
    published(server, "https://sts.northwind.example/7/")
    address = f"{server.url}/.well-known/oauth-authorization-server"
    response = submitted(as_admin, ADD, {"Issuer": address}, button="_fill")
    fields = response.context["adminform"].form
    assert fields["issuer"].value() == "https://sts.northwind.example/7/"
    assert fields["token_url"].value() == f"{server.url}/tokens"
    assert "The issuer is https://sts.northwind.example/7/" in said(response)


def test_the_issuer_of_many_tenants_is_filled_in_saved_and_filled_in_again(
    as_admin: Client, server: HostileServer
) -> None:
    issuer = f"{server.url}/{{tenantid}}/v2.0"
    document = {"issuer": issuer, "authorization_endpoint": f"{server.url}/common/authorize"}
    document["token_endpoint"] = f"{server.url}/common/token"
    server.on("GET /common/v2.0/.well-known/openid-configuration").always(json=document)
    typed = {"Name": "Northwind", "Client ID": "k", "Client Secret": "x", "Issuer": f"{server.url}/common/v2.0"}
    response = submitted(as_admin, ADD, typed, button="_fill")
    assert "each person’s tenant is accepted" in said(response)
    page = Page(response.content.decode())
    as_admin.post(ADD, {**page.fields, "_save": "Save"})
    registry = ApplicationRegistry.objects.get()
    assert registry.issuer == issuer
    again = submitted(as_admin, page_of(registry), {}, button="_fill")
    assert "Filled in from" in said(again)
    assert again.context["adminform"].form["issuer"].value() == issuer


def test_each_place_and_its_answer_is_named_if_none_has_metadata(as_admin: Client, server: HostileServer) -> None:
    server.on("GET /.well-known/oauth-authorization-server").always(status=403, text="<Error>AccessDenied</Error>")
    server.on("GET /.well-known/openid-configuration").always(text="<html>Sign in</html>")
    sentence = said(submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill"))
    assert "oauth-authorization-server: HTTP 403; /.well-known/openid-configuration: the answer is not" in sentence


def test_what_a_document_leaves_out_is_said(as_admin: Client, server: HostileServer) -> None:
    published(server, server.url, token_endpoint=None)
    response = submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill")
    assert "names no token endpoint, where codes become tokens. Take the Token URL from" in said(response)
    assert response.context["adminform"].form["authorization_url"].value() == f"{server.url}/auth"
    assert not response.context["adminform"].form["token_url"].value()


def test_a_document_without_endpoints_is_refused_in_a_sentence(as_admin: Client, server: HostileServer) -> None:
    published(server, server.url, token_endpoint=None, authorization_endpoint=None)
    response = submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill")
    assert "names no token endpoint" in said(response)
    assert not response.context["adminform"].form["authorization_url"].value()


def test_what_the_server_demands_and_keyrack_cannot_do_is_said(as_admin: Client, server: HostileServer) -> None:
    published(
        server,
        server.url,
        require_pushed_authorization_requests=True,
        token_endpoint_auth_methods_supported=["tls_client_auth"],
        response_modes_supported=["form_post"],
    )
    sentence = said(submitted(as_admin, ADD, {"Issuer": server.url}, button="_fill"))
    for words in ("PAR, RFC 9126", "(tls_client_auth)", "by POST only"):
        assert words in sentence


def test_onlookers_cannot_make_keyrack_call_an_issuer(
    as_onlooker: Client, registry: ApplicationRegistry, server: HostileServer
) -> None:
    response = as_onlooker.post(page_of(registry), {"_fill": "1", "issuer": server.url})
    assert response.status_code == 403
    assert not server.calls


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"issuer": "{url}/"}, "unterscheidet sich im Schrägstrich am Ende: Er lautet {url}/, nicht {url}"),
        ({"issuer": "https://other.example"}, "nennt einen anderen Aussteller: https://other.example, nicht {url}"),
        ({"token_endpoint": 7}, "token_endpoint ist keine URL"),
        ({"token_endpoint": "ftp://x.example"}, "token_endpoint: die URL beginnt nicht mit https"),
        ({"token_endpoint": None, "authorization_endpoint": None}, "das Dokument nennt keinen Token-Endpunkt"),
        ({"answer": {"status": 500}}, "/.well-known/oauth-authorization-server: HTTP 500"),
        ({"answer": {"status": 302, "headers": {"Location": "/"}}}, "eine Weiterleitung (HTTP 302)"),
        ({"answer": {"text": "<html>"}}, "die Antwort ist kein JSON-Objekt"),
    ],
)
def test_what_a_server_publishes_wrongly_is_said_in_the_language_of_the_reader(
    as_admin: Client, server: HostileServer, fields: dict[str, Any], sentence: str
) -> None:
    """With nothing of the error's own English between the words."""
    if "answer" in fields:
        for place in ("oauth-authorization-server", "openid-configuration"):
            server.on(f"GET /.well-known/{place}").always(**fields["answer"])
    else:
        issuer = str(fields.get("issuer", server.url)).format(url=server.url)
        published(server, issuer, **{name: value for name, value in fields.items() if name != "issuer"})
    page = as_admin.post("/admin/providers/add/any/", {"address": server.url}, headers={"accept-language": "de"})
    error = page.context["error"]
    assert sentence.format(url=server.url) in error
    assert not ENGLISH.search(error)
