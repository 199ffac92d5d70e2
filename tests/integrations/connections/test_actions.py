"""What a person does to an integration: asked first, done once, by POST only, to nobody else's."""

import re
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, AuthorizationAttempt, Event, Revocation, Token
from integrations.models.tokens import RefreshExpiry
from tests import cast, walks
from tests.conftest import client_of
from tests.servers import worker
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

ASKING, POST_ONLY = ("revoke", "forget"), ("cancel", "retry-revocation", "dismiss")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


def at(alias: Alias, action: str) -> str:
    return f"/integrations/{alias.hex}/{action}/"


# Revoke ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_asking_to_revoke_changes_nothing(amira: User, as_amira: Client, alias: Alias) -> None:
    token = cast.signed_in(amira, alias, account_label="amira@northwind.example")
    page = walks.words(as_amira.get(at(alias, "revoke")))
    assert "Revoke Northwind CRM?" in page
    assert "amira@northwind.example" in page
    assert "Northwind CRM is told to cancel the token as well." in page
    dialog = walks.words(as_amira.get(at(alias, "revoke"), headers=HTMX))
    assert "<html" not in dialog
    assert "Revoke Northwind CRM?" in dialog
    assert Token.objects.get() == token
    assert not Revocation.objects.exists()


def test_revoking_ends_the_token_here_and_promises_the_rest(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    response = as_amira.post(at(alias, "revoke"))
    assert (response.status_code, response["Location"]) == (302, "/integrations/")
    assert not Token.objects.exists()
    promised = Revocation.objects.get()
    assert (promised.user, promised.by_the_person, promised.state) == (amira, True, "pending")
    assert (promised.access_token, promised.refresh_token) == ("CANARY-access-1", "CANARY-refresh-1")
    assert [(event.kind, event.who, event.address) for event in Event.objects.all()] == [
        ("revoked", amira, "127.0.0.1")
    ]
    page = walks.words(as_amira.get("/integrations/"))
    assert walks.state_on(page) == "revoking"
    assert "Northwind CRM removed here. Asking Northwind CRM to cancel the token." in page


def test_htmx_gets_the_cards_anew(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    part = as_amira.post(at(alias, "revoke"), headers=HTMX)
    assert part.status_code == 200
    assert walks.state_on(walks.words(part)) == "revoking"
    assert 'hx-swap-oob="beforeend"' in walks.words(part)


def test_revoking_twice_is_harmless(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    assert [as_amira.post(at(alias, "revoke")).status_code for _ in range(2)] == [302, 302]
    assert Revocation.objects.count() == 1
    assert "Northwind CRM was not connected." in walks.words(as_amira.get("/integrations/"))


def test_revoking_leaves_other_users_alone(amira: User, bob: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    bobs = cast.signed_in(bob, alias, access_token="CANARY-bob")
    as_amira.post(at(alias, "revoke"))
    assert Token.objects.get() == bobs
    assert Revocation.objects.get().access_token == "CANARY-access-1"


@pytest.mark.slow
def test_without_a_revocation_address_the_page_says_so(amira: User, as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server, token_revocation_url="")
    cast.signed_in(amira, alias)
    assert "offers no way to cancel the token there" in walks.words(as_amira.get(at(alias, "revoke")))
    as_amira.post(at(alias, "revoke"))
    settled = Revocation.objects.get()
    assert (settled.state, settled.access_token, settled.refresh_token) == ("unsupported", "", "")
    page = walks.words(as_amira.get("/integrations/"))
    assert "It offers no way for us to cancel the token there; it may stay valid until" in page
    assert walks.state_on(page) == "not_connected"


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


@pytest.mark.parametrize(
    ("expires_in", "fields", "days"),
    [
        (3600, {}, None),
        (-3600, {}, None),
        (3600, {"refresh_expires_at": in_days(60), "refresh_expiry": RefreshExpiry.KNOWN}, 60),
        (-3600, {"refresh_expires_at": in_days(60), "refresh_expiry": RefreshExpiry.KNOWN}, 60),
        (3600, {"refresh_expires_at": in_days(60)}, None),
        (-3600, {"refresh_expires_at": in_days(-1), "refresh_expiry": RefreshExpiry.KNOWN}, None),
        (None, {"refresh_expires_at": in_days(60), "refresh_expiry": RefreshExpiry.KNOWN}, None),
        (86400 * 9, {"refresh_token": ""}, 9),
        (-3600, {"refresh_token": ""}, None),
        (None, {"refresh_token": ""}, None),
    ],
    ids=[
        "a refresh token without an end",
        "and an access token that has run out",
        "a refresh token with an end",
        "which outlives the access token",
        "an end that the registry assumes",
        "an end that is over",
        "an access token without an end",
        "an access token alone",
        "an access token that has run out alone",
        "an access token without an end alone",
    ],
)
@pytest.mark.slow
def test_the_date_until_which_a_token_may_stay_valid_is_one_that_is_known(
    expires_in: float | None,
    fields: dict[str, Any],
    days: int | None,
    amira: User,
    as_amira: Client,
    server: HostileServer,
) -> None:
    alias = walks.northwind(server, token_revocation_url="")
    cast.signed_in(amira, alias, expires_in=expires_in, **fields)
    asked = walks.words(as_amira.get(at(alias, "revoke")))
    as_amira.post(at(alias, "revoke"))
    told = walks.words(as_amira.get("/integrations/")).partition('id="toasts"')[2]
    for page in (asked, told):
        words = page.partition("it may stay valid until ")[2].partition("</div>")[0].partition("</li>")[0]
        dates = re.findall(r'datetime="([0-9-]+)T', words)
        assert dates == ([] if days is None else [f"{in_days(days):%Y-%m-%d}"])
        assert words.startswith("you remove it there.") == (days is None)


@pytest.mark.slow
def test_an_end_that_the_server_did_not_tell_is_assumed(server: HostileServer, amira: User, as_amira: Client) -> None:
    alias = walks.northwind(server, token_revocation_url="")
    for told, is_assumed in (({}, True), ({"refresh_expires_in": 86400}, False)):
        server.on("POST /token").answer(json={**walks.token_answer(1), **told})
        walks.sign_in(as_amira, alias)
        token = Token.objects.get()
        is_told_so = token.refresh_expiry == RefreshExpiry.ASSUMED
        assert (is_told_so, token.known_end is None) == (is_assumed, is_assumed)


def test_a_token_that_cannot_be_opened_is_ended_all_the_same(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    Token.objects.update(access_token=b"\x01\x04goneXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", refresh_token=None)
    assert as_amira.post(at(alias, "revoke")).status_code == 302
    assert not Token.objects.exists()


@pytest.fixture
def no_broker(tmp_path: Path) -> Iterator[None]:
    """The queue is where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed_port = nobody.getsockname()[1]
    with worker.broker(f"redis://127.0.0.1:{closed_port}/0", tmp_path):
        yield


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_holds_up_neither_the_page_nor_the_promise(
    no_broker: None, amira: User, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, alias)
    began = time.monotonic()
    assert as_amira.post(at(alias, "revoke")).status_code == 302
    assert time.monotonic() - began < 5
    assert not Token.objects.exists()
    promised = Revocation.objects.due().get()
    server.on("POST /revoke").always(status=200)
    tasks.deliver_revocation(promised.hex)
    assert Revocation.objects.get().state == "confirmed"


# Forget, cancel, retry, dismiss ---------------------------------------------------------------------------------------


def test_forgetting_asks_then_puts_the_dead_sign_in_away(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias, state="needs_reauth")
    assert "Forget Northwind CRM?" in walks.words(as_amira.get(at(alias, "forget")))
    assert Token.objects.exists()
    as_amira.post(at(alias, "forget"))
    assert not Token.objects.exists()
    page = walks.words(as_amira.get("/integrations/"))
    assert walks.state_on(page) == "not_connected"
    assert "Northwind CRM forgotten." in page
    assert not Revocation.objects.get().by_the_person


@pytest.mark.slow
def test_cancelling_closes_what_is_under_way(amira: User, bob: User, as_amira: Client, alias: Alias) -> None:
    walks.begin(as_amira, alias)
    walks.begin(client_of(bob), alias)
    assert as_amira.post(at(alias, "cancel")).status_code == 302
    states = dict(AuthorizationAttempt.objects.values_list("user__username", "status"))
    assert states == {"amira": "cancelled", "bob": "pending"}
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_connected"


def unconfirmed(user: User, alias: Alias) -> Revocation:
    cast.signed_in(user, alias).end(reason="revoked", by_the_person=True)
    revocation = Revocation.objects.get(user=user)
    revocation.state, revocation.attempts, revocation.next_attempt_at = "failed", 5, None
    revocation.last_answer = "http_503"
    revocation.save()
    return revocation


def test_trying_again_starts_over(amira: User, as_amira: Client, alias: Alias) -> None:
    revocation = unconfirmed(amira, alias)
    assert "503" in walks.words(as_amira.get("/integrations/"))
    as_amira.post(at(alias, "retry-revocation"))
    revocation.refresh_from_db()
    assert (revocation.state, revocation.attempts) == ("pending", 0)
    assert Revocation.objects.due().exists()
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "revoking"


def test_dismissing_clears_the_card_but_not_the_promise(amira: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(amira, alias).end(reason="revoked", by_the_person=True)
    as_amira.post(at(alias, "dismiss"))
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_connected"
    assert Revocation.objects.due().exists()


@pytest.mark.parametrize("action", [*ASKING, *POST_ONLY])
def test_an_action_on_nothing_is_harmless(action: str, as_amira: Client, alias: Alias) -> None:
    assert as_amira.post(at(alias, action)).status_code == 302
    assert not Revocation.objects.exists()


# Who and how ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", POST_ONLY)
@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_what_changes_something_is_a_post(action: str, method: str, as_amira: Client, alias: Alias) -> None:
    assert getattr(as_amira, method)(at(alias, action)).status_code == 405


@pytest.mark.parametrize("action", [*ASKING, *POST_ONLY])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_post_that_our_page_did_not_make_is_refused(
    action: str, headers: dict[str, str], amira: User, alias: Alias
) -> None:
    cast.signed_in(amira, alias)
    client = Client(enforce_csrf_checks=True)
    client.force_login(amira)
    assert client.post(at(alias, action), headers=headers).status_code == 403
    client.cookies["keyrack-csrf"] = "k" * 32
    made_up = {"csrfmiddlewaretoken": "b" * 64}
    assert client.post(at(alias, action), made_up, headers=headers).status_code == 403
    assert Token.objects.exists()
    assert not Revocation.objects.exists()


def test_our_page_can_make_the_post(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    client = Client(enforce_csrf_checks=True)
    client.force_login(amira)
    proof = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', walks.words(client.get(at(alias, "revoke"))))
    assert client.post(at(alias, "revoke"), {"csrfmiddlewaretoken": proof[0]}).status_code == 302
    assert not Token.objects.exists()


@pytest.mark.parametrize("action", [*ASKING, *POST_ONLY])
def test_an_id_of_nobody_or_of_somebody_else_is_not_found(action: str, bob: User, amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    alias.groups.add(amira.groups.create(name="Finance"))
    for address in (at(alias, action), f"/integrations/{'0' * 32}/{action}/"):
        assert client_of(bob).post(address).status_code == 404
    assert Token.objects.exists()
    assert client_of(cast.person("guest", role=False)).post(at(alias, action)).status_code == 403
    assert Client().post(at(alias, action))["Location"].startswith("/accounts/login/")
