"""Where one revocation ends everything that a person granted: nobody's newer sign-in pays for an older promise."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Revocation, Token
from integrations.models.card import integration_of
from tests import cast, walks
from tests.integrations.renewing import after
from tests.integrations.revoking import ACCESS, REFRESH, TOLD, copies, deliver, promised, tokens_of
from tests.servers.hostile import Answer, HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(server: HostileServer) -> Alias:
    """One of two integrations at a provider that ends whole grants."""
    server.on(TOLD).always(status=200)
    return cast.integration_at(
        cast.registry_at(server.url, revocation_reach="grant"), name="orchard_mail", label="Orchard Mail"
    )


@pytest.fixture
def calendar(mail: Alias) -> Alias:
    return cast.integration_at(ApplicationRegistry.objects.get(), name="orchard_calendar", label="Orchard Calendar")


def account(who: str) -> dict[str, Any]:
    return {"account_id": who, "account_label": f"{who}@orchard.example"}


def now_signed_in(user: User, alias: Alias, **fields: Any) -> Token:
    return cast.signed_in(user, alias, signed_in_at=timezone.now(), access_token="CANARY-new", **fields)


# A newer sign-in ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_new_sign_in_at_another_alias_takes_the_promise_back(
    server: HostileServer, amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    walks.grants(server, 2)
    walks.sign_in(as_amira, calendar)
    assert Revocation.objects.get().state == "superseded"
    assert copies(revocation) == [None, None, None]
    assert deliver(revocation).state == "superseded"
    assert server.calls_to(TOLD) == []


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (account("amira"), account("amira"), "superseded"),
        (account("amira"), {}, "superseded"),
        ({}, account("amira"), "superseded"),
        (account("amira"), account("tomas"), "confirmed"),
        ({"account_label": "a@x"}, {"account_label": "b@x"}, "confirmed"),
        ({"account_id": "1", "account_label": "old@x"}, {"account_id": "1", "account_label": "new@x"}, "superseded"),
    ],
)
def test_under_its_claim_a_promise_looks_for_a_newer_grant(
    old: dict[str, Any], new: dict[str, Any], state: str, amira: User, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail, **old)
    revocation = promised(amira, mail)
    now_signed_in(amira, calendar, **new)
    assert deliver(revocation).state == state


def test_an_older_sign_in_elsewhere_is_no_reason_to_keep_quiet(amira: User, mail: Alias, calendar: Alias) -> None:
    cast.signed_in(amira, calendar)
    cast.signed_in(amira, mail)
    assert deliver(promised(amira, mail)).state == "confirmed"


def test_somebody_elses_sign_in_is_none(amira: User, bob: User, mail: Alias, calendar: Alias) -> None:
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    now_signed_in(bob, calendar)
    assert deliver(revocation).state == "confirmed"


def test_whoever_was_shut_out_holds_up_nothing(amira: User, mail: Alias, calendar: Alias) -> None:
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    now_signed_in(amira, calendar)
    walks.under_way(amira, calendar)
    User.objects.update(is_active=False)
    assert deliver(revocation).state == "confirmed"


@pytest.mark.parametrize("reach", ["unknown", "token"])
def test_where_a_revocation_ends_one_sign_in_it_is_delivered(
    reach: str, amira: User, mail: Alias, calendar: Alias
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    now_signed_in(amira, calendar)
    walks.under_way(amira, calendar)
    assert deliver(revocation).state == "confirmed"


@pytest.mark.slow
def test_a_promise_that_was_given_up_is_taken_back_as_well(
    server: HostileServer, amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail)
    promised(amira, mail)
    Revocation.objects.update(state="abandoned", next_attempt_at=None)
    walks.grants(server, 2)
    walks.sign_in(as_amira, calendar)
    assert Revocation.objects.get().state == "superseded"


# Races ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "claimed"])
def test_while_a_sign_in_is_under_way_nothing_is_told(
    status: str, server: HostileServer, amira: User, mail: Alias, calendar: Alias
) -> None:
    """The provider may have granted already what we don't know of yet."""
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    walks.under_way(amira, calendar, status=status)
    waiting = deliver(revocation)
    assert (waiting.state, waiting.attempts, waiting.claimed_until) == ("pending", 0, None)
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at > timezone.now()
    assert server.calls == []
    AuthorizationAttempt.objects.update(expires_at=timezone.now())
    assert deliver(waiting).state == "confirmed"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_sign_in_between_the_two_calls_spares_the_second(
    server: HostileServer, amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    walks.grants(server, 2)

    def sign_in() -> None:
        walks.sign_in(as_amira, calendar)

    server.on(TOLD).then(after(sign_in, Answer(status=200)))
    assert deliver(revocation).state == "superseded"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH]
    assert Token.objects.get().access_token == "CANARY-access-2"


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_delivery_while_the_tokens_are_fetched_waits_for_them(
    server: HostileServer, amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    """Claimed by a worker just when the provider hands out the new tokens."""
    cast.signed_in(amira, mail)
    revocation = promised(amira, mail)
    server.on("POST /token").then(after(lambda: tasks.deliver_revocation(revocation.hex), walks.answered(2)))
    walks.sign_in(as_amira, calendar)
    assert server.calls_to(TOLD) == []
    assert deliver(revocation).state == "superseded"
    assert Token.objects.get().access_token == "CANARY-access-2"


# Before the click -----------------------------------------------------------------------------------------------------

Arrange = Callable[[User, Alias, Alias], object]


def question(person: Client, alias: Alias) -> str:
    return walks.words(person.get(f"/integrations/{alias.hex}/revoke/"))


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_the_question_names_what_else_ends(
    headers: dict[str, str], amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail, **account("amira"))
    cast.signed_in(amira, calendar, **account("amira"))
    page = walks.words(as_amira.get(f"/integrations/{mail.hex}/revoke/", headers=headers))
    assert "Also ends at once, because it uses the same access: <strong>Orchard Calendar</strong>" in page


SPARED: dict[str, Arrange] = {
    "another account": lambda amira, mail, calendar: cast.signed_in(amira, calendar, **account("tomas")),
    "not signed in": lambda amira, mail, calendar: None,
    "one sign-in alone": lambda amira, mail, calendar: (
        cast.signed_in(amira, calendar),
        ApplicationRegistry.objects.update(revocation_reach="token"),
    ),
    "somebody else's": lambda amira, mail, calendar: cast.signed_in(cast.person("tomas"), calendar),
    "another provider": lambda amira, mail, calendar: cast.signed_in(
        amira, cast.integration_at(cast.registry_at("https://other.example", name="Other"), name="other")
    ),
}


@pytest.mark.parametrize("arrange", SPARED.values(), ids=SPARED)
def test_the_question_names_nothing_that_lives_on(
    arrange: Arrange, amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    cast.signed_in(amira, mail, **account("amira"))
    arrange(amira, mail, calendar)
    assert "Also ends at once" not in question(as_amira, mail)


def test_aliases_that_share_the_sign_in_end_with_it_anywhere(
    amira: User, as_amira: Client, mail: Alias, calendar: Alias
) -> None:
    ApplicationRegistry.objects.update(revocation_reach="token")
    calendar.connections.update(credential=walks.credential_of(mail))
    cast.signed_in(amira, mail)
    assert "Orchard Calendar" in question(as_amira, mail)


def test_the_others_stay_until_the_provider_refuses_them(amira: User, mail: Alias, calendar: Alias) -> None:
    cast.signed_in(amira, mail)
    cast.signed_in(amira, calendar)
    assert deliver(promised(amira, mail)).state == "confirmed"
    card = integration_of(amira, calendar.pk)
    assert card is not None
    assert card.state == "connected"
    assert Token.objects.get().access_token == ACCESS
