"""Which integrations a program may call: none, only selected ones, or all. The same for tokens and for consent."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server.models import Approval
from integrations.models import Alias
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.tokens import BASE, make_token, status
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

NEW = "/accounts/security/tokens/new/"
EVERYTHING = "integrations:read service:copper service:delta service:gone"


@pytest.fixture
def browser(amira: User) -> Client:
    """A client of Amira, who has just authenticated."""
    return proofs.just_shown(client_of(amira), amira)


@pytest.fixture
def aliases(amira: User) -> list[Alias]:
    """Copper is not connected, Delta is."""
    registry = cast.registry_at("https://northwind.example")
    copper, delta = (cast.integration_at(registry, name=name, label=name.title()) for name in ("copper", "delta"))
    cast.signed_in(amira, delta)
    return [copper, delta]


def post_token(browser: Client, **fields: Any) -> Any:
    return browser.post(NEW, {"name": "nightly", "expires": "90", **fields})


def test_the_form_offers_each_integration_the_connected_ones_first(browser: Client, aliases: list[Alias]) -> None:
    page = browser.get(NEW).content.decode()
    assert re.findall(r'name="scopes" id="pick-\d+" value="([^"]*)"', page) == ["service:delta", "service:copper"]
    assert page.index("Connected</small>") < page.index("Not connected yet</small>")
    assert "The 2 of today, and any that are added later." in page


@pytest.mark.parametrize(
    ("reach", "ticked", "scopes"),
    [
        ("none", ["integrations:read", "service:copper"], ["integrations:read"]),
        ("selected", ["service:copper"], ["service:copper"]),
        ("all", ["integrations:read", "service:copper"], ["integrations:read", "service:*"]),
    ],
)
def test_a_token_gets_what_the_choice_says(
    browser: Client, aliases: list[Alias], reach: str, ticked: list[str], scopes: list[str]
) -> None:
    assert post_token(browser, reach=reach, scopes=ticked).status_code == 200
    assert PermanentToken.objects.get().scopes == scopes


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reach": "selected", "scopes": ["integrations:read"]}, "Select at least one, or choose “None”."),
        ({"reach": "none", "scopes": ["service:copper"]}, "Choose at least one."),
        ({"reach": "nonsense", "scopes": ["service:copper"]}, "nonsense is not one of the available choices."),
        ({"reach": "selected", "scopes": ["service:gone"]}, "service:gone is not one of the available choices."),
    ],
)
def test_a_choice_of_nothing_makes_no_token_and_stays(
    browser: Client, aliases: list[Alias], fields: dict[str, Any], sentence: str
) -> None:
    page = post_token(browser, **fields).content.decode()
    assert sentence in page
    assert 'value="nightly"' in page
    assert not PermanentToken.objects.exists()


@pytest.mark.slow
def test_a_token_for_all_reaches_what_is_added_later_and_nothing_else(amira: User, aliases: list[Alias]) -> None:
    _row, secret = make_token(amira, "service:*")
    paths = [f"{BASE}{name}/proxy/x" for name in ("copper", "added")]
    assert status(secret, paths[0]) == 401  # not connected yet
    assert status(secret, paths[1]) == 404
    cast.integration_at(cast.registry_at("https://other.example", name="Other"), name="added")
    assert status(secret, paths[1]) == 401
    assert status(secret, BASE) == 403
    _row, secret = make_token(amira, "service:delta", name="other")
    assert status(secret, paths[0]) == 403


def test_consent_to_several_can_be_given_for_some(as_amira: Client, aliases: list[Alias]) -> None:
    programs.program(allowed_scopes=EVERYTHING)
    wanted = "integrations:read service:copper service:delta"
    page = as_amira.get(programs.authorize_url(scope=wanted)).content.decode()
    assert re.findall(r'id="reach-(\w+)" value="\w+" checked', page) == ["all"]
    answer = {"allow": "true", "reach": "selected", "scopes": ["service:delta", "service:gone", "tokens:read"]}
    code = programs.answer_consent(as_amira, answer, scope=wanted)["code"]  # type: ignore[arg-type]
    assert programs.exchange(code).json()["scope"] == "integrations:read service:delta"
    assert Approval.objects.get().scopes == ["integrations:read", "service:delta"]
    assert as_amira.get(programs.authorize_url(scope=wanted)).status_code == 200  # asked again for the rest


def test_consent_to_all_covers_each_one(as_amira: Client, aliases: list[Alias]) -> None:
    programs.program(allowed_scopes="integrations:read service:*")
    code = programs.ask(as_amira, scope="service:*")["code"]
    assert programs.exchange(code).json()["scope"] == "service:*"
    assert as_amira.get(programs.authorize_url(scope="service:copper")).status_code == 302


def test_a_program_that_asks_for_all_can_get_one(as_amira: Client, aliases: list[Alias]) -> None:
    programs.program(allowed_scopes="service:*")
    answer = {"allow": "true", "reach": "selected", "scopes": "service:delta"}
    code = programs.answer_consent(as_amira, answer, scope="service:*")["code"]
    assert programs.exchange(code).json()["scope"] == "service:delta"


def test_consent_to_none_of_what_is_asked_for_allows_nothing(as_amira: Client, aliases: list[Alias]) -> None:
    programs.program(allowed_scopes=EVERYTHING)
    answer = {"allow": "true", "reach": "none"}
    assert programs.answer_consent(as_amira, answer, scope="service:copper service:delta")["error"] == "access_denied"
    assert not Approval.objects.exists()


@pytest.mark.slow
def test_consent_to_less_than_before_lasts(as_amira: Client, aliases: list[Alias]) -> None:
    programs.program(allowed_scopes="integrations:read service:*")
    programs.ask(as_amira, scope="integrations:read service:*")
    narrower = {"allow": "true", "reach": "selected", "scopes": "service:delta"}
    programs.answer_consent(as_amira, narrower, scope="service:*", prompt="consent")
    assert Approval.objects.get().scopes == ["integrations:read", "service:delta"]
    assert as_amira.get(programs.authorize_url(scope="service:copper")).status_code == 200  # asked again
    programs.ask(as_amira, scope="service:*")
    programs.answer_consent(as_amira, narrower, scope="service:copper service:delta", prompt="consent")
    assert Approval.objects.get().scopes == ["integrations:read", "service:delta"]
