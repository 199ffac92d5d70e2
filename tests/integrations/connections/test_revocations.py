"""The provider is told what RFC 7009 says and of nothing else; only what it confirmed is called confirmed."""

import base64
import logging
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, Event, Revocation, Token
from tests import cast
from tests.integrations.renewing import after
from tests.integrations.revoking import ACCESS, REFRESH, TOLD, copies, deliver, promised, tokens_of
from tests.servers.hostile import Answer, HostileServer


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Amira's integration, signed in."""
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def test_the_refresh_token_goes_first_and_nothing_is_in_the_url(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(status=200)
    done = deliver(promised(amira, northwind))
    first, second = server.calls_to(TOLD)
    assert first.form == {"token": REFRESH, "token_type_hint": "refresh_token"}
    assert second.form == {"token": ACCESS, "token_type_hint": "access_token"}
    for call in (first, second):
        assert call.query == ""
        assert call.headers["content-type"] == "application/x-www-form-urlencoded"
        assert base64.b64decode(call.headers["authorization"].split()[1]) == b"keyrack:CANARY-client-secret"
    assert (done.state, done.attempts) == ("confirmed", 1)
    assert None not in copies(done)  # nothing proves that the tokens are dead
    assert [event.kind for event in Event.objects.order_by("at")] == ["revoked", "revocation_confirmed"]


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("client_secret_post", {"client_id": "keyrack", "client_secret": "CANARY-client-secret"}),
        ("none", {"client_id": "keyrack"}),
    ],
)
def test_the_client_shows_who_it_is_as_the_registry_says(
    method: str, sent: dict[str, str], server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(send_credentials=method)
    server.on(TOLD).always(status=200)
    deliver(promised(amira, northwind))
    calls = server.calls_to(TOLD)
    assert len(calls) == 2
    for call in calls:
        assert call.form.items() >= sent.items()
        assert ("client_secret" in call.form) == ("client_secret" in sent)
        assert "authorization" not in call.headers


ANSWERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "200": ({"status": 200}, "confirmed", ""),
    "204": ({"status": 204}, "confirmed", ""),
    "200 with an odd body": ({"status": 200, "text": "<h1>error: invalid_client</h1>"}, "confirmed", ""),
    "unknown token": ({"status": 400, "json": {"error": "invalid_token"}}, "confirmed", ""),
    "503": ({"status": 503}, "pending", "503"),
    "429": ({"status": 429}, "pending", "429"),
    "401": ({"status": 401, "json": {"error": "invalid_client"}}, "pending", "401"),
    "403": ({"status": 403}, "pending", "403"),
    "404": ({"status": 404}, "pending", "404"),
    "302": ({"redirect": "/elsewhere"}, "pending", "302"),
    "307": ({"status": 307, "redirect": "/elsewhere"}, "pending", "307"),
    "no answer": ({"close": True}, "pending", "connection failed"),
}


@pytest.mark.parametrize(("answer", "state", "words"), ANSWERS.values(), ids=ANSWERS)
def test_only_a_confirmation_is_one(
    answer: dict[str, Any], state: str, words: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(**answer)
    done = deliver(promised(amira, northwind))
    assert (done.state, done.last_answer) == (state, words)
    assert done.claimed_until is None
    assert None not in copies(done)
    if state == "pending":
        server.on(TOLD).always(status=200)
        assert deliver(done).state == "confirmed"


def test_a_redirect_leads_nowhere(server: HostileServer, amira: User, northwind: Alias) -> None:
    with HostileServer() as evil:
        server.on(TOLD).always(status=307, redirect=f"{evil.url}/revoke")
        deliver(promised(amira, northwind))
        assert evil.connections == 0


@pytest.mark.parametrize("url", ["https://169.254.169.254/revoke", "http://192.168.0.1/revoke"])
def test_an_inner_address_is_not_reached_even_if_the_row_names_it(url: str, amira: User, northwind: Alias) -> None:
    revocation = promised(amira, northwind)
    Revocation.objects.update(revocation_url=url)
    assert deliver(revocation).state == "pending"


def test_a_client_that_is_not_known_there_is_shown_to_administrators(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(status=401, json={"error": "invalid_client"})
    deliver(promised(amira, northwind))
    assert ApplicationRegistry.objects.get().misconfigured_code == "invalid_client"


def test_a_kind_of_token_that_cannot_be_revoked_does_not_stop_the_other(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    refused = Answer(status=400, json={"error": "unsupported_token_type"})
    server.on(TOLD).then(Answer(status=200), refused)
    done = deliver(promised(amira, northwind))
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS]
    assert (done.state, done.last_answer) == ("confirmed", "unsupported_token_type")


def test_where_the_refresh_token_cannot_be_revoked_nothing_is_called_confirmed(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).then(Answer(status=400, json={"error": "unsupported_token_type"}), Answer(status=200))
    done = deliver(promised(amira, northwind))
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS]
    assert (done.state, done.last_answer) == ("unsupported", "unsupported_token_type")
    assert copies(done) == [None, None, None]


def test_without_a_revocation_url_nobody_is_told_and_nothing_is_kept(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(token_revocation_url="")
    revocation = promised(amira, northwind)
    assert revocation.state == "unsupported"
    assert copies(revocation) == [None, None, None]
    deliver(revocation)
    assert server.calls == []


@pytest.mark.parametrize("column", ["refresh_token", "access_token"])
def test_a_copy_that_cannot_be_opened_is_never_called_confirmed(
    column: str, server: HostileServer, amira: User, northwind: Alias, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(TOLD).always(status=200)
    revocation = promised(amira, northwind)
    Revocation.objects.update(**{column: b"CANARY-planted"})
    with caplog.at_level(logging.DEBUG):
        closed = deliver(revocation)
    assert (closed.state, closed.last_answer) == ("pending", "unreadable")
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("reach", ["unknown", "token", "grant"])
def test_the_new_sign_in_is_never_revoked_for_the_old_one(
    reach: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    server.on(TOLD).always(status=200)
    revocation = promised(amira, northwind)
    cast.signed_in(amira, northwind, access_token="CANARY-new-access", refresh_token="CANARY-new-refresh")
    deliver(revocation)
    deliver(revocation)
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS]
    assert Token.objects.get().access_token == "CANARY-new-access"


@pytest.mark.django_db(transaction=True)
def test_what_a_new_sign_in_replaced_meanwhile_is_not_taken_up_again(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    revocation = promised(amira, northwind)
    server.on(TOLD).then(after(lambda: Revocation.objects.get().settle("superseded"), Answer(status=503)))  # type: ignore[arg-type]
    assert deliver(revocation).state == "superseded"
    assert Revocation.objects.get().next_attempt_at is None


def test_a_task_carries_an_id_and_a_row_shows_no_secret(server: HostileServer, amira: User, northwind: Alias) -> None:
    revocation = promised(amira, northwind)
    server.on(TOLD).always(status=200)
    tasks.deliver_revocation(revocation.hex)
    assert len(server.calls_to(TOLD)) == 2
    tasks.deliver_revocation("0" * 32)  # a row that is gone: nothing to do
    assert "CANARY" not in f"{revocation!r} {revocation} {revocation.registration()!r}"


def test_a_rolled_back_revoke_promises_nothing(amira: User, northwind: Alias) -> None:
    def revoke_and_break() -> None:
        with transaction.atomic():
            promised(amira, northwind)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        revoke_and_break()
    assert Token.objects.filter(user=amira).exists()
    assert not Revocation.objects.exists()


@pytest.mark.parametrize("answer", [{"status": 500}, {"close": True}, {"status": 404}, {"redirect": "/elsewhere"}])
def test_a_token_in_the_address_reaches_nothing_of_ours(
    answer: dict[str, Any], server: HostileServer, amira: User, northwind: Alias, caplog: pytest.LogCaptureFixture
) -> None:
    address = {"method": "DELETE", "client_authentication": "none", "body": "none"}
    ApplicationRegistry.objects.update(
        token_revocation_url=f"{server.url}/tokens/{{token}}?by={{client_id}}", revocation_request=address
    )
    server.on(f"DELETE /tokens/{REFRESH}").always(**answer)
    with caplog.at_level(logging.DEBUG):
        waiting = deliver(promised(amira, northwind))
    assert (server.calls[0].path, server.calls[0].query) == (f"/tokens/{REFRESH}", "by=keyrack")
    assert waiting.state == "pending"
    kept = [waiting.last_answer, *Event.objects.values_list("detail", flat=True)]
    assert "CANARY" not in caplog.text + " ".join(kept)
