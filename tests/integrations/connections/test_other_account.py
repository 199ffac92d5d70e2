"""A renewal that comes back as somebody else: nothing changes unnoticed, and what is not kept is given back."""

import html
import re

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    OAuth2Credential,
    Token,
)
from tests import cast, walks
from tests.integrations.accounts import AMIRAS, BOBS, is_known_as, told_to_revoke
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    for number in (1, 2, 3):
        walks.grants(server, number)
    server.on("POST /revoke").always(status=200)
    return walks.northwind(server, userinfo_url=f"{server.url}/userinfo")


@pytest.fixture
def attempt(as_amira: Client, alias: Alias, server: HostileServer) -> AuthorizationAttempt:
    """Signed in as Amira; renewing came back with Bob's account."""
    is_known_as(server, AMIRAS, BOBS)
    walks.sign_in(as_amira, alias)
    page = walks.words(walks.sign_in(as_amira, alias))
    assert "A different account?" in page
    assert "Keep amira@northwind.example" in page
    assert "Switch to bob@northwind.example" in page
    return AuthorizationAttempt.objects.get(status="other_account")


def choose(client: Client, attempt: AuthorizationAttempt, choice: str) -> str:
    place = f"/integrations/done/{attempt.hex}/"
    response = client.post(place, {"choice": choice})
    assert (response.status_code, response["Location"]) == (303, place)
    return walks.words(client.get(place))


def test_another_account_changes_nothing_until_the_person_chooses(
    attempt: AuthorizationAttempt, server: HostileServer
) -> None:
    token = Token.objects.get()
    assert (token.access_token, token.account_label) == ("CANARY-access-1", "amira@northwind.example")
    assert told_to_revoke(server) == []
    assert attempt.stored_answer() is not None


def test_keeping_gives_the_new_tokens_back(
    attempt: AuthorizationAttempt, as_amira: Client, server: HostileServer
) -> None:
    page = choose(as_amira, attempt, "keep")
    assert "You kept amira@northwind.example" in page
    assert "was not stored, and we have asked Northwind CRM to cancel it." in page
    assert Token.objects.get().access_token == "CANARY-access-1"
    assert told_to_revoke(server) == ["CANARY-refresh-2", "CANARY-access-2"]


@pytest.mark.parametrize("reach", ["unknown", "token", "grant"])
def test_switching_gives_the_old_tokens_back(
    reach: str, attempt: AuthorizationAttempt, as_amira: Client, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    assert "You are signed in as <strong>bob@northwind.example" in choose(as_amira, attempt, "switch")
    token = Token.objects.get()
    assert (token.access_token, token.account_id) == ("CANARY-access-2", "b-2")
    assert told_to_revoke(server) == ["CANARY-refresh-1", "CANARY-access-1"]


def test_a_choice_counts_once(attempt: AuthorizationAttempt, as_amira: Client, server: HostileServer) -> None:
    choose(as_amira, attempt, "switch")
    choose(as_amira, attempt, "keep")
    assert Token.objects.get().access_token == "CANARY-access-2"
    assert told_to_revoke(server) == ["CANARY-refresh-1", "CANARY-access-1"]


@pytest.mark.parametrize("choice", ["", "SWITCH", "yes", "switch "])
def test_anything_but_switch_keeps(choice: str, attempt: AuthorizationAttempt, as_amira: Client) -> None:
    choose(as_amira, attempt, choice)
    assert Token.objects.get().access_token == "CANARY-access-1"


def test_no_choice_can_take_what_the_person_lost(
    attempt: AuthorizationAttempt, amira: User, as_amira: Client, server: HostileServer
) -> None:
    amira.groups.clear()
    as_amira.post(f"/integrations/done/{attempt.hex}/", {"choice": "switch"})
    assert Token.objects.get().access_token == "CANARY-access-1"
    assert told_to_revoke(server) == ["CANARY-refresh-2", "CANARY-access-2"]


@pytest.mark.parametrize("reach", ["unknown", "token", "grant"])
def test_where_another_account_is_refused_nothing_changes_and_it_is_said_in_words(
    reach: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    OAuth2Credential.objects.update(other_account="refuse")
    ApplicationRegistry.objects.update(revocation_reach=reach)
    is_known_as(server, AMIRAS, BOBS)
    walks.sign_in(as_amira, alias)
    page = html.unescape(walks.words(walks.sign_in(as_amira, alias)))
    told = "You signed in as bob@northwind.example; this integration stays with amira@northwind.example."
    assert told in page
    assert "Nothing changed" in page
    assert "Sign out at Northwind CRM and try again." in re.sub("[\u2066-\u2069]", "", page)
    assert "Switch to" not in page
    token = Token.objects.get()
    assert (token.access_token, token.account_id, token.version) == ("CANARY-access-1", "a-1", 1)
    assert told_to_revoke(server) == ["CANARY-refresh-2", "CANARY-access-2"]


def test_where_another_account_is_refused_the_same_one_renews(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    OAuth2Credential.objects.update(other_account="refuse")
    is_known_as(server, AMIRAS, AMIRAS)
    walks.sign_in(as_amira, alias)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().access_token == "CANARY-access-2"


@pytest.mark.parametrize(("reach", "told"), [("grant", 0), ("unknown", 0), ("token", 2)])
@pytest.mark.parametrize("policy", ["ask", "refuse"])
def test_what_is_given_back_does_not_end_what_that_account_has_elsewhere(
    policy: str, reach: str, told: int, as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    OAuth2Credential.objects.update(other_account=policy)
    ApplicationRegistry.objects.update(revocation_reach=reach)
    other = cast.integration_at(walks.registry_of(alias), name="other")
    cast.signed_in(amira, other, account_id="b-2", access_token="CANARY-elsewhere")
    is_known_as(server, AMIRAS, BOBS)
    walks.sign_in(as_amira, alias)
    walks.sign_in(as_amira, alias)
    for attempt in AuthorizationAttempt.objects.filter(status="other_account"):
        choose(as_amira, attempt, "keep")
    assert told_to_revoke(server) == ["CANARY-refresh-2", "CANARY-access-2"][:told]
    assert not any(attempt.answer for attempt in AuthorizationAttempt.objects.all())
    assert Token.objects.count() == 2
