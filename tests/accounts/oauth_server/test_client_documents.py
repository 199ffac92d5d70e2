"""Client ID Metadata Documents: whose are fetched, what is believed of them, and what people read."""

import html
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, RefreshToken
from pytest_django import Settings

from accounts import tasks
from accounts.audit.log import Event, Kind
from accounts.models import User
from accounts.oauth_server import client_documents, self_registration
from accounts.oauth_server.models import Application, Approval
from foundation.oauth_client import transport
from foundation.oauth_client.transport.sessions import trusted_roots
from tests.accounts import programs
from tests.accounts.programs import answer_consent, authorize_url, program
from tests.conftest import client_of
from tests.foundation.oauth_client.certificates import authority, issue
from tests.foundation.oauth_client.names import resolve_to
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

Publish = Callable[..., dict[str, Any]]
LOOPBACK = "http://127.0.0.1/callback"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """An https server at provider.example, whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    resolve_to(monkeypatch, ["127.0.0.1"])
    transport.configure(["127.0.0.0/8"])
    trusted_roots.cache_clear()
    with HostileServer(certificate=issue(tmp_path, "provider.example", signer=authority(tmp_path))) as server:
        yield server
    trusted_roots.cache_clear()
    transport.configure(django_settings.OUTBOUND_ALLOW)


@pytest.fixture
def netloc(host: HostileServer) -> str:
    return f"provider.example:{host.port}"


@pytest.fixture
def client_id(netloc: str, settings: Settings) -> str:
    """The address of a document at an allowed host."""
    settings.CLIENT_METADATA_HOSTS = [netloc]
    return f"https://{netloc}/client.json"


@pytest.fixture
def publish(host: HostileServer, client_id: str, netloc: str) -> Publish:
    """A function that puts the document at its address."""

    def publish(**fields: Any) -> dict[str, Any]:
        document = {
            "client_id": client_id,
            "client_name": "Editor",
            "redirect_uris": [f"https://{netloc}/callback", LOOPBACK],
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "none",
            **fields,
        }
        host.on("GET /client.json").always(json=document)
        return document

    publish()
    return publish


def url(client_id: str, **parameters: str) -> str:
    return authorize_url(**{"client_id": client_id, "redirect_uri": LOOPBACK, **parameters})


def allow(browser: Client, client_id: str, **parameters: str) -> str:
    fields = {"client_id": client_id, "redirect_uri": LOOPBACK, **parameters}
    return answer_consent(browser, {"allow": "true"}, **fields)["code"]


def exchange(client_id: str, code: str, **fields: str) -> Any:
    body = {"grant_type": "authorization_code", "code": code, "code_verifier": programs.VERIFIER}
    return Client().post("/o/token/", {**body, "client_id": client_id, "redirect_uri": LOOPBACK, **fields})


def make_stale(**fields: Any) -> None:
    Application.objects.update(cimd_expires_at=timezone.now() - timedelta(**(fields or {"seconds": 1})))
    cache.clear()


def test_a_document_that_is_fresh_for_longer_than_a_number_is_one(
    as_amira: Client, client_id: str, host: HostileServer, publish: Publish
) -> None:
    host.on("GET /client.json").always(json=publish(), headers={"Cache-Control": f"max-age={'9' * 5000}"})
    assert as_amira.get(url(client_id)).status_code == 200
    assert Application.objects.get(client_id=client_id).cimd_expires_at <= timezone.now() + timedelta(days=1)


@pytest.mark.usefixtures("publish")
def test_a_program_at_an_allowed_host_needs_no_administrator(
    as_amira: Client, client_id: str, host: HostileServer, netloc: str
) -> None:
    page = as_amira.get(url(client_id, scope="integrations:read tokens:read openid"))
    words = page.content.decode()
    for expected in (f"Allow {netloc}?", f"<strong>{netloc}</strong> vouches", "calls itself “", "Editor", LOOPBACK):
        assert expected in words
    assert "a program on this computer" in words
    assert "Read your access tokens" not in words
    tokens = exchange(client_id, allow(as_amira, client_id)).json()
    assert tokens["scope"] == "integrations:read"
    fields = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": tokens["refresh_token"]}
    answers = [Client().post("/o/token/", fields).json() for _process in range(2)]
    assert answers[0]["refresh_token"] == answers[1]["refresh_token"]
    assert len(host.calls) == 1
    assert "authorization" not in host.calls[0].headers


@pytest.mark.usefixtures("publish")
def test_any_port_of_the_own_computer_is_accepted_and_people_are_warned(as_amira: Client, client_id: str) -> None:
    page = as_amira.get(url(client_id, redirect_uri="http://127.0.0.1:51234/callback"))
    assert 'at <code translate="no">http://127.0.0.1:51234/callback</code>' in page.content.decode()
    assert as_amira.get(url(client_id, redirect_uri="http://127.0.0.1/other")).status_code == 400


@pytest.mark.parametrize(
    ("requested", "is_allowed"),
    [
        ("http://localhost:51234/cb", True), ("http://localhost/cb", True), ("http://localhost:51234/other", False),
        ("http://localhost.evil.example/cb", False), ("http://localhost@evil.example/cb", False),
        ("http://127.0.0.1:51234/cb", False), ("http://localhost:51234/cb#part", False),
        ("http://localhost:x/cb", False),
    ],
)  # fmt: skip
def test_a_document_that_names_localhost_means_any_port_of_it(
    as_amira: Client, client_id: str, publish: Publish, requested: str, is_allowed: bool
) -> None:
    publish(redirect_uris=["http://localhost/cb"])
    assert as_amira.get(url(client_id, redirect_uri=requested)).status_code == (200 if is_allowed else 400)


@pytest.mark.usefixtures("publish")
def test_a_document_is_asked_about_each_time(as_amira: Client, client_id: str) -> None:
    allow(as_amira, client_id)
    assert Approval.objects.count() == 1
    assert as_amira.get(url(client_id)).status_code == 200
    assert "consent_required" in as_amira.get(url(client_id, prompt="none"))["Location"]


@pytest.mark.slow
def test_a_host_that_is_not_allowed_is_not_called_until_an_administrator_allows_it(
    as_amira: Client, client_id: str, publish: Publish, host: HostileServer, settings: Settings, admin: User
) -> None:
    settings.CLIENT_METADATA_HOSTS = []
    page = as_amira.get(url(client_id))
    assert page.status_code == 403
    assert "Administrators see that you asked" in page.content.decode()
    assert host.connections == 0
    application = Application.objects.get()
    assert (application.standing, application.redirect_uris) == ("waiting", "")
    assert Event.objects.get(kind=Kind.APPLICATION_ASKED_FOR).whose_name == "amira"
    answer = {"action": "allow_selected", "_selected_action": [str(application.pk)]}
    client_of(admin).post("/admin/accounts/application/", answer)
    assert as_amira.get(url(client_id)).status_code == 200
    assert exchange(client_id, allow(as_amira, client_id)).status_code == 200
    client_of(admin).post("/admin/accounts/application/", {**answer, "action": "block_selected"})
    assert "has blocked" in as_amira.get(url(client_id)).content.decode()
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.filter(revoked=None).exists()


def test_the_role_of_oauth_admins_decides_and_who_may_only_look_does_not(as_amira: Client) -> None:
    as_amira.get(url("https://evil.example/x.json"))
    application = Application.objects.get()
    answer = {"action": "allow_selected", "_selected_action": [str(application.pk)]}
    for role, standing in (("Auditor", "waiting"), ("OAuth Admin", "allowed")):
        administrator = User.objects.create_user(role, password="CANARY-a-password-1", is_staff=True)
        administrator.groups.add(Group.objects.get(name=role))
        client_of(administrator).post("/admin/accounts/application/", answer)
        application.refresh_from_db()
        assert application.standing == standing


@pytest.mark.parametrize(
    "client_id",
    [
        "https://169.254.169.254/latest/meta-data/", "https://localhost/x", "https://[::1]/x", "https://10.0.0.1/x.json",
        "https://evil.example/x.json",
    ],
)  # fmt: skip
def test_an_address_that_a_stranger_chooses_is_never_called(
    as_amira: Client, client_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "request", lambda *_arguments, **_options: pytest.fail("called"))
    assert as_amira.get(url(client_id)).status_code == 403
    assert Client().get(url(client_id))["Location"].startswith("/accounts/login/")
    assert exchange(client_id, "a-code").json()["error"] == "invalid_client"
    assert Application.objects.get().standing == "waiting"


@pytest.mark.parametrize(
    "client_id",
    [
        "http://provider.example/x", "https://provider.example", "https://user@provider.example/x",
        "https://provider.example/x#part", "https://provider.example/a/../x", "https://provider.example:99999/x",
        "https://pr\u043evider.example/x", "https://provider.example/" + "x" * 300, "https://provider.example\\@evil/x",
    ],
)  # fmt: skip
def test_an_address_of_another_form_is_an_unknown_program(as_amira: Client, client_id: str) -> None:
    assert as_amira.get(url(client_id)).status_code == 400
    assert not Application.objects.exists()


@pytest.mark.usefixtures("publish")
def test_nobody_makes_keyrack_fetch_without_signing_in(client_id: str, host: HostileServer) -> None:
    Client().get(url(client_id))
    for path in ("/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/device/authorize/"):
        fields = {"client_id": client_id, "grant_type": "authorization_code", "code": "x", "token": "x"}
        assert Client().post(path, fields).status_code in {400, 401}
    assert host.connections == 0
    assert not Application.objects.exists()


def test_one_person_cannot_name_programs_without_end(as_amira: Client) -> None:
    statuses = [as_amira.get(url(f"https://evil.example/{number}")).status_code for number in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    assert as_amira.get(url("https://evil.example/1")).status_code == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "https://other.example/client.json"},
        {"redirect_uris": ["https://evil.example/callback"]},
        {"redirect_uris": ["http://provider.example/callback", "javascript://x", "http://[", 5]},
        {"redirect_uris": "x"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"client_secret": "x"},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["implicit"]},
    ],
)
def test_a_document_that_breaks_the_rules_is_an_unknown_program(
    as_amira: Client, client_id: str, publish: Publish, fields: dict[str, Any]
) -> None:
    publish(**fields)
    assert as_amira.get(url(client_id)).status_code == 400
    assert not Application.objects.exclude(redirect_uris="").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404}, {"redirect": "https://evil.example/client.json"}, {"text": "{}"}, {"delay": 7},
        {"endless": True}, {"close": True}, {"bomb": 10 << 20}, {"drip": 0.2, "body": b"{" * 100},
        {"drip_headers": 0.2}, {"truncated": True, "json": {"client_id": "x"}},
        {"body": b"[" * 15000, "headers": {"Content-Type": "application/json"}},
        {"body": b" " * 20000, "headers": {"Content-Type": "application/json"}},
    ],
    ids=lambda answer: next(iter(answer)),
)  # fmt: skip
def test_what_is_no_document_is_not_waited_for_and_not_asked_for_again_at_once(
    as_amira: Client, client_id: str, host: HostileServer, answer: dict[str, Any]
) -> None:
    host.on("GET /client.json").always(**answer)
    assert as_amira.get(url(client_id)).status_code == 400
    connections = host.connections
    assert as_amira.get(url(client_id)).status_code == 400
    assert host.connections == connections
    assert not Application.objects.exists()


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "100.64.0.1", "::ffff:10.0.0.1"])
def test_an_allowed_host_that_leads_into_the_own_network_is_not_called(
    as_amira: Client, client_id: str, host: HostileServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    transport.configure([])
    resolve_to(monkeypatch, [address])
    assert as_amira.get(url(client_id)).status_code == 400
    assert host.connections == 0


def test_what_else_a_document_says_is_neither_fetched_nor_shown(
    as_amira: Client, client_id: str, publish: Publish, host: HostileServer, netloc: str
) -> None:
    """Logos, addresses of policies, keys, and descriptions in other languages."""
    elsewhere = f"https://{netloc}/elsewhere"
    names = (
        "logo_uri",
        "client_uri",
        "tos_uri",
        "policy_uri",
        "jwks_uri",
        "software_statement",
        "sector_identifier_uri",
    )
    publish(**dict.fromkeys(names, elsewhere), **{"client_name#de": "<b>Ihre Bank</b>", "scope": "tokens:read"})
    page = as_amira.get(url(client_id)).content.decode()
    assert "elsewhere" not in page
    assert "Ihre Bank" not in page
    assert "Read your access tokens" not in page
    assert [call.path for call in host.calls] == ["/client.json"]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "{{ 7*7 }}", "a" * 10_000, "\u202eabc\u2066", "Editor\n\nAllow"]
)
def test_a_name_is_quoted_as_text(as_amira: Client, client_id: str, publish: Publish, name: str) -> None:
    publish(client_name=name)
    page = as_amira.get(url(client_id)).content.decode()
    assert "<script>alert" not in page
    assert not {"\u202e", "\u2066"} & set(Application.objects.get().name)
    assert len(Application.objects.get().name) <= 80
    assert Application.objects.get().name in html.unescape(page)


def test_redirect_addresses_on_other_hosts_are_left_out(
    as_amira: Client, client_id: str, publish: Publish, netloc: str
) -> None:
    publish(redirect_uris=["https://evil.example/callback", f"https://{netloc}/callback", "cursor://callback"])
    assert as_amira.get(url(client_id, redirect_uri=f"https://{netloc}/callback")).status_code == 200
    assert as_amira.get(url(client_id, redirect_uri="https://evil.example/callback")).status_code == 400
    assert Application.objects.get().redirect_uris == f"https://{netloc}/callback"


def test_a_document_that_changes_between_consent_and_token_gives_nothing(
    as_amira: Client, client_id: str, publish: Publish, netloc: str
) -> None:
    code = allow(as_amira, client_id)
    publish(redirect_uris=[LOOPBACK, f"https://{netloc}/stolen"])
    make_stale()
    assert exchange(client_id, code).json()["error"] == "invalid_grant"
    assert not Grant.objects.exists()
    assert not Approval.objects.exists()


def test_a_document_that_changes_while_the_page_is_open_is_shown_again(
    as_amira: Client, client_id: str, publish: Publish, host: HostileServer
) -> None:
    page = as_amira.get(url(client_id))
    publish(client_name="Another")
    make_stale()
    fetched = len(host.calls)
    form = {**programs.hidden_fields(page), "allow": "true"}
    assert "code=" in as_amira.post(url(client_id), form)["Location"]  # not renewed by the answer to a form
    assert len(host.calls) == fetched
    as_amira.get(url(client_id))
    assert Application.objects.get().name == "Another"
    assert not Grant.objects.exists()
    assert as_amira.post(url(client_id), form)["Location"] == url(client_id)  # asked again


def test_the_last_good_document_counts_for_a_week(
    as_amira: Client, client_id: str, publish: Publish, host: HostileServer
) -> None:
    allow(as_amira, client_id)
    host.on("GET /client.json").always(status=503)
    make_stale(days=6)
    assert as_amira.get(url(client_id)).status_code == 200
    make_stale(days=8)
    assert as_amira.get(url(client_id)).status_code == 400


@pytest.mark.parametrize(
    "name", ["Weekly digest", "WEEKLY-DIGEST", "\uff37eekly d\u00eegest", "\u202eKeyrack", "key rack"]
)
def test_a_name_that_imitates_another_is_not_shown(
    as_amira: Client, client_id: str, publish: Publish, name: str
) -> None:
    program()
    publish(client_name=name)
    page = as_amira.get(url(client_id)).content.decode()
    assert name.strip("\u202e") not in page.replace("Keyrack", "")
    assert Application.objects.get(client_id=client_id).name == ""


def test_a_name_is_one_line_of_visible_letters() -> None:
    assert self_registration.clean_name(" A\n\u202eb\u200b\x00  c ") == "A b c"
    assert len(self_registration.clean_name("x" * 500)) == 80


@pytest.mark.usefixtures("publish")
def test_an_application_of_an_administrator_is_not_taken_over(as_amira: Client, client_id: str) -> None:
    program(client_id=client_id, name="Ours", redirect_uris="https://ours.example/callback")
    page = as_amira.get(url(client_id, redirect_uri="https://ours.example/callback"))
    assert "Allow Ours?" in page.content.decode()


def test_documents_can_be_turned_off(as_amira: Client, settings: Settings) -> None:
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "CIMD_ENABLED": False}
    assert as_amira.get(url("https://evil.example/x.json")).status_code == 400
    assert not Application.objects.exists()
    assert not metadata()["client_id_metadata_document_supported"]


def metadata() -> dict[str, Any]:
    answer: dict[str, Any] = Client().get("/.well-known/oauth-authorization-server").json()
    return answer


def test_metadata_says_that_documents_are_read() -> None:
    assert metadata()["client_id_metadata_document_supported"] is True


def test_undecided_and_unused_programs_are_forgotten_and_blocked_ones_are_not(as_amira: Client) -> None:
    for number in range(3):
        as_amira.get(url(f"https://evil.example/{number}"))
    first, second, third = Application.objects.order_by("client_id")
    long_ago = timezone.now() - timedelta(days=100)
    Application.objects.update(created=long_ago, updated=long_ago)
    Application.objects.filter(pk=second.pk).update(standing="blocked")
    Application.objects.filter(pk=third.pk).update(standing="allowed", last_used_at=timezone.now())
    tasks.clear_expired_grants()
    assert set(Application.objects.values_list("pk", flat=True)) == {second.pk, third.pk}
    assert first.standing == "waiting"
    assert client_documents.is_host_allowed("https://evil.example/1") is False
