"""The doctor tells what is wrong before anybody signs in, and whose it is to mend; it grants and ends nothing."""

from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.oauth_server.models import Application
from foundation import secrets_at_rest
from integrations.models import Alias, ApplicationRegistry
from integrations.provider_setup import doctor
from integrations.provider_setup.doctor import Finding
from tests import cast
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

REFUSED: dict[str, Any] = {"status": 400, "json": {"error": "invalid_grant"}}


def metadata_of(url: str, **changes: Any) -> dict[str, Any]:
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "revocation_endpoint": f"{url}/revoke",
        "introspection_endpoint": f"{url}/introspect",
        "userinfo_endpoint": f"{url}/userinfo",
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "scopes_supported": ["read"],
        **changes,
    }


@pytest.fixture
def healthy(server: HostileServer) -> HostileServer:
    server.on("GET /.well-known/oauth-authorization-server").always(json=metadata_of(server.url))
    server.on("GET /authorize").always(status=302, redirect="/login")
    server.on("POST /token").always(**REFUSED)
    server.on("POST /revoke").always(status=200)
    server.on("POST /introspect").always(json={"active": False})
    server.on("GET /userinfo").always(status=401)
    server.on("GET /api").always(status=404)
    return server


@pytest.fixture
def alias(db: None, healthy: HostileServer) -> Alias:
    url = healthy.url
    registry = cast.registry_at(
        url, issuer=url, token_introspection_url=f"{url}/introspect", userinfo_url=f"{url}/userinfo"
    )
    return cast.integration_at(registry)


def test_a_page_for_people_may_be_part_of_a_page(alias: Alias) -> None:
    ApplicationRegistry.objects.update(account_settings_url="https://northwind.example/account#apps")
    assert not [each for each in findings(alias) if each.is_fault]
    ApplicationRegistry.objects.update(account_settings_url="javascript:alert(1)#x")
    assert [each.whose for each in findings(alias) if each.is_fault] == ["administrator"]


@pytest.mark.parametrize(
    "name", ["authorization_parameters", "token_parameters", "call_headers", "userinfo_request", "revocation_request"]
)
def test_a_column_that_holds_nonsense_is_told_once_and_breaks_nothing(name: str, alias: Alias) -> None:
    ApplicationRegistry.objects.update(**{name: [1]})
    assert [each.whose for each in findings(alias) if each.is_fault] == ["administrator"]


def test_an_account_address_of_ones_own_is_no_mistake(alias: Alias, healthy: HostileServer) -> None:
    ApplicationRegistry.objects.update(userinfo_url=f"{healthy.url}/me")
    healthy.on("GET /me").always(status=401)
    assert not [each for each in findings(alias) if each.is_fault]
    assert [each for each in findings(alias) if each.is_open and "Userinfo URL: set to" in each.sentence]


def test_the_refresh_url_is_tried_with_a_made_up_token(alias: Alias, healthy: HostileServer) -> None:
    ApplicationRegistry.objects.update(refresh_url=f"{healthy.url}/refresh")
    assert "Refresh URL: there’s no such endpoint" in " ".join(each.sentence for each in findings(alias))
    healthy.on("POST /refresh").always(**REFUSED)
    assert not [each for each in findings(alias) if each.is_fault]
    healthy.on("POST /refresh").always(json={"access_token": "x", "token_type": "Bearer"})
    assert [each.whose for each in findings(alias) if each.is_fault] == ["provider"]


def findings(alias: Alias) -> list[Finding]:
    return [*doctor.examine_alias(Alias.objects.get(pk=alias.pk))]


def faults(alias: Alias) -> list[tuple[str, str]]:
    return [(finding.whose, finding.sentence) for finding in findings(alias) if finding.is_fault]


def test_a_whole_integration_needs_no_mending_and_nothing_is_granted(alias: Alias, healthy: HostileServer) -> None:
    found = findings(alias)
    assert not faults(alias)
    assert not [finding for finding in found if finding.is_open]
    assert "knows Client ID and Client Secret" in " ".join(finding.sentence for finding in found)
    sent = b"".join(call.body for call in healthy.calls) + str([call.headers for call in healthy.calls]).encode()
    assert b"CANARY-client-secret" not in sent  # Basic: it travels encoded, to the token endpoint alone
    assert {call.form["grant_type"] for call in healthy.calls_to("POST /token")} == {"authorization_code"}


Break = Callable[[HostileServer], object]


def saying(key: str, **answer: Any) -> Break:
    return lambda server: server.on(key).always(**answer)


def publishing(**changes: Any) -> Break:
    def publish(server: HostileServer) -> None:
        changed = {
            name: value.format(url=server.url) if isinstance(value, str) else value for name, value in changes.items()
        }
        server.on("GET /.well-known/oauth-authorization-server").always(json=metadata_of(server.url, **changed))

    return publish


@pytest.mark.parametrize(
    ("broken", "whose", "sentence"),
    [
        (
            saying("POST /token", status=401, json={"error": "invalid_client"}),
            "administrator",
            "the server rejects our client",
        ),
        (saying("POST /token", status=400, json={"error": "redirect_uri_mismatch"}), "administrator", "Register it"),
        (saying("POST /token", status=400, json={"error": "unsupported_grant_type"}), "administrator", "grant type"),
        (saying("POST /token", status=404), "administrator", "no such endpoint"),
        (saying("POST /token", status=302, redirect="/elsewhere"), "administrator", "Enter that one"),
        (saying("POST /token", status=503), "provider", "no proper answer"),
        (saying("POST /token", json={"access_token": "CANARY-gift"}), "provider", "for a made-up code"),
        (
            saying("GET /authorize", status=400, text="Invalid redirect_uri: CANARY"),
            "administrator",
            "the Redirect URL",
        ),
        (saying("GET /authorize", status=400, text="no"), "administrator", "Compare Client ID"),
        (saying("GET /authorize", status=404), "administrator", "no such endpoint"),
        (saying("GET /authorize", status=500), "provider", "no proper answer"),
        (saying("POST /revoke", status=401, json={"error": "invalid_client"}), "administrator", "could be revoked"),
        (saying("POST /revoke", status=404), "administrator", "no such endpoint"),
        (saying("POST /introspect", json={"active": True}), "provider", "calls a made-up token active"),
        (saying("GET /userinfo", status=404), "administrator", "no such endpoint"),
        (saying("GET /api", status=500), "provider", "has a problem"),
        (publishing(token_endpoint="{url}/tokens"), "administrator", "the server publishes"),
        (publishing(issuer="https://other.example"), "administrator", "names another issuer"),
        (publishing(token_endpoint_auth_methods_supported=["client_secret_post"]), "administrator", "accepts"),
        (publishing(code_challenge_methods_supported=["plain"]), "administrator", "supports plain"),
        (saying("GET /.well-known/oauth-authorization-server", status=503), "provider", "where its metadata"),
        (
            publishing(token_endpoint_auth_methods_supported=["private_key_jwt"]),
            "administrator",
            "only with keys or certificates (private_key_jwt)",
        ),
        (publishing(require_pushed_authorization_requests=True), "administrator", "(PAR, RFC 9126)"),
        (publishing(require_signed_request_object=True), "administrator", "(JAR, RFC 9101)"),
        (publishing(dpop_bound_access_tokens=True), "administrator", "DPoP, RFC 9449"),
        (publishing(response_modes_supported=["fragment"]), "administrator", "neither in the query nor by POST"),
        (publishing(response_types_supported=["id_token"]), "administrator", "“code”"),
        (publishing(grant_types_supported=["implicit"]), "administrator", "none of the grant types"),
        (publishing(id_token_encryption_alg_values_supported=["RSA-OAEP"]), "administrator", "encrypts id tokens"),
        (publishing(code_challenge_methods_supported=["S512"]), "administrator", "supports S512"),
    ],
)
def test_what_is_wrong_is_said_to_the_one_who_can_mend_it(
    broken: Break, whose: str, sentence: str, alias: Alias, healthy: HostileServer
) -> None:
    broken(healthy)
    (found,) = faults(alias)
    assert found[0] == whose
    assert sentence in found[1]
    assert "CANARY" not in str(findings(alias))


def test_what_the_server_demands_and_can_be_set_is_no_fault_once_it_is_set(
    alias: Alias, healthy: HostileServer
) -> None:
    publishing(response_modes_supported=["form_post"], dpop_signing_alg_values_supported=["ES256"])(healthy)
    said = " ".join(each.sentence for each in findings(alias) if each.is_open)
    assert "by POST only" in said
    assert "don’t require it for this client" in said
    assert not faults(alias)
    ApplicationRegistry.objects.update(provider_profile={"callback": {"posted": True}})
    assert "by POST only" not in str(findings(alias))


def test_an_issuer_of_many_tenants_is_examined_by_the_tenant_of_its_urls(alias: Alias, healthy: HostileServer) -> None:
    url, issuer = healthy.url, f"{healthy.url}/{{tenantid}}/v2.0"
    addresses = {"authorization_url": f"{url}/common/authorize", "token_url": f"{url}/common/token"}
    published = {"authorization_endpoint": addresses["authorization_url"], "token_endpoint": addresses["token_url"]}
    healthy.on("GET /common/authorize").always(status=302, redirect="/login")
    healthy.on("POST /common/token").always(**REFUSED)
    document = metadata_of(url, **published, issuer=issuer)
    healthy.on("GET /common/v2.0/.well-known/openid-configuration").always(json=document)
    ApplicationRegistry.objects.update(issuer=issuer, **addresses)
    assert "matches the server’s published metadata" in str(findings(alias))
    assert not faults(alias)
    ApplicationRegistry.objects.update(issuer=f"{url}/common/v2.0")
    assert f"The server publishes {issuer}" in " ".join(each.sentence for each in findings(alias) if each.is_open)
    ApplicationRegistry.objects.update(provider_profile={"id_token": {"issuers": [issuer]}})
    assert f"The server publishes {issuer}" not in str(findings(alias))


def test_a_server_that_sends_back_knows_us_or_says_what_is_wrong(alias: Alias, healthy: HostileServer) -> None:
    back = ApplicationRegistry.objects.get().redirect_url
    healthy.on("GET /authorize").always(status=302, redirect=f"{back}?error=login_required")
    assert not faults(alias)
    assert "knows the Client ID and the Redirect URL" in str(findings(alias))
    healthy.on("GET /authorize").always(status=302, redirect=f"{back}?error=invalid_scope")
    assert "invalid_scope" in faults(alias)[0][1]


@pytest.mark.parametrize(
    ("changes", "whose", "sentence"),
    [
        ({"client_secret": ""}, "administrator", "The Client Secret is missing."),
        ({"names_issuer": True}, "administrator", "the server does not promise it"),
        ({"misconfigured_code": "invalid_client"}, "administrator", "because of the set-up: invalid_client"),
        ({"token_introspection_url": "https://10.1.2.3/i"}, "administrator", "may not call this address"),
        ({"userinfo_url": "https://gone.example/u"}, "administrator", "its host has no address"),
        ({"revocation_request": {"verb": 1}}, "administrator", "“verb” is not known"),
        ({"active": False}, "administrator", "is not active"),
        ({"client_secret_expires_on": date(2026, 2, 28)}, "administrator", "Client Secret expired on 28 Feb 2026"),
    ],
)
def test_a_row_that_is_wrong_is_told_of(changes: dict[str, Any], whose: str, sentence: str, alias: Alias) -> None:
    registry = ApplicationRegistry.objects.get()
    for name, value in changes.items():
        setattr(registry, name, value)
    registry.save(update_fields=changes)
    assert whose in {found[0] for found in faults(alias) if sentence in found[1]}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            [f"later:{secrets_at_rest.new_key()}"],
            "is encrypted with the key {key}, which TOKEN_ENCRYPTION_KEYS doesn’t have.",
        ),
        (None, "TOKEN_ENCRYPTION_KEYS has another key of the same name"),
    ],
)
def test_a_secret_without_its_key_is_the_operators_to_mend_and_says_how(
    keys: list[str] | None, sentence: str, alias: Alias, settings: Settings
) -> None:
    """`keys`: None for other bytes under the same id."""
    key = secrets_at_rest.first_key_id()
    settings.TOKEN_ENCRYPTION_KEYS = keys or [f"{key}:{secrets_at_rest.new_key()}"]
    registry = ApplicationRegistry.objects.get()
    (finding,) = (each for each in doctor.examine_registry(registry) if each.is_fault)
    assert finding.whose == "ours"
    assert sentence.format(key=key) in finding.sentence
    assert finding.sentence.endswith("enter the Client Secret again.")


def test_other_grants_are_tried_without_anybodys_name(alias: Alias, healthy: HostileServer) -> None:
    registry = ApplicationRegistry.objects.get()
    registry.profiles.update(grant_type="password")
    assert not faults(alias)
    assert {call.form["grant_type"] for call in healthy.calls_to("POST /token")} == {"refresh_token"}
    registry.profiles.update(grant_type="client_credentials")
    healthy.on("POST /token").always(json={"access_token": "CANARY-own", "token_type": "Bearer"})
    assert not faults(alias)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("doctor", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("nobody", ["nobody", "", "../x"])
def test_an_alias_that_is_not_there_is_another_exit_code(nobody: str, alias: Alias) -> None:
    with pytest.raises(CommandError, match="There is no alias") as caught:
        run(nobody)
    assert caught.value.returncode == 2


def test_the_command_speaks_by_its_exit_code(alias: Alias, healthy: HostileServer) -> None:
    with pytest.raises(CommandError, match="1 to fix"):
        run()  # nobody does the background work
    cast.working_background()
    assert "Nothing to fix." in run()
    assert "Nothing to fix." in run("northwind")
    assert len(healthy.calls_to("POST /token")) == 3
    saying("POST /token", status=401, json={"error": "invalid_client"})(healthy)
    for arguments in ((), (alias.hex,)):
        with pytest.raises(CommandError, match="1 to fix") as caught:
            run(*arguments)
        assert caught.value.returncode == 1
    with pytest.raises(CommandError, match="There is no alias") as caught:
        run("nobody")
    assert caught.value.returncode == 2


@pytest.mark.usefixtures("db")
def test_a_program_that_waits_is_listed_and_is_no_fault() -> None:
    cast.working_background()
    assert "No program waits for an administrator." in run()
    Application.objects.create(
        client_id="https://editor.example/client.json",
        client_type="public",
        authorization_grant_type="authorization-code",
        registration_source="cimd",
        standing="waiting",
    )
    text = run()
    assert "open  1 program waits for an administrator to allow or block it (editor.example): http" in text
    assert "/admin/accounts/application/?standing__exact=waiting" in text
    assert "Nothing to fix." in text


@pytest.mark.slow
def test_the_check_button_shows_the_same_to_those_who_may_mend(
    alias: Alias, admin: Any, healthy: HostileServer
) -> None:
    page = f"/admin/integrations/applicationregistry/{ApplicationRegistry.objects.get().pk}"
    browser: Client = client_of(admin)
    assert b'id="check-registry"' in browser.get(f"{page}/change/").content
    saying("POST /token", status=401, json={"error": "invalid_client"})(healthy)
    html = browser.post(f"{page}/check/").content.decode()
    assert "To be fixed by an administrator" in html
    assert "the server rejects our client (invalid_client)" in html
    assert "CANARY" not in html
    assert browser.get(f"{page}/check/").status_code == 405
    onlooker = cast.person("onlooker", is_staff=True)
    called = len(healthy.calls)
    assert client_of(onlooker).post(f"{page}/check/").status_code == 403
    assert len(healthy.calls) == called
