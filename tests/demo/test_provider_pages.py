"""Switches, pages, starting and seeding of the demo provider, as a visitor sees them."""

import hashlib
import re
import sqlite3
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from demo import browserless
from tests.demo.hub_client import CLIENTS, Hub, client, press
from tests.servers.demo_provider import CHECKOUT, Provider

pytestmark = pytest.mark.slow


def test_a_switch_makes_revocations_fail_for_one_client(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    press(amira, hub.provider, "revocations_fail", on=True, client_name="Notes")
    try:
        answer = hub.post("/o/revoke_token/", token=told["refresh_token"])
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert hub.get("/api/whoami/", told["access_token"]).status_code == 200
        other = Hub(hub.provider, "other")
        assert other.post("/o/revoke_token/", token="anything").status_code == 200
    finally:
        press(amira, hub.provider, "revocations_fail", on=False, client_name="Notes")
    assert hub.post("/o/revoke_token/", token=told["refresh_token"]).status_code == 200


def test_a_switch_takes_tokens_and_api_down_for_all(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    press(amira, hub.provider, "down", on=True)
    try:
        assert hub.refresh(told["refresh_token"]).status_code == 503
        down = hub.get("/api/whoami/", told["access_token"])
        assert (down.status_code, down.headers["Retry-After"]) == (503, "30")
        assert amira.get(f"{hub.provider.url}/", timeout=30).status_code == 200
    finally:
        press(amira, hub.provider, "down", on=False)
    assert hub.refresh(told["refresh_token"]).status_code == 200


def test_a_switch_makes_one_client_slow(hub: Hub, amira: requests.Session) -> None:
    token = Hub(hub.provider, "other").tokens(amira)["access_token"]
    press(amira, hub.provider, "slow", on=True, client_name="Other")
    try:
        began = time.monotonic()
        assert hub.get("/api/whoami/", token).status_code == 200
        assert time.monotonic() - began >= 5
    finally:
        press(amira, hub.provider, "slow", on=False, client_name="Other")


def test_a_switch_makes_tokens_short_lived(hub: Hub, amira: requests.Session) -> None:
    press(amira, hub.provider, "short_lived", on=True, client_name="Notes")
    try:
        assert hub.tokens(amira)["expires_in"] == 60
    finally:
        press(amira, hub.provider, "short_lived", on=False, client_name="Notes")


def test_removing_access_ends_this_persons_grants_alone(
    hub: Hub, amira: requests.Session, tomas: requests.Session
) -> None:
    hers, his = hub.tokens(amira), hub.tokens(tomas)
    page = amira.get(f"{hub.provider.url}/", timeout=30).text
    found = re.search(r'id="row-(\d+)">\s*<div class="name">\s*<h3>Notes', page)
    assert found
    sent = {"csrfmiddlewaretoken": amira.cookies["provider_csrf"]}
    amira.post(f"{hub.provider.url}/clients/{found[1]}/remove-access/", data=sent, timeout=30)
    assert hub.get("/api/whoami/", hers["access_token"]).status_code == 401
    assert hub.refresh(hers["refresh_token"]).json()["error"] == "invalid_grant"
    assert hub.refresh(his["refresh_token"]).status_code == 200


def test_switches_need_a_person_and_a_form_token(hub: Hub, amira: requests.Session) -> None:
    address = f"{hub.provider.url}/switch/"
    assert amira.post(address, data={"switch": "down", "on": "1"}, timeout=30).status_code == 403
    stranger = hub.provider.session()
    fields = browserless.hidden_fields(stranger.get(f"{hub.provider.url}/login/", timeout=30), "sign-in")
    answer = stranger.post(address, data=fields | {"switch": "down", "on": "1"}, timeout=30, allow_redirects=False)
    assert answer.headers["Location"].startswith("/login/")


def test_the_board_tells_states_and_calls_but_no_secret(hub: Hub, amira: requests.Session) -> None:
    first = hub.tokens(amira)
    second = hub.refresh(first["refresh_token"]).json()
    third = hub.tokens(amira)
    hub.post("/o/revoke_token/", token=third["refresh_token"])
    page = amira.get(f"{hub.provider.url}/live/", timeout=30).text

    def state(token: str) -> str:
        row = re.search(
            rf"<tr class=\"(\w+)\">(?:(?!</tr>).)*{hashlib.sha256(token.encode()).hexdigest()[:8]}", page, re.S
        )
        return row[1] if row else "missing"

    assert [state(first[kind]) for kind in ("access_token", "refresh_token")] == ["rotated", "rotated"]
    assert [state(second[kind]) for kind in ("access_token", "refresh_token")] == ["live", "live"]
    assert [state(third[kind]) for kind in ("access_token", "refresh_token")] == ["revoked", "revoked"]
    assert "refresh_token" in page
    assert not [secret for secret in (*second.values(), hub.proof[1]) if len(str(secret)) > 20 and str(secret) in page]


def test_no_token_and_no_client_secret_is_stored_in_the_clear(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    with sqlite3.connect(hub.provider.data_dir / "provider.sqlite3", timeout=20) as database:
        stored = "\n".join(database.iterdump())
    for secret in (told["access_token"], told["refresh_token"], hub.proof[1], hub.provider.password):
        assert secret not in stored


def test_the_live_tables_are_for_signed_in_people(hub: Hub) -> None:
    stranger = hub.provider.session()
    assert stranger.get(f"{hub.provider.url}/live/", timeout=30).status_code == 204
    assert stranger.get(f"{hub.provider.url}/", timeout=30, allow_redirects=False).status_code == 302


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(hub: Hub, target: str) -> None:
    person = hub.provider.session()
    address = f"{hub.provider.url}/login/"
    sent = browserless.hidden_fields(person.get(address, timeout=30), "sign-in") | {"next": target}
    sent |= {"username": "amira", "password": hub.provider.password}
    assert person.post(address, data=sent, timeout=30, allow_redirects=False).headers["Location"] == "/"


def test_every_page_has_strict_headers(hub: Hub, amira: requests.Session) -> None:
    for address in (f"{hub.provider.url}/", f"{hub.provider.url}/login/", hub.authorization_url()):
        page = amira.get(address, timeout=30)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (page.headers["X-Content-Type-Options"], page.headers["Referrer-Policy"]) == ("nosniff", "same-origin")
        assert not re.search(r"<style|style=|<script(?![^>]*src=)| on\w+=", page.text)
    assert policy.endswith("form-action 'self' http://127.0.0.1:8000")


def test_the_issuer_does_not_follow_the_host_header(hub: Hub) -> None:
    session = hub.provider.session()
    for name in ("openid-configuration", "oauth-authorization-server"):
        address = f"{hub.provider.url}/.well-known/{name}"
        told = session.get(address, headers={"Host": "127.0.0.1"}, timeout=30).json()
        assert told["issuer"] == hub.provider.url
        assert all(
            value.startswith(hub.provider.url) for key, value in told.items() if key.endswith(("_endpoint", "uri"))
        )
        assert session.get(address, headers={"Host": "evil.example"}, timeout=30).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/o/applications/", "/o/applications/register/", "/o/device/", "/o/authorized_tokens/", "/register/", "/admin/"],
)
def test_nothing_else_of_the_toolkit_is_there(hub: Hub, amira: requests.Session, path: str) -> None:
    assert amira.get(f"{hub.provider.url}{path}", timeout=30).status_code == 404


def test_the_style_sheet_is_served(hub: Hub) -> None:
    answer = hub.provider.session().get(f"{hub.provider.url}/static/provider/provider.css", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/css")


def test_it_refuses_to_start_without_a_secret_key() -> None:
    command = [sys.executable, "-c", "import demo.provider.settings"]
    done = subprocess.run(command, cwd=CHECKOUT, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert "PROVIDER_SECRET_KEY is not set" in done.stderr


def test_the_signing_key_is_readable_by_its_owner_only(provider: Provider) -> None:
    assert (provider.data_dir / "provider-key.pem").stat().st_mode & 0o777 == 0o600


def test_seeding_twice_keeps_tokens_and_switches(hub: Hub, amira: requests.Session) -> None:
    token = hub.tokens(amira)["access_token"]
    press(amira, hub.provider, "revocations_fail", on=False, client_name="Stubborn")
    hub.provider.seed(CLIENTS)
    stubborn = Hub(hub.provider, "stubborn")
    assert hub.get("/api/whoami/", token).status_code == 200
    assert stubborn.post("/o/revoke_token/", token="anything").status_code == 200


def test_a_fresh_seed_forgets_tokens_and_resets_switches(hub: Hub, amira: requests.Session) -> None:
    token = hub.tokens(amira)["access_token"]
    hub.provider.seed(CLIENTS, "--fresh")
    stubborn = Hub(hub.provider, "stubborn")
    assert hub.get("/api/whoami/", token).status_code == 401
    assert stubborn.post("/o/revoke_token/", token="anything").status_code == 503


def test_a_bad_document_is_refused_without_showing_it(provider: Provider) -> None:
    with pytest.raises(RuntimeError, match="unknown field") as caught:
        provider.seed([client("extra", client_secret="do-not-show", colour="green")])
    assert "do-not-show" not in str(caught.value)


def test_what_is_unticked_on_the_consent_page_is_not_granted(hub: Hub, amira: requests.Session) -> None:
    address = hub.authorization_url("openid profile notes:read")
    page = amira.get(address, timeout=30)
    fields = browserless.hidden_fields(page, "consent")
    assert fields["granted"] == ["openid", "profile", "notes:read"]
    answer = amira.post(
        address, data=fields | {"granted": ["profile"], "allow": "Allow"}, timeout=30, allow_redirects=False
    )
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    assert set(hub.exchange(code).json()["scope"].split()) == {"openid", "profile"}
