"""The proxy, when it does not work: whose fault it is, what is tried again, and who is not let in."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from integrations.models import Alias, HttpConnection, Token
from integrations.models.tokens import consent
from tests import cast
from tests.api.conftest import Program
from tests.api.proxying import API, BASE, error
from tests.foundation.oauth_client.connections import open_connections
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_401_renews_once_and_repeats_the_call(
    method: str, caller: Client, server: HostileServer, transactional_db: None
) -> None:
    """A POST too: the third party has done nothing."""
    server.on(f"{method} {API}").answer(status=401).always(status=200)
    server.on(ASKED).answer(json=GRANTED)
    answer = caller.generic(method, f"{BASE}contacts", b"a body")
    assert answer.status_code == 200
    calls = server.calls_to(f"{method} {API}")
    assert [call.headers["authorization"][-1] for call in calls] == ["1", "2"]
    assert {call.body for call in calls} == {b"a body"}
    assert len(server.calls_to(ASKED)) == 1


@pytest.mark.slow
def test_a_large_body_is_not_kept_for_a_second_time(
    caller: Client, server: HostileServer, transactional_db: None
) -> None:
    server.on(f"PUT {API}").always(status=401)
    server.on(ASKED).answer(json=GRANTED)
    assert caller.generic("PUT", f"{BASE}contacts", b"x" * (300 << 10)).status_code == 401
    assert [len(call.body) for call in server.calls_to(f"PUT {API}")] == [300 << 10]
    assert Token.objects.get().access_token == "CANARY-access-2"


@pytest.mark.slow
def test_who_must_sign_in_is_told_where(caller: Client, server: HostileServer) -> None:
    Token.objects.all().delete()
    answer = caller.get(f"{BASE}contacts")
    assert error(answer) == (401, "integration_not_authenticated")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert "WWW-Authenticate" not in answer


@pytest.mark.slow
def test_a_sign_in_that_ends_during_the_call_is_told_as_well(
    caller: Client, server: HostileServer, transactional_db: None
) -> None:
    server.on(f"GET {API}").answer(status=401)
    server.on(ASKED).answer(status=400, json={"error": "invalid_grant"})
    assert error(caller.get(f"{BASE}contacts")) == (401, "integration_not_authenticated")
    assert server.connections == 1  # the refusal was read to its end, so the renewal had its connection
    assert open_connections(server) == 1  # which the next call may have


@pytest.mark.slow
def test_a_token_that_is_due_is_renewed_first(caller: Client, server: HostileServer, transactional_db: None) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    server.on(ASKED).answer(json=GRANTED)
    server.on(f"POST {API}").answer(status=201)
    assert caller.generic("POST", f"{BASE}contacts", b"a body").status_code == 201
    assert server.calls_to(f"POST {API}")[0].body == b"a body"


@pytest.mark.parametrize("who", ["caller", "session"])
def test_nobody_there_is_502(who: str, request: pytest.FixtureRequest, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(close=True)
    sender: Client = request.getfixturevalue(who)
    assert error(sender.get(f"{BASE}contacts")) == (502, "provider_unreachable")


def test_an_inner_address_in_the_row_is_not_reached(caller: Client) -> None:
    HttpConnection.objects.update(connection_url="http://169.254.169.254/latest")
    token = Token.objects.get()
    token.agreed = consent.current_agreement(token.credential, token.user_id)
    token.save()
    assert error(caller.get(f"{BASE}meta-data")) == (502, "integration_misconfigured")


def test_an_answer_that_breaks_off_is_502_or_ends_with_an_error(caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(text="short", truncated=True)
    assert error(caller.get(f"{BASE}contacts")) == (502, "provider_unreachable")


def test_repetitions_are_made_on_request_and_only_of_what_can_be_repeated(
    caller: Client, server: HostileServer
) -> None:
    for method in ("GET", "POST"):
        server.on(f"{method} {API}").answer(status=503, headers={"Retry-After": "0"}).always(status=200)
    headers = {"Keyrack-Retries": "2"}
    assert caller.get(f"{BASE}contacts").status_code == 503
    server.on(f"GET {API}").answer(status=429, headers={"Retry-After": "0"})
    assert caller.get(f"{BASE}contacts", headers=headers).status_code == 200
    assert caller.post(f"{BASE}contacts", headers=headers).status_code == 503
    assert len(server.calls) == 4


@pytest.mark.parametrize("retries", ["6", "-1", "a", "1.0", ""])
def test_a_strange_number_of_repetitions_is_refused(retries: str, caller: Client, server: HostileServer) -> None:
    answer = caller.get(f"{BASE}contacts", headers={"Keyrack-Retries": retries})
    assert error(answer) == (400, "invalid_request")
    assert server.calls == []


@pytest.mark.parametrize("framing", ["chunked", "gzip, chunked"])
def test_a_body_whose_end_nobody_knows_is_refused(framing: str, caller: Client, server: HostileServer) -> None:
    headers = {"Transfer-Encoding": framing}
    assert error(caller.generic("POST", f"{BASE}contacts", b"x", headers=headers)) == (400, "invalid_request")
    assert server.calls == []


# Who is let in --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_program_needs_the_scope_of_this_service(program: Program, signed_in: Alias, server: HostileServer) -> None:
    other = cast.integration_at(signed_in.effective_credential.registry, name="other")  # type: ignore[union-attr]
    caller = program("service:other", "integrations:read", "tokens:read")
    for reference in ("northwind", signed_in.hex):
        answer = caller.post(f"/api/v1/integrations/{reference}/proxy/contacts")
        assert error(answer) == (403, "insufficient_scope")
    assert other.name in str(caller.get("/api/v1/integrations/").content)
    assert server.calls == []


@pytest.mark.slow
def test_not_yours_and_not_there_look_alike(program: Program, signed_in: Alias, amira: User) -> None:
    caller = program("service:northwind")
    signed_in.groups.create(name="Finance")
    answers = [caller.get(BASE.replace("northwind", name)) for name in ("northwind", signed_in.hex, "nobody", "a\0b")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_the_deactivated_and_those_without_the_role_call_nobody(
    caller: Client, amira: User, server: HostileServer
) -> None:
    amira.groups.clear()
    assert error(caller.get(f"{BASE}contacts")) == (403, "permission_denied")
    User.objects.update(is_active=False)
    assert caller.get(f"{BASE}contacts").status_code == 401
    assert server.calls == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer made-up", "Bearer a b", "Basic YTpi", "Bearer \u00e9"])
def test_without_a_living_token_nobody_is_let_in(header: str, signed_in: Alias, server: HostileServer) -> None:
    answer = Client(headers={"Authorization": header}).get(f"{BASE}contacts")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith('Bearer realm="keyrack"')
    assert server.calls == []


def test_a_session_changes_nothing_without_its_csrf_token(signed_in: Alias, amira: User, server: HostileServer) -> None:
    server.on(f"POST {API}").always(status=201)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(amira)
    strict.cookies["keyrack-csrf"] = "x" * 32
    form = {"csrfmiddlewaretoken": "x" * 32, "a": "1"}  # in the body it is the third party's to read
    assert error(strict.post(f"{BASE}contacts", form)) == (403, "permission_denied")
    assert server.calls == []
    assert strict.post(f"{BASE}contacts", form, headers={"X-CSRFToken": "x" * 32}).status_code == 201
    assert b'name="a"' in server.calls[0].body


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    + [{"Sec-Fetch-Dest": kind} for kind in ("script", "style", "serviceworker", "iframe", "object")],
)
def test_a_session_is_not_for_other_sites_nor_for_parts_of_a_page(
    headers: dict[str, str], session: Client, server: HostileServer
) -> None:
    assert error(session.get(f"{BASE}contacts", headers=headers)) == (403, "permission_denied")
    assert server.calls == []


@pytest.mark.parametrize("name", ["Origin", "Referer"])
def test_where_browsers_do_not_say_who_asks_the_address_of_the_page_does(
    name: str, signed_in: Alias, amira: User, server: HostileServer
) -> None:
    """By plain http none says Sec-Fetch-Site."""
    server.on(f"GET {API}").always(json={})
    browser = Client()
    browser.force_login(amira)
    for page in ("https://evil.example", "http://testserver.evil.example/", "null", "//", "http://testserver@evil/"):
        assert error(browser.get(f"{BASE}contacts", headers={name: page})) == (403, "permission_denied")
    assert server.calls == []
    assert browser.get(f"{BASE}contacts", headers={name: "http://testserver/integrations/"}).status_code == 200
    assert browser.get(f"{BASE}contacts").status_code == 200


@pytest.mark.slow
def test_calls_are_counted_like_all_others(
    caller: Client, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    server.on(f"GET {API}").always(json={})
    monkeypatch.setattr(SimpleRateThrottle, "parse_rate", lambda *_: (1, 60))
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda _throttle: 90.0)  # no minute ends meanwhile
    assert caller.get(f"{BASE}contacts").status_code == 200
    answer = caller.get(f"{BASE}contacts")
    assert error(answer) == (429, "too_many_requests")
    assert int(answer["Retry-After"]) <= 60
    assert len(server.calls) == 1


def test_an_alias_that_is_not_there_is_404_for_a_session_too(session: Client) -> None:
    answer = session.get("/api/v1/integrations/nowhere/proxy/contacts", headers={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
