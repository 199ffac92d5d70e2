"""Promises about every address of the site: who is let in, by which method, to whose rows, and with which headers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

ID = "0" * 32
OPEN = {  # what anybody may read
    "/healthz", "/readyz", "/metrics", "/.well-known/security.txt", "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/api/v1",
    "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource/mcp/1",
    "/accounts/login/", "/accounts/inactive/",
    "/accounts/confirm-email/1/", "/accounts/password/reset/", "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-1/", "/accounts/password/reset/key/done/",
    "/api/v1/leaked-tokens/",
}  # fmt: skip
WAYS_IN = {"/accounts/login/", "/admin/login/", "/integrations/", "/admin/"}  # each of which asks who it is
# What refuses the anonymous in its own words; programs show who they are in the request itself.
ASKED_AT_THE_DOOR = {
    f"/oauth_redirect.do/{ID}": 400,
    "/integrations/connect/1/": 404,
    "/o/token/": 400,
    "/o/device/authorize/": 400,
    "/o/register/": 404,  # off by default
    "/o/revoke_token/": 400,
    "/o/introspect/": 401,
    "/mcp": 401,
    "/mcp/1": 401,
    "/api/1": 404,
    "/integrations/calendar/1.ics": 404,  # the secret in the address is what lets in
}
NOWHERE = {"/api/1"}  # whatever the REST API does not have, in its own words


def patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = prefix + address_of(pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        else:
            yield route, pattern


def address_of(pattern: URLPattern | URLResolver) -> str:
    """With an id, a number or a word wherever one is asked for."""
    plain = re.sub(r"<uuid:\w+>", str(UUID(ID)), str(pattern.pattern))
    plain = re.sub(r"<(?:sys_id|row_id):\w+>", ID, plain.removeprefix("^").removesuffix("$"))
    return re.sub(r"\(\?P<\w+>[^)]*\)|<(?:\w+:)?\w+>", "1", plain).replace("\\", "").replace(".*$", "")


SITE = dict(patterns(get_resolver("config.urls")))
PASSED_ON = {"/api/v1/integrations/1/proxy/1"}  # any method is for the third party to know
# About oneself: for whoever is signed in, with no role.
OWN = {
    "/accounts/sessions/",
    "/accounts/continue/",
    "/accounts/email/",
    "/api/v1/docs/",
    "/o/device/",
    "/o/device/answer/",
    *(each for each in SITE if each.startswith("/accounts/security/")),
}
ADMINS = {address for address in SITE if address.startswith("/admin/")}
OURS = {
    address
    for address, pattern in SITE.items()
    if address not in ADMINS and pattern.callback.__module__.split(".")[0] in {"accounts", "config", "integrations"}
}


def test_the_walk_sees_the_site() -> None:
    assert {"/", "/integrations/", f"/integrations/{ID}/revoke/", "/oauth_initiator.do", "/healthz"} <= set(SITE)
    assert len(ADMINS) > 40
    assert len(OURS) > 12


def takes_tokens_only(address: str) -> list[int]:
    """What a session is answered by the administration API, whatever the method."""
    return [401] if address.startswith("/api/v1/admin/") else []


# Who ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_anonymous_are_refused(method: str, client: Client) -> None:
    for address in sorted(set(SITE) - OPEN):
        response = getattr(client, method)(address)
        if response.status_code in (301, 302):
            assert response["Location"].partition("?")[0] in WAYS_IN, address
        elif response.status_code == 303:  # a posted authorization response, asked for once more by GET
            assert response["Location"] == f"{address}?", address
        else:
            own_words = ASKED_AT_THE_DOOR.get(address, 401 if address.startswith("/api/") else 405)
            assert response.status_code in {own_words, 405}, address


@pytest.mark.slow
def test_the_admin_is_for_staff(as_amira: Client) -> None:
    for address in sorted(ADMINS):
        assert as_amira.get(address).status_code in (302, 403, 404), address


@pytest.mark.slow
def test_whoever_lacks_the_role_gets_no_page(db: None) -> None:
    cast.person("somebody")  # whose number stands in addresses
    guest = client_of(cast.person("guest", role=False))
    for address in sorted(OURS - OPEN - OWN):
        assert guest.get(address).status_code in (400, 403, 404, 405, *takes_tokens_only(address)), address


@pytest.mark.slow
@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace", "options"])
def test_no_address_takes_a_method_that_it_does_not_know(method: str, as_amira: Client) -> None:
    for address in sorted(OURS - NOWHERE - PASSED_ON):
        assert getattr(as_amira, method)(address).status_code in (405, *takes_tokens_only(address)), address


def test_leaving_is_a_post(as_amira: Client) -> None:
    assert as_amira.get("/accounts/logout/").status_code == 405
    assert as_amira.get("/integrations/").status_code == 200


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_nobody_reaches_anybody_elses_rows(
    method: str, headers: dict[str, str], amira: User, bob: User, alias: Alias
) -> None:
    """Every address that holds an id, with ids of hers."""
    amira.groups.add(Group.objects.create(name="Finance"))
    alias.groups.add(Group.objects.get(name="Finance"))
    cast.signed_in(amira, alias)
    attempt = walks.under_way(amira, alias)
    ids = {"alias_id": alias.hex, "attempt_id": attempt.hex}
    asked = 0
    for address, pattern in SITE.items():
        for name, value in ids.items():
            if f"<sys_id:{name}>" in str(pattern.pattern):
                response = getattr(client_of(bob), method)(address.replace(ID, value), headers=headers)
                assert response.status_code in (404, 405), address
                asked += 1
    assert asked >= 7
    assert Token.objects.get().user == amira


# Sessions -------------------------------------------------------------------------------------------------------------


def test_signing_in_changes_the_session_and_leaving_ends_it(amira: User, client: Client) -> None:
    planted = client.session  # as a thief might have put it there
    planted["planted"] = "x"
    planted.save()
    before = client.cookies["keyrack"].value
    client.post("/accounts/login/", {"username": "amira", "password": cast.PASSWORD})
    during = client.cookies["keyrack"].value
    assert during != before
    assert client.get("/integrations/").status_code == 200
    client.post("/accounts/logout/")
    thief = Client()
    thief.cookies["keyrack"] = during
    assert thief.get("/integrations/").status_code == 302


def test_leaving_ends_the_binding_of_sign_ins(as_amira: Client, amira: User, alias: Alias) -> None:
    state = walks.begin(as_amira, alias)
    as_amira.post("/accounts/logout/")
    as_amira.force_login(amira)
    assert walks.come_back(as_amira, alias, state).status_code == 400


@pytest.mark.parametrize(
    "next_path", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_this_site_only(next_path: str, amira: User, client: Client) -> None:
    form = {"username": "amira", "password": cast.PASSWORD, "next": next_path}
    assert client.post("/accounts/login/", form)["Location"] == "/integrations/"


@pytest.mark.parametrize("who", ["amira", "nobody"])
def test_a_wrong_password_says_the_same_for_everybody(who: str, amira: User, client: Client) -> None:
    page = walks.words(client.post("/accounts/login/", {"username": who, "password": "wrong"}))
    assert "Please enter a correct username and password" in page
    assert 'value="wrong"' not in page


# Headers --------------------------------------------------------------------------------------------------------------


def visits(as_amira: Client, alias: Alias, admin: User) -> dict[str, Callable[[], walks.Page]]:
    """One page of each kind."""
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    guest, staff = client_of(cast.person("guest", role=False)), client_of(admin)
    strict = Client(enforce_csrf_checks=True)
    places = ["/integrations/", *(f"/integrations/{alias.hex}/{page}" for page in ("", "revoke/", "forget/"))]
    return {
        **{place: lambda place=place: as_amira.get(place) for place in places},  # type: ignore[misc]
        "a fragment": lambda: as_amira.get("/integrations/", headers={"HX-Request": "true"}),
        "a dialog": lambda: as_amira.get(places[2], headers={"HX-Request": "true"}),
        "start": lambda: as_amira.get(walks.start_url(alias), headers=elsewhere),
        "leaving": lambda: walks.start(as_amira, alias),
        "done": lambda: walks.sign_in(as_amira, alias, code=None, error="access_denied"),
        "bad callback": lambda: walks.come_back(as_amira, alias, "x"),
        "not found": lambda: as_amira.get("/nowhere/"),
        "no role": lambda: guest.get("/integrations/"),
        "forged": lambda: strict.post("/accounts/login/"),
        "sign in": lambda: Client().get("/accounts/login/"),
        "two steps": lambda: as_amira.get("/accounts/2fa/"),
        "sessions": lambda: as_amira.get("/accounts/sessions/"),
        "password": lambda: as_amira.get("/accounts/password/change/"),
        "forgotten": lambda: Client().get("/accounts/password/reset/"),
        "to sign in": lambda: Client().get("/integrations/"),
        "admin": lambda: staff.get("/admin/"),
        "admin list": lambda: staff.get("/admin/integrations/applicationregistry/"),
        "admin form": lambda: staff.get("/admin/integrations/applicationregistry/add/"),
        "alive": lambda: Client().get("/healthz"),
    }


POLICY = {
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.mark.slow
def test_every_page_has_the_headers_that_protect_it(as_amira: Client, alias: Alias, admin: User) -> None:
    for name, visit in visits(as_amira, alias, admin).items():
        response = visit()
        assert response["X-Content-Type-Options"] == "nosniff", name
        assert response["X-Frame-Options"] == "DENY", name
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert response["Referrer-Policy"] in {"same-origin", "no-referrer"}, name
        assert set(response["Content-Security-Policy"].split("; ")) == POLICY, name
        assert "no-store" in response["Cache-Control"], name
        assert response["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert "camera=()" in response["Permissions-Policy"], name
        assert "Server" not in response
        assert "X-Powered-By" not in response


@pytest.mark.slow
def test_no_page_runs_anything_that_is_written_into_it(as_amira: Client, alias: Alias, admin: User) -> None:
    for name, visit in visits(as_amira, alias, admin).items():
        page = walks.words(visit())
        scripts = re.findall(r"<script\b([^>]*)>", page)
        assert all("src=" in script or "json" in script for script in scripts), name
        assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=[\"']", page), name
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page), name


def test_htmx_may_neither_evaluate_nor_leave(as_amira: Client, alias: Alias) -> None:
    page = walks.words(as_amira.get("/integrations/"))
    told = json.loads(re.findall(r"""name="htmx-config" content='([^']+)'""", page)[0])
    assert (told["allowEval"], told["selfRequestsOnly"], told["historyCacheSize"]) == (False, True, 0)


def test_cookies_are_for_this_site_and_not_for_scripts(amira: User, client: Client) -> None:
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"username": "amira", "password": cast.PASSWORD})
    assert set(client.cookies) == {"keyrack", "keyrack-csrf", "keyrack-device"}
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")


def settings_at(site: str) -> dict[str, Any]:
    """The settings of a site at this address, as a process of its own reads them."""
    names = "SESSION_COOKIE_NAME SESSION_COOKIE_SECURE CSRF_COOKIE_NAME CSRF_COOKIE_SECURE SESSION_COOKIE_HTTPONLY"
    names += " SECURE_HSTS_SECONDS SECURE_SSL_REDIRECT SESSION_COOKIE_SAMESITE CELERY_ACCEPT_CONTENT DEBUG"
    ask = f"import json, config.settings as s; print(json.dumps({{n: getattr(s, n) for n in {names.split()!r}}}))"
    environment = {**os.environ, "SITE_URL": site}
    told = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(told.stdout))


@pytest.mark.slow
def test_a_site_on_https_keeps_its_cookies_to_itself() -> None:
    told = settings_at("https://hub.example")
    assert told["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert told["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert told["SESSION_COOKIE_SECURE"]
    assert told["CSRF_COOKIE_SECURE"]
    assert told["SESSION_COOKIE_HTTPONLY"]
    assert told["SESSION_COOKIE_SAMESITE"] == "Lax"  # strict would lose the provider's answer
    assert told["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert told["SECURE_SSL_REDIRECT"]
    assert told["CELERY_ACCEPT_CONTENT"] == ["json"]
    assert not told["DEBUG"]


@pytest.mark.slow
def test_a_sign_in_works_with_a_cookie_of_https(
    amira: User, alias: Alias, server: HostileServer, settings: Settings
) -> None:
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = "__Host-keyrack", True
    client = client_of(amira)
    assert client.cookies["__Host-keyrack"]["secure"]
    walks.grants(server)
    state = walks.asked(client.get(walks.start_url(alias), secure=True))["state"]
    url = walks.callback_url(walks.registry_of(alias), {"code": "c", "state": state})
    # From the provider: another site, a top-level GET; that is what Lax lets pass.
    done = client.get(url, secure=True, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert "is connected" in walks.words(client.get(done["Location"], secure=True))


def test_a_logo_is_a_picture_and_nothing_else(as_amira: Client, alias: Alias) -> None:
    registry = ApplicationRegistry.objects.get()
    assert as_amira.get(f"/integrations/logos/{registry.hex}/").status_code == 404
    ApplicationRegistry.objects.update(logo=b"\x89PNG<script>", logo_type="image/png")
    response = as_amira.get(f"/integrations/logos/{registry.hex}/")
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert f'src="/integrations/logos/{registry.hex}/"' in walks.words(as_amira.get("/integrations/"))


def test_a_comment_of_a_template_ends_on_its_line() -> None:
    """Else Django shows it as text."""
    lines = [(path, line) for path in Path("templates").rglob("*.html") for line in path.read_text().splitlines()]
    assert [f"{path}: {line}" for path, line in lines if "{#" in line and "#}" not in line] == []


def test_every_class_of_a_page_is_known_to_a_stylesheet_or_a_script() -> None:
    """A class that is known to neither is a rule that was lost. Django's own stylesheets know those of its admin."""
    paths = [path for app in ("accounts", "integrations") for path in Path(app, "static").rglob("*.*")]
    known = set(re.findall(r"[\w-]+", " ".join(path.read_text() for path in paths if path.suffix in (".css", ".js"))))
    pages = [path for path in Path("templates").rglob("*.html") if "admin" not in path.parts]
    written = [re.findall(r'class="([^"]*)"', re.sub(r"{%.*?%}", " ", path.read_text())) for path in pages]
    names = {name for classes in written for each in classes for name in each.split() if "{" not in name}
    assert {name for name in names if re.fullmatch(r"[a-z][\w-]*", name)} - known == set()
