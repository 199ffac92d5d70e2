"""Our OAuth server answers any combination of parameters, without a server error."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.oauth_server.models import Application
from tests import cast
from tests.accounts import programs
from tests.accounts.programs import CALLBACK, CHALLENGE, SECRET, VERIFIER
from tests.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

EXAMPLES = 150
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# NUL is left to the tests of odd bytes.
odd = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
RIGHT = {
    "response_type": ["code", "token", "none"],
    "client_id": ["digest", "script", "nobody"],
    "redirect_uri": [CALLBACK, f"{CALLBACK}?iss=x", "https://thief.example/", "http://["],
    "scope": ["integrations:read", "made:up", " "],
    "state": ["a-state", "é&=#"],
    "code_challenge": [CHALLENGE, "short"],
    "code_challenge_method": ["S256", "plain"],
    "prompt": ["none", "login", "none login", "consent", "create"],
    "response_mode": ["query", "fragment"],
    "resource": ["http://127.0.0.1:8000/api/v1", "http://[", "https://other.example", "urn:x"],
    "grant_type": [
        "authorization_code", "refresh_token", "password", "client_credentials", "openid", "none",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "code": ["c"],
    "code_verifier": [VERIFIER, "short"],
    "refresh_token": ["r"],
    "username": ["amira"],
    "password": [cast.PASSWORD, "wrong"],
    "client_secret": [SECRET, "wrong"],
    "token": ["t"],
    "token_type_hint": ["access_token", "refresh_token", "other"],
}  # fmt: skip
# Names of attributes that oauthlib and the toolkit have, and of OpenID Connect, which is not spoken here.
STRANGE = (
    "user", "client", "scopes", "claims", "nonce", "request", "request_uri", "extra_credentials", "expires_in",
    "refresh_token_instance", "refresh_successor", "application_password", "granted_resources", "approval_prompt",
    "id_token_hint", "max_age", "ui_locales", "device_code", "access_token", "allow", "validator_log", "decoded_body",
)  # fmt: skip


@st.composite
def parameters(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Mostly valid parameters; some omitted, repeated, malformed or unknown."""
    pairs: list[tuple[str, str]] = []
    for name, values in RIGHT.items():
        times = draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
        pairs += [(name, draw(st.sampled_from(values) | odd)) for _time in range(times)]
    pairs += draw(st.lists(st.tuples(st.sampled_from(STRANGE) | odd, odd), max_size=3))
    return draw(st.permutations(pairs))


@pytest.fixture
def browser(amira: User) -> Client:
    programs.program(may_introspect=True)
    programs.program(client_id="script", authorization_grant_type="password", first_party=True)
    return client_of(amira)


def form(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


@many
@given(pairs=parameters(), signed_in=st.booleans())
def test_an_authorization_request_of_any_form_is_answered(browser: Client, pairs: Any, signed_in: bool) -> None:
    asks = browser if signed_in else Client()
    answer = asks.get(f"/o/authorize/?{urlencode(pairs)}")
    assert answer.status_code in {200, 302, 400}
    if answer.status_code == 302 and not answer["Location"].startswith("/accounts/login/"):
        assert answer["Location"].startswith(CALLBACK)
        assert "iss=http%3A%2F%2F127.0.0.1%3A8000" in answer["Location"]


@many
@given(pairs=parameters(), allow=st.booleans())
def test_a_consent_form_of_any_form_is_answered(browser: Client, pairs: Any, allow: bool) -> None:
    fields = {**form(pairs), **({"allow": "true"} if allow else {})}
    answer = browser.post(f"/o/authorize/?{urlencode(pairs[:5])}", fields)
    assert answer.status_code in {200, 302, 400}
    if answer.status_code == 302:  # to the program, or back to the question where the form does not say what it showed
        assert answer["Location"].startswith((CALLBACK, "/o/authorize/?"))


@many
@given(
    pairs=parameters(), path=st.sampled_from(["token", "token", "revoke_token", "introspect"]), how=st.integers(0, 3)
)
def test_a_client_request_of_any_form_is_answered_in_json(browser: Client, pairs: Any, path: str, how: int) -> None:
    headers = [programs.basic(), programs.basic("script"), {"Authorization": "Basic %%%"}, {}][how]
    answer = Client(headers=headers).post(f"/o/{path}/", form(pairs))
    assert answer.status_code in {200, 400, 401, 403, 429}
    assert answer["Content-Type"] == "application/json"
    assert isinstance(answer.json(), dict)


@many
@given(query=st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=80))
def test_a_query_of_any_characters_is_answered(browser: Client, query: str) -> None:
    answer = browser.get("/o/authorize/", QUERY_STRING=f"client_id=digest&{query}")
    assert answer.status_code in {302, 400}


def test_programs_of_these_tests_work(browser: Client) -> None:
    assert programs.granted(browser)["token_type"] == "Bearer"
    assert Application.objects.count() == 2
