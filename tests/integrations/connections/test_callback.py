"""The provider's answer: taken once, from the browser, person and registry it belongs to, or not at all."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import escape
from urllib.parse import quote

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, AuthorizationAttempt, Token
from integrations.views.permissions import BINDING
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    server.on("POST /token").always(json=walks.token_answer())
    return walks.northwind(server)


def asked_for_tokens(server: HostileServer) -> int:
    return len(server.calls_to("POST /token"))


def test_the_code_is_redeemed_where_and_as_it_was_asked_for(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    asked = walks.asked(walks.start(as_amira, alias))
    verifier = AuthorizationAttempt.objects.get().code_verifier
    walks.come_back(as_amira, alias, asked["state"])
    (call,) = server.calls
    assert (call.method, call.path, call.query) == ("POST", "/token", "")
    assert call.form == {
        "grant_type": "authorization_code",
        "code": "CANARY-code",
        "redirect_uri": asked["redirect_uri"],
        "code_verifier": verifier,
    }
    assert call.headers["authorization"].startswith("Basic ")


def test_success_ends_at_an_address_without_code_and_state(as_amira: Client, alias: Alias) -> None:
    state = walks.begin(as_amira, alias)
    back = walks.come_back(as_amira, alias, state)
    assert back.status_code == 303
    assert back["Location"] == f"/integrations/done/{AuthorizationAttempt.objects.get().hex}/"
    done = as_amira.get(back["Location"])
    assert "Northwind CRM is connected" in walks.words(done)
    for response in (back, done):
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "no-referrer"
        assert state not in walks.words(response)
        assert "CANARY" not in walks.words(response)
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', walks.words(done))
    assert addresses
    assert all(re.match(r"/(?!/)|#", address) for address in addresses), "something of somebody else's"
    assert Token.objects.get().access_token == "CANARY-access-1"


# Which answers are none -----------------------------------------------------------------------------------------------


def altered(state: str) -> str:
    return state[:-1] + ("A" if state[-1] != "A" else "B")


@pytest.mark.parametrize(
    "spoil",
    [
        altered,
        lambda state: state[:-1],
        lambda state: state + " ",
        lambda state: state.swapcase(),
        lambda state: [state, state],
        lambda state: ["x", state],
        lambda state: [state, "x"],
        lambda state: "a" * 9000,
        lambda state: state + "\x00",
        lambda state: "\x00",
        lambda state: "💥‮",
        lambda state: "' OR 1=1 --",
    ],
)
def test_a_state_that_is_not_ours_is_refused(
    spoil: Callable[[str], object], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    response = as_amira.get(
        walks.callback_url(
            walks.registry_of(alias),
            {k: v for k, v in {"code": "c", "state": spoil(state)}.items() if v is not None},
        )
    )
    assert response.status_code == 400
    assert "For your safety each sign-in works once" in walks.words(response)
    assert "no-store" in response["Cache-Control"]
    assert AuthorizationAttempt.objects.get().status == "pending"
    assert server.calls == []
    assert not Token.objects.exists()


def test_a_parameter_without_a_name_names_no_server(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    walks.registry_of(alias).__class__.objects.update(base_url_hosts="*.northwind.example")
    state = walks.begin(as_amira, alias)
    assert walks.come_back(as_amira, alias, state, **{"": "https://evil.northwind.example"}).status_code == 400
    assert AuthorizationAttempt.objects.get().status == "pending"


@pytest.mark.parametrize("name", ["code", "iss", "error", "anything"])
def test_a_parameter_that_comes_twice_is_refused(
    name: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    assert walks.come_back(as_amira, alias, state, **{name: ["a", "b"]}).status_code == 400
    assert asked_for_tokens(server) == 0


def test_a_code_that_is_too_long_is_refused(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, alias)
    assert walks.come_back(as_amira, alias, state, code="c" * 16385).status_code == 400
    assert asked_for_tokens(server) == 0


@pytest.mark.parametrize("query", ["%", "%zz", "%ff%fe", "code=%zz&state=%", "&&=&=", "state", "%00=%00", "😀=😀"])
def test_no_query_makes_us_stumble(query: str, as_amira: Client, alias: Alias, server: HostileServer) -> None:
    walks.begin(as_amira, alias)
    response = as_amira.get(f"{walks.callback_url(walks.registry_of(alias), {})}{query}")
    assert response.status_code == 400
    assert server.calls == []


@pytest.mark.parametrize("code", ["\x00", "a\x00b", "💥", "‮", "%zz", "a\r\nb", "</script>"])
def test_odd_codes_go_to_the_provider_or_nowhere(
    code: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    assert walks.come_back(as_amira, alias, state, code=code).status_code in (303, 400)
    assert [call.form["code"] for call in server.calls] in ([code], [])


def test_an_answer_without_code_and_error_fails(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    back = walks.come_back(as_amira, alias, walks.begin(as_amira, alias), code=None)
    assert walks.attempt_of(back).failure_code == "missing_code"
    assert server.calls == []


def test_an_answer_after_ten_minutes_is_refused(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, alias)
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert walks.come_back(as_amira, alias, state).status_code == 400
    assert server.calls == []


def test_an_answer_at_another_registrys_address_is_refused(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    other = cast.integration_at(cast.registry_at(server.url, name="Contoso"), name="contoso")
    state = walks.begin(as_amira, alias)
    assert walks.come_back(as_amira, other, state).status_code == 400
    assert server.calls == []
    assert AuthorizationAttempt.objects.get().status == "pending"


def test_somebody_elses_answer_is_refused(as_amira: Client, alias: Alias, server: HostileServer, db: None) -> None:
    """An attacker's own callback, opened by the victim: her integration would be his account."""
    attackers_state = walks.begin(client_of(cast.person("eve")), alias)
    refused = walks.come_back(as_amira, alias, attackers_state)
    assert refused.status_code == 400
    assert "This sign-in belongs to somebody else" in walks.words(refused)
    assert "eve" not in walks.words(refused)
    assert server.calls == []
    assert AuthorizationAttempt.objects.get().status == "pending"


def test_her_own_answer_in_another_browser_is_refused(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    other_browser = client_of(amira)
    refused = walks.come_back(other_browser, alias, state)
    assert refused.status_code == 400
    assert "in the same browser" in walks.words(refused)
    walks.begin(other_browser, alias)  # which binds that browser to sign-ins of its own
    assert walks.come_back(other_browser, alias, state).status_code == 400
    assert server.calls == []


def test_whoever_signs_in_next_in_the_same_browser_gets_nothing(
    as_amira: Client, bob: User, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    as_amira.post("/accounts/logout/")
    assert walks.come_back(as_amira, alias, state).status_code == 400
    as_amira.force_login(bob)
    assert walks.come_back(as_amira, alias, state).status_code == 400
    as_amira.post("/accounts/logout/")
    as_amira.force_login(User.objects.get(username="amira"))
    assert walks.come_back(as_amira, alias, state).status_code == 400
    assert server.calls == []
    assert not Token.objects.exists()


def test_her_browsers_mark_helps_nobody_else(as_amira: Client, bob: User, alias: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, alias)
    bobs = client_of(bob)
    session = bobs.session
    session[BINDING] = as_amira.session[BINDING]
    session.save()
    assert walks.come_back(bobs, alias, state).status_code == 400
    assert server.calls == []


def test_an_answer_without_a_session_leaves_the_code_unspent(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    response = walks.come_back(Client(), alias, state)
    assert response.status_code == 400
    assert "Start again" in walks.words(response)
    assert server.calls == []


def test_a_cancelled_sign_in_takes_no_late_answer(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, alias)
    as_amira.post(f"/integrations/{alias.hex}/cancel/")
    back = walks.come_back(as_amira, alias, state)
    assert "Sign-in cancelled" in walks.words(as_amira.get(back["Location"]))
    assert server.calls == []


@pytest.mark.parametrize("length", [5000, 16384])
def test_a_long_code_is_redeemed(length: int, as_amira: Client, alias: Alias, server: HostileServer) -> None:
    walks.come_back(as_amira, alias, walks.begin(as_amira, alias), code="c" * length)
    [call] = server.calls
    assert call.form["code"] == "c" * length


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head"])
def test_only_get_and_post_are_answered(method: str, as_amira: Client, alias: Alias, server: HostileServer) -> None:
    url = walks.callback_url(walks.registry_of(alias), {"code": "c", "state": walks.begin(as_amira, alias)})
    assert getattr(as_amira, method)(url).status_code == 405
    assert server.calls == []


def test_a_replayed_answer_shows_the_outcome_and_asks_nobody(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    state = walks.begin(as_amira, alias)
    places = [walks.come_back(as_amira, alias, state)["Location"] for _ in range(5)]
    assert len(set(places)) == 1
    assert asked_for_tokens(server) == 1
    assert "is connected" in walks.words(as_amira.get(places[0]))
    assert walks.come_back(as_amira, alias, state, code="other")["Location"] == places[0]
    assert walks.come_back(as_amira, alias, state, code=None, error="access_denied")["Location"] == places[0]
    assert Token.objects.get().is_valid


# The provider says no -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", ["access_denied", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "server_error", "x" * 500]
)
def test_an_error_is_told_in_words_and_escaped(error: str, as_amira: Client, alias: Alias, amira: User) -> None:
    kept = cast.signed_in(amira, alias)
    description = "<script>alert(2)</script>"
    back = walks.come_back(
        as_amira, alias, walks.begin(as_amira, alias), code=None, error=error, error_description=description
    )
    page = walks.words(as_amira.get(back["Location"]))
    details = walks.words(as_amira.get(f"/integrations/{alias.hex}/"))
    assert description not in page + details
    assert escape(error[:100], quote=True) in page
    assert not error.startswith(("<", '"')) or error not in page + details
    assert walks.attempt_of(back).status == "failed"
    kept.refresh_from_db()
    assert (kept.access_token, kept.state) == ("CANARY-access-1", "valid")


def test_who_refuses_is_told_that_nothing_was_stored(as_amira: Client, alias: Alias) -> None:
    page = walks.words(walks.sign_in(as_amira, alias, code=None, error="access_denied"))
    assert "You didn’t allow access" in page
    assert "Nothing was stored" in page


@pytest.mark.parametrize("error", ["a\x00b", "a\nb", "‮denied"])
def test_an_unprintable_error_is_not_repeated(error: str, as_amira: Client, alias: Alias) -> None:
    back = walks.come_back(as_amira, alias, walks.begin(as_amira, alias), code=None, error=error)
    assert walks.attempt_of(back).failure_code == "invalid_error"


def test_an_error_ends_the_sign_in(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, alias)
    walks.come_back(as_amira, alias, state, code=None, error="access_denied")
    walks.come_back(as_amira, alias, state)
    assert server.calls == []
    assert not Token.objects.exists()


def test_the_outcome_is_shown_to_its_person_alone(as_amira: Client, alias: Alias, bob: User) -> None:
    back = walks.come_back(as_amira, alias, walks.begin(as_amira, alias))
    foreign = client_of(bob).get(back["Location"])
    assert foreign.status_code == 404
    assert "This sign-in belongs to somebody else" in walks.words(foreign)
    assert "Northwind" not in walks.words(foreign)
    assert "Nothing was stored." not in walks.words(foreign)  # it was, for Amira
    assert client_of(bob).post(back["Location"], {"choice": "switch"}).status_code == 404
    assert Client().get(back["Location"])["Location"] == f"/accounts/login/?next={quote(back['Location'])}"


def test_a_sign_in_that_was_begun_for_something_leads_back_to_it(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    walks.grants(server)
    state = walks.begin(as_amira, alias, next="/integrations/?q=north&x=1")
    page = walks.words(as_amira.get(walks.come_back(as_amira, alias, state)["Location"]))
    assert 'id="back" href="/integrations/?q=north&amp;x=1"' in page
