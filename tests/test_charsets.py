"""Requests that name a character set which no text is in: refused as what they are, at every door."""

import json
import zlib
from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory

from config.middleware import WSGIApplication

pytestmark = [pytest.mark.database, pytest.mark.django_db]

CHARSETS = ["zlib", "bz2", "rot13", "undefined", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-16"]
PARTS = ["login", "username", "password", "token", "client_id", "grant_type"]
MULTIPART = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n\\ud800+2AA-\r\n' for name in PARTS)
DOORS = ["/accounts/login/", "/o/token/", "/o/introspect/", "/o/revoke_token/", "/admin/login/"]
APPLICATION: Any = WSGIApplication()


def asked(method: str, address: str, body: bytes = b"", **environ: str) -> tuple[int, bytes]:
    """As a server asks: the test client makes requests of its own kind."""
    path, _, query = address.partition("?")
    factory: Any = RequestFactory()
    base = factory._base_environ(REQUEST_METHOD=method, PATH_INFO=path, QUERY_STRING=query)
    whole = {**base, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body), **environ}
    answer = APPLICATION.get_response(APPLICATION.request_class(whole))
    return answer.status_code, answer.content


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_page_is_read_whatever_a_caller_calls_its_query(charset: str) -> None:
    for address in ("/accounts/login/?next=a%20b", "/o/authorize/?client_id=a%ED%A0%80", "/healthz"):
        status, _content = asked("GET", address, CONTENT_TYPE=f"text/plain; charset={charset}")
        assert status < 500, address


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("charset", CHARSETS)
def test_a_form_in_another_character_set_is_refused(charset: str, door: str) -> None:
    body = f"{MULTIPART}--b--\r\n".encode()
    assert asked("POST", door, body, CONTENT_TYPE=f"multipart/form-data; boundary=b; charset={charset}")[0] == 400
    form = f"application/x-www-form-urlencoded; charset={charset}"
    assert asked("POST", door, b"token=%5Cud800", CONTENT_TYPE=form)[0] == 400


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", '"utf-8"', "us-ascii"])
def test_a_form_in_utf_8_is_read(charset: str) -> None:
    form = f"application/x-www-form-urlencoded; charset={charset}"
    status, content = asked(
        "POST", "/o/token/", b"grant_type=refresh_token&refresh_token=a&client_id=a", CONTENT_TYPE=form
    )
    assert (status, json.loads(content)["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("charset", CHARSETS)
def test_json_is_utf_8_and_nothing_is_unpacked(charset: str) -> None:
    packed = zlib.compress(b'{"token": "' + b"a" * 10_000 + b'"}')
    answers = [
        asked("POST", "/api/v1/leaked-tokens/", body, CONTENT_TYPE=f"application/json; charset={charset}")[0]
        for body in (b'{"token": "a"}', packed, b"\xff\xfe{\x00}\x00")
    ]
    assert answers == [202, 400, 400]


@pytest.mark.parametrize("told", ["zlib''x", "nosuch''%ff", "utf-16''x", "undefined''x"])
def test_extended_parameters_of_headers_are_no_failure(told: str) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="login"; filename*={told}\r\n\r\nx\r\n--b--\r\n'.encode()
    for door in (*DOORS, "/api/v1/leaked-tokens/"):
        assert asked("POST", door, body, CONTENT_TYPE="multipart/form-data; boundary=b")[0] < 500, door
        assert asked("POST", door, b"{}", CONTENT_TYPE=f"application/json; charset*={told}")[0] < 500, door
        assert asked("POST", door, b"a=b", HTTP_ACCEPT=f"text/html; q*={told}, */*")[0] < 500, door
        assert asked("GET", door, HTTP_ACCEPT=f"application/json; charset*={told}")[0] < 500, door
