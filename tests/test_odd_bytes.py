"""Every address, asked with what no text holds: never a failure of ours, on no database."""

import base64
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from accounts.models import User
from config.middleware import WSGIApplication
from integrations.models import Alias
from tests import cast
from tests.conftest import client_of, undone
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.timeout(600)]

# As they are in an address: NUL; half a character, an overlong slash, no UTF-8, controls and the other direction; many.
ODD = ["a%00b", "%ED%A0%80%C0%AF%FF%FE%01%1B%E2%80%AE%EF%BF%BF", "9" * 5000]
# What views look at in a query or a form, besides what stands in the forms of the pages themselves.
NAMES = [
    "access_token", "alias", "client_assertion", "client_id", "client_secret", "code", "code_challenge",
    "code_challenge_method", "code_verifier", "device_code", "display", "error", "error_description", "fresh",
    "grant_type", "iss", "login", "minimum_seconds", "name", "next", "nonce", "oauth_provider_profile",
    "oauth_requestor",
    "oauth_requestor_context", "page", "password", "personal", "prompt", "q", "redirect_uri", "refresh_token",
    "request", "request_uri", "resource", "response_mode", "response_type", "scope", "sort", "state",
    "sysparm_oauth_provider_profile", "sysparm_oauth_requestor", "sysparm_oauth_requestor_context", "token",
    "token_type_hint", "user_code", "username", "all", "e", "o", "p", "_changelist_filters", "_popup", "_to_field",
    "active__exact", "app_label", "model_name", "field_name", "term", "user__id__exact", "created_at__gte", "id__in",
]  # fmt: skip
ARGUMENT = re.compile(r"<(?:[^:>]+:)?([^>]+)>|\(\?P<[^>]+>[^)]*\)")


def addresses() -> Iterator[str]:
    """Every one of the site, with a place where it takes an argument."""
    yield from below(get_resolver(), "/")


def below(resolver: URLResolver, before: str) -> Iterator[str]:
    for each in resolver.url_patterns:
        route = str(each.pattern)
        if not isinstance(each.pattern, RoutePattern):
            route = route.lstrip("^").rstrip("$").replace(r"\Z", "").replace("\\", "")
        if isinstance(each, URLResolver):
            yield from below(each, before + route)
        elif isinstance(each, URLPattern):
            yield before + route


def filled(address: str, value: str) -> str:
    return ARGUMENT.sub(value.replace("\\", r"\\"), address)


def names_in(page: Any) -> list[str]:
    if page.streaming or b"<form" not in page.content:
        return []
    return re.findall(r'name="([^"]+)"', page.content.decode(errors="replace"))


@pytest.fixture
def set_up(amira: User, server: HostileServer) -> Alias:
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


@pytest.fixture(params=["nobody", "person", "administrator"])
def browser(request: pytest.FixtureRequest, amira: User, admin: User, set_up: Alias) -> Client:
    users = {"person": amira, "administrator": admin}
    client = client_of(users[request.param]) if request.param in users else Client()
    client.raise_request_exception = False
    return client


@pytest.mark.slow
def test_no_address_fails_at_odd_bytes(browser: Client) -> None:
    """In its path, in each parameter of its query, and in each field of its forms.

    What sends this person to sign in before it looks is asked with one of them, another at the next such address. What
    an address does is taken back, or the first that ends a session would be the last that this person sees.
    """
    failed = []
    cookies = {name: cookie.value for name, cookie in browser.cookies.items()}
    is_signed_in = SESSION_KEY in browser.session
    for number, address in enumerate(sorted(set(addresses()))):
        with undone():
            failed += failures_at(browser, address, number)
        browser.cookies.clear()
        browser.cookies.load(cookies)
        assert (SESSION_KEY in browser.session) == is_signed_in, address
    assert not failed, "\n".join(failed)


def failures_at(browser: Client, address: str, number: int) -> list[str]:
    failed, plain = [], filled(address, "1")
    page = browser.get(plain)
    fields = sorted({*NAMES, *names_in(page)} - {"csrfmiddlewaretoken"})
    values = [ODD[number % len(ODD)]] if is_sent_to_sign_in(page, plain) else ODD
    for odd in values if "<" in address or "(" in address else []:
        failed += failures_of(browser.get(filled(address, odd)), f"GET {filled(address, odd)[:120]}")
    for odd in values:
        query = "&".join(f"{name}={odd}" for name in fields)
        failed += failures_of(browser.get(f"{plain}?{query}"), f"GET {plain}?{odd[:12]}")
        form = "application/x-www-form-urlencoded"
        if "logout" not in plain:
            failed += failures_of(browser.post(plain, query, content_type=form), f"POST {plain} {odd[:12]}")
    return failed


def is_sent_to_sign_in(page: Any, address: str) -> bool:
    """And back afterwards: nothing but the address was read."""
    return bool(page.status_code == 302 and page["Location"].endswith(f"/login/?next={quote(address)}"))


def failures_of(answer: Any, words: str) -> list[str]:
    return [f"{answer.status_code} {words}"] if answer.status_code >= 500 else []


FORM = {
    "client_id": "a",
    "client_secret": "b",
    "username": "amira",
    "password": cast.PASSWORD,
    "token": "t",
    "code": "c",
}


@pytest.mark.parametrize("address", ["/o/token/", "/o/introspect/", "/o/revoke_token/"])
@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token", "client_credentials", "\0"])
def test_one_odd_field_among_good_ones_is_the_callers_fault(
    client: Client, db: None, address: str, grant_type: str
) -> None:
    for name in FORM:
        form = {
            "grant_type": grant_type,
            "redirect_uri": "https://a.example/",
            "refresh_token": "r",
            **FORM,
            name: "a\0b",
        }
        assert 400 <= client.post(address, form).status_code < 500, name


@pytest.mark.parametrize("written", ["a\0b:c", "a:b\0c", "a%00b:c", "a:%00", "\0:\0", "amira:" + "\0"])
@pytest.mark.parametrize(
    ("method", "address"),
    [("post", "/o/token/"), ("post", "/o/introspect/"), ("post", "/o/revoke_token/"), ("get", "/api/v1/integrations/")],
)
def test_odd_credentials_are_refused(client: Client, amira: User, written: str, method: str, address: str) -> None:
    shown = base64.b64encode(written.encode()).decode()
    form = {"grant_type": "client_credentials", "token": "x"} if method == "post" else {}
    answer = getattr(client, method)(address, form, headers={"Authorization": f"Basic {shown}"})
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("name", ["keyrack", "keyrack-csrf", "messages", "django_language", "a"])
@pytest.mark.parametrize("value", [r'"\000"', r'"abcdefgh\000ijkl"', r'"\355\240\200"', r'"\377"', "é"])
def test_odd_cookies_are_refused_or_nobodys(client: Client, db: None, name: str, value: str) -> None:
    for address in ("/accounts/login/", "/integrations/", "/admin/login/", "/api/v1/integrations/", "/o/authorize/"):
        assert client.get(address, headers={"Cookie": f"{name}={value}"}).status_code < 500


@pytest.mark.slow
@pytest.mark.parametrize("header", ["User-Agent", "Accept-Language", "X-Forwarded-For", "HX-Current-URL", "Referer"])
def test_odd_headers_are_refused(client: Client, amira: User, header: str) -> None:
    for value in ("a\0b", quote("\0"), "\xff", "\x01"):
        form = {"username": "amira", "password": cast.PASSWORD}
        told = {header: value, "Sec-Fetch-Site": "same-origin"}
        assert client.post("/accounts/login/", form, headers=told).status_code < 500
        assert client.get("/integrations/", headers=told).status_code < 500


def told(address: str, content_type: str, body: bytes = b"") -> int:
    """The status of an answer to these bytes, as a WSGI server asks for it."""
    statuses: list[str] = []
    sent = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
    method = {"REQUEST_METHOD": "POST" if body else "GET", "HTTP_SEC_FETCH_SITE": "same-origin"}
    environ = RequestFactory().get(address).environ
    start: Any = lambda status, _headers: statuses.append(status)  # noqa: E731  a start_response
    b"".join(WSGIApplication()({**environ, **sent, **method}, start))
    return int(statuses[0].partition(" ")[0])


CODECS = ["hex", "undefined", "idna", "unicode_escape", "utf-16", "rot13", "latin-1", "none"]
HALF = "%5C%75%64%38%30%30"  # half a character in "unicode_escape"
FORMS = {
    "text/plain": b"",
    "application/x-www-form-urlencoded": f"username={HALF}&token={HALF}".encode(),
    "multipart/form-data; boundary=B": b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n\\ud800\r\n--B--\r\n',
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("form", FORMS)
def test_no_charset_chooses_how_a_request_is_read(amira: User, codec: str, form: str) -> None:
    for address in ("/accounts/login/", "/o/token/", "/o/introspect/", "/o/authorize/", "/api/v1/integrations/", "/"):
        assert told(f"{address}?next={HALF}", f"{form}; charset={codec}", FORMS[form]) < 500, address


@pytest.mark.parametrize("content_type", ["a/b; charset*=utf-8''%00", "a/b; x*=none''%41", "a/b; charset*=hex''%C3"])
def test_a_content_type_that_cannot_be_parsed_counts_as_none(db: None, content_type: str) -> None:
    assert told("/accounts/login/", content_type) == 200


def test_a_form_in_another_charset_than_ours_is_refused(db: None) -> None:
    form = "application/x-www-form-urlencoded"
    assert told("/accounts/login/", f"{form}; charset=latin-1", b"username=%E9") == 400
    assert told("/accounts/login/", f"{form}; charset=UTF-8", b"username=%C3%A9") == 403  # for its CSRF token
