"""What the REST API says when it says no: in one shape at every address, in every way, to whoever it may be."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import AnonymousCalls, KnownCalls
from accounts.models import User
from integrations.models import Alias
from tests import cast
from tests.api.conftest import Program
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

BASE = "/api/v1/integrations/"


def refused(answer: Any) -> tuple[int, str]:
    """Status and code of a refusal that has the shape which all of them have."""
    assert answer["Content-Type"].startswith("application/json"), answer.content
    assert "no-store" in answer["Cache-Control"]
    body = json.loads(answer.content)
    assert {"error", "error_description"} <= set(body) <= {"error", "error_description", "initiator_url"}
    assert body["error_description"].endswith((".", "?"))
    return answer.status_code, body["error"]


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/nowhere/", "/api/v2/x", "/api/v1/integrations", "/api/v1/a\0b"])
@pytest.mark.parametrize("method", ["get", "post", "put", "options"])
def test_an_address_that_is_none_is_no_page_and_leads_nowhere(path: str, method: str, as_amira: Client) -> None:
    for client in (as_amira, Client(enforce_csrf_checks=True)):
        assert refused(getattr(client, method)(path)) == (404, "not_found")


def test_a_page_that_is_none_is_still_a_page(as_amira: Client) -> None:
    assert as_amira.get("/nowhere/")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("accept", ["text/html", "image/png"])
@pytest.mark.parametrize("path", ["integrations/", "schema/"])
def test_who_wants_no_json_is_refused_in_json(accept: str, path: str, as_amira: Client, signed_in: Alias) -> None:
    answer = as_amira.get(f"/api/v1/{path}", headers={"Accept": accept})
    assert refused(answer) == (406, "not_acceptable")
    assert refused(Client().get(f"/api/v1/{path}")) == (401, "not_authenticated")


def test_a_fault_of_ours_tells_nothing_of_it(signed_in: Alias, amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_user: User, _ids: object) -> None:
        raise RuntimeError("CANARY-bug")

    monkeypatch.setattr("integrations.api.views.integrations_among", fails)
    client = client_of(amira)
    client.raise_request_exception = False
    answer = client.get(BASE)
    assert refused(answer) == (500, "server_error")
    assert b"CANARY" not in answer.content


@pytest.mark.slow
@pytest.mark.parametrize("who", ["nobody", "session", "program"])
def test_a_body_of_50_megabytes_is_refused_before_it_is_read(
    who: str, program: Program, as_amira: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client = program("subflows:run") if who == "program" else as_amira if who == "session" else Client()
    path = "leaked-tokens/" if who == "nobody" else "subflows/open/runs/"
    answer = client.post(f"/api/v1/{path}", b'{"a": "' + b"x" * (50 << 20) + b'"}', content_type="application/json")
    assert refused(answer) == (413, "request_too_large")
    assert "2621440 bytes" in answer.json()["error_description"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000]
)
@pytest.mark.parametrize("path", ["leaked-tokens/", "subflows/open/runs/"])
def test_a_body_nested_without_end_is_refused(path: str, text: str, as_amira: Client) -> None:
    assert refused(as_amira.post(f"/api/v1/{path}", text, content_type="application/json")) == (400, "invalid_request")


def test_a_host_that_is_not_ours_is_refused_in_json() -> None:
    assert refused(Client(headers={"Host": "evil.example"}).get(BASE)) == (400, "invalid_request")


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=0", "page_size=501", "page=1e3"])
def test_a_page_that_cannot_be_is_refused_in_words(query: str, as_amira: Client) -> None:
    answer = as_amira.get(f"{BASE}?{query}")
    assert refused(answer) == (400, "invalid_request")
    assert query.partition("=")[0] in answer.json()["error_description"]


# Who is let in --------------------------------------------------------------------------------------------------------


def test_what_a_token_lacks_is_in_the_header_too(program: Program, signed_in: Alias) -> None:
    answer = program("tokens:read").get(f"{BASE}northwind/token/")
    assert refused(answer) == (403, "insufficient_scope")
    assert answer["WWW-Authenticate"] == (
        'Bearer realm="keyrack", error="insufficient_scope", scope="tokens:read service:northwind", '
        f'resource_metadata="{settings.SITE_URL}/.well-known/oauth-protected-resource/api/v1"'
    )


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", BASE, "integrations:read"),
        ("HEAD", BASE, "integrations:read"),
        ("GET", f"{BASE}northwind/token/", "tokens:read service:*"),
        ("GET", f"{BASE}made-up/token/", "tokens:read service:*"),
        ("POST", f"{BASE}northwind/revoke/", "integrations:revoke"),
        ("PUT", f"{BASE}northwind/proxy/contacts", "service:*"),
        ("GET", "/api/v1/admin/users/", "administration"),
    ],
)
@pytest.mark.parametrize("header", ["", "Bearer made-up"])
def test_a_stranger_is_told_where_to_get_a_token_and_with_which_scopes(
    signed_in: Alias, method: str, path: str, scope: str, header: str
) -> None:
    """RFC 9728 §5.1, as clients read it that know nothing but the address."""
    answer = Client(headers={"Authorization": header} if header else {}).generic(method, path)
    challenge = parse_keqv_list(parse_http_list(answer["WWW-Authenticate"].removeprefix("Bearer ")))
    assert (answer.status_code, challenge["scope"]) == (401, scope)
    metadata = Client().get(challenge["resource_metadata"].removeprefix(settings.SITE_URL)).json()
    assert metadata["resource"] == f"{settings.SITE_URL}/api/v1"
    assert path.startswith(urlsplit(metadata["resource"]).path)


@pytest.mark.slow
def test_a_question_for_the_head_needs_what_one_for_the_body_needs(program: Program, signed_in: Alias) -> None:
    assert program("integrations:revoke").head(BASE).status_code == 403
    answer = program("integrations:read").head(BASE)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_page_of_ours_may_pass_on_any_path(amira: User, signed_in: Alias, server: HostileServer) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(amira)
    server.on("GET /api/%E2%82%AC").always(json=["€"])
    answer = strict.get(f"{BASE}northwind/proxy/%E2%82%AC")
    assert (answer.status_code, answer.json()) == (200, ["€"])
    assert refused(strict.post(f"{BASE}northwind/proxy/€")) == (403, "permission_denied")


@pytest.mark.slow
def test_no_other_site_is_told_that_it_may_ask(program: Program, as_amira: Client, signed_in: Alias) -> None:
    elsewhere = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for client in (program("integrations:read"), as_amira, Client()):
        for answer in (client.get(BASE, headers=elsewhere), client.options(BASE, headers=elsewhere)):
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert refused(as_amira.options(BASE)) == (405, "method_not_allowed")


@pytest.mark.parametrize("authorization", ["Bearer made-up", "Basic YTpi", "Digest x", "nonsense", ""])
def test_a_wrong_token_is_not_made_good_by_a_session_beside_it(
    authorization: str, as_amira: Client, signed_in: Alias
) -> None:
    assert refused(as_amira.get(BASE, headers={"Authorization": authorization}))[0] == 401


def test_a_view_that_declares_nothing_lets_no_token_in(program: Program, rf: Any) -> None:
    class Undeclared(APIView):
        def get(self, request: Any) -> Response:
            return Response("CANARY")

    token = program("integrations:read").defaults["HTTP_AUTHORIZATION"]
    answer = Undeclared.as_view()(rf.get("/", headers={"Authorization": token}))
    assert answer.status_code == 403


@pytest.mark.slow
def test_what_is_not_yours_costs_as_much_as_what_is_not_there(program: Program, signed_in: Alias, bob: User) -> None:
    registry = signed_in.effective_credential.registry  # type: ignore[union-attr]
    cast.integration_at(registry, name="theirs").groups.create(name="Finance")
    cast.integration_at(registry, name="off", active=False, inactive_reason="Moved")
    client = program("integrations:read", "tokens:read", "service:northwind", "service:theirs")

    def answer_to(name: str, page: str) -> tuple[int, bytes, int]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = client.get(f"{BASE}{name}/{page}")
        return answer.status_code, answer.content, len(queries)

    for page in ("", "token-valid/", "token/"):
        assert len({answer_to(name, page) for name in ("theirs", "off", "nobody", "0" * 32, "ü")}) == 1, page
        assert answer_to("theirs", page)[0] == 404


@pytest.mark.slow
def test_what_is_turned_off_is_not_there_even_with_a_token(program: Program, signed_in: Alias) -> None:
    client = program("integrations:read", "integrations:revoke", "tokens:read", "service:northwind")
    Alias.objects.update(active=False, inactive_reason="Moved")
    for page in ("", "token-valid/", "token/"):
        assert refused(client.get(f"{BASE}northwind/{page}")) == (404, "not_found")
    assert refused(client.post(f"{BASE}northwind/revoke/")) == (404, "not_found")
    assert client.get(f"{BASE}northwind/initiator-url/").json() == {"initiator_url": ""}


# How often ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """So many calls, counted from now on."""
    cache.clear()

    def set_to(rate: str) -> None:
        for counter in (KnownCalls, AnonymousCalls):
            monkeypatch.setattr(counter, "rate", rate, raising=False)

    return set_to


@pytest.mark.slow
def test_too_many_calls_are_told_when_to_come_back_and_let_in_then(
    limits: Callable[[str], None], program: Program, as_amira: Client, signed_in: Alias
) -> None:
    client = program("integrations:read")
    limits("2/min")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert [client.get(BASE).status_code for _ in range(3)] == [200, 200, 429]
        answer = client.get(BASE)
        assert refused(answer) == (429, "too_many_requests")
        assert as_amira.get(BASE).status_code == 200  # her other ways in go on
        clock.shift(int(answer["Retry-After"]))
        assert client.get(BASE).status_code == 200


@pytest.mark.slow
def test_guesses_are_counted_for_their_address_and_stop_nobody_who_is_known(
    limits: Callable[[str], None], program: Program, signed_in: Alias
) -> None:
    client, guesser = program("integrations:read"), Client(headers={"Authorization": "Bearer made-up"})
    limits("2/min")
    with time_machine.travel(timezone.now(), tick=False):
        assert [guesser.get(BASE).status_code for _ in range(3)] == [401, 401, 429]
        answer = guesser.get(BASE)
        assert refused(answer) == (429, "too_many_requests")
        assert 1 <= int(answer["Retry-After"]) <= 60
        assert client.get(BASE).status_code == 200
        assert guesser.get(BASE, REMOTE_ADDR="203.0.113.9").status_code == 401


def test_nobody_is_held_up_while_the_cache_is_away(program: Program, signed_in: Alias, settings: Settings) -> None:
    client = program("integrations:read")
    away = "redis://127.0.0.1:1/0"  # nobody listens there
    settings.CACHES = {"default": {"BACKEND": "foundation.counters.RedisCache", "LOCATION": away}}
    assert client.get(BASE).status_code == 200
    assert refused(Client().get(BASE)) == (401, "not_authenticated")


# Pages ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_long_list_comes_in_pages_that_a_header_names(program: Program, signed_in: Alias) -> None:
    registry = signed_in.effective_credential.registry  # type: ignore[union-attr]
    for number in range(4):
        cast.integration_at(registry, name=f"more_{number}", label=f"More {number}")
    client, read, address = program("integrations:read"), [], f"{BASE}?page_size=2"
    answers = []
    while address:
        answers.append(client.get(address))
        read += [row["alias"] for row in answers[-1].json()]
        address = linked(answers[-1]).get("next", "").removeprefix("http://127.0.0.1:8000")
    assert read == ["more_0", "more_1", "more_2", "more_3", "northwind"]
    assert [set(linked(answer)) for answer in answers] == [
        {"first", "next", "last"}, {"first", "prev", "next", "last"}, {"first", "prev", "last"}
    ]  # fmt: skip
    assert linked(answers[0])["last"].endswith(f"{BASE}?page=3&page_size=2")
    beyond = client.get(f"{BASE}?page_size=2&page=9")
    assert (beyond.json(), set(linked(beyond))) == ([], {"first", "prev", "last"})


def linked(answer: Any) -> dict[str, str]:
    pairs = [link.split("; rel=") for link in answer["Link"].split(", ")]
    return {rel.strip('"'): url.strip("<>") for url, rel in pairs}
