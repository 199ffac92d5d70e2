"""The next sign-in asks for what an API found missing: scopes that are set up, and claims that it demanded."""

import base64
import json

import pytest
from django.test import Client

from accounts.models import User
from integrations.connections import step_up
from integrations.models import Alias, ApplicationRegistry, OAuthEntityProfile, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CLAIMS = {"access_token": {"nbf": {"essential": True, "value": "1702682181"}}}
ENCODED = base64.b64encode(json.dumps(CLAIMS).encode()).decode()


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    alias = walks.northwind(server)
    walks.registry_of(alias).scopes.create(scope="files:write", name="Write files")
    return alias


@pytest.fixture
def token(alias: Alias, amira: User) -> Token:
    return cast.signed_in(amira, alias)


def scopes_asked(client: Client, alias: Alias, **parameters: str) -> set[str]:
    return set(walks.asked(walks.start(client, alias, **parameters))["scope"].split())


def test_scopes_that_are_set_up_can_be_asked_for(as_amira: Client, alias: Alias) -> None:
    profile = set(OAuthEntityProfile.objects.get().scope_values())
    assert scopes_asked(as_amira, alias, scope="files:write") == {*profile, "files:write"}
    assert scopes_asked(as_amira, alias, scope="files:write admin:all") == {*profile, "files:write"}
    assert scopes_asked(as_amira, alias) == profile


def test_who_comes_from_elsewhere_reads_what_will_be_asked_for(amira: User, alias: Alias) -> None:
    visitor = Client()
    visitor.force_login(amira)
    page = walks.words(walks.start(visitor, alias, scope="files:write admin:all"))
    assert "Write files" in page
    assert "<span>admin:all</span>" not in page
    assert "Write files" not in walks.words(walks.start(visitor, alias))


def test_a_further_scope_is_shown_also_if_another_one_has_its_name(amira: User, alias: Alias) -> None:
    profile = OAuthEntityProfile.objects.get()
    assert profile.scopes.update(name="Files") >= 1
    walks.registry_of(alias).scopes.filter(scope="files:write").update(name="Files")
    visitor = Client()
    visitor.force_login(amira)
    before = walks.words(walks.start(visitor, alias)).count("<span>Files</span>")
    assert walks.words(walks.start(visitor, alias, scope="files:write")).count("<span>Files</span>") == before + 1


def test_a_scope_of_another_registry_is_not_asked_for(as_amira: Client, alias: Alias) -> None:
    other = cast.registry_at("https://other.example", name="Other")
    other.scopes.create(scope="other", name="Other")
    assert "other" not in scopes_asked(as_amira, alias, scope="other")


def test_demanded_claims_are_asked_for_until_the_person_has_signed_in(
    as_amira: Client, alias: Alias, token: Token, server: HostileServer
) -> None:
    Token.objects.update(claims_challenge=ENCODED, lacking_scopes=["files:write"], unhelpful_renewals=3)
    asked = walks.asked(walks.start(as_amira, alias))
    assert json.loads(asked["claims"]) == CLAIMS
    server.on("POST /token").then(walks.answered())
    walks.come_back(as_amira, alias, asked["state"])
    stored = Token.objects.get()
    assert (stored.claims_challenge, stored.lacking_scopes, stored.unhelpful_renewals) == ("", [], 0)
    assert "claims" not in walks.asked(walks.start(as_amira, alias))


@pytest.mark.parametrize(
    ("challenge", "parameters"),
    [
        ('acr_values="urn:mfa phr", max_age="300"', {"acr_values": "urn:mfa phr", "max_age": "300"}),
        ("max_age=5", {"max_age": "5"}),
        ('acr_values=phr, error_description="max_age is too small"', {"acr_values": "phr"}),
        ("max_age=soon", {}),
        ('acr_values=""', {}),
    ],
)
def test_a_stronger_sign_in_is_asked_for_by_its_parameters(challenge: str, parameters: dict[str, str]) -> None:
    assert step_up.demanded_parameters(challenge) == parameters


def test_a_stronger_sign_in_is_asked_for_until_the_person_has_signed_in(
    as_amira: Client, alias: Alias, token: Token, server: HostileServer
) -> None:
    Token.objects.update(claims_challenge='acr_values="phr", max_age="300"')
    asked = walks.asked(walks.start(as_amira, alias))
    assert (asked["acr_values"], asked["max_age"]) == ("phr", "300")
    server.on("POST /token").then(walks.answered())
    walks.come_back(as_amira, alias, asked["state"])
    assert "acr_values" not in walks.asked(walks.start(as_amira, alias))


@pytest.mark.parametrize("challenge", ["", "x", "e30", "%%%", '"text"', "W10=", "{", ENCODED[:-7]])
def test_a_challenge_that_is_none_is_left_out(challenge: str) -> None:
    assert step_up.decode_claims(challenge) in {"", "{}"}


@pytest.mark.parametrize("challenge", [ENCODED, ENCODED.rstrip("="), json.dumps(CLAIMS)])
def test_a_challenge_may_be_encoded(challenge: str) -> None:
    assert json.loads(step_up.decode_claims(challenge)) == CLAIMS


def test_a_scope_of_another_name_is_asked_for_by_ours(alias: Alias, token: Token) -> None:
    ApplicationRegistry.objects.update(provider_profile={"scopes": {"aliases": {"files:write": "FilesWrite"}}})
    found = step_up.find_step_up(token.pk, ["FilesWrite", "read"])
    assert (found.missing, found.unknown) == (("files:write",), ())
    assert found.initiator_url.endswith("&scope=files%3Awrite")


def test_a_scope_in_another_spelling_is_asked_for_in_ours(alias: Alias, token: Token) -> None:
    scopes = {"prefixes": ["https://x.example/"], "ignore_case": True}
    ApplicationRegistry.objects.update(provider_profile={"scopes": scopes})
    found = step_up.find_step_up(token.pk, ["https://x.example/Files:Write", "https://x.example/READ"])
    assert (found.missing, found.unknown) == (("files:write",), ())


def test_the_card_offers_to_add_what_is_missing(as_amira: Client, alias: Alias, token: Token) -> None:
    step_up.find_step_up(token.pk, ["files:write"])
    page = walks.words(as_amira.get("/integrations/"))
    assert "refused a call that needs more access" in page
    assert "Write files" in page
    assert "scope=files%3Awrite" in page


def test_the_card_says_what_only_an_administrator_can_add(as_amira: Client, alias: Alias, token: Token) -> None:
    step_up.find_step_up(token.pk, ["admin:all"])
    page = walks.words(as_amira.get("/integrations/"))
    assert "admin:all" in page
    assert "An administrator has to add this to the set-up first." in page


def test_the_card_says_that_more_than_a_renewal_is_needed(as_amira: Client, alias: Alias, token: Token) -> None:
    Token.objects.update(state="needs_reauth", failure_code="person_must_act")
    assert "wants you to sign in again" in walks.words(as_amira.get("/integrations/"))


def test_nobody_elses_sign_in_carries_the_claims(alias: Alias, token: Token, bob: User) -> None:
    Token.objects.update(claims_challenge=ENCODED)
    assert "claims" not in walks.asked(walks.start(client_of(bob), alias))
