"""A refusal that our own registration may have caused signs nobody out; an administrator hears of it."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unexplained, Unusable
from integrations import registration_health
from integrations.connections import notices, renewal
from integrations.connections.renewal import refusal_review
from integrations.models import Alias, ApplicationRegistry, Renewal, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.django_db

RIGHT = "CANARY-client-secret"
WRONG = "CANARY-mistyped-secret"


class Provider:
    """Tells a wrong secret and a dead refresh token apart, each in its own vague way."""

    def __init__(
        self, server: HostileServer, *, wrong_secret: Answer, dead_token: Answer, other_endpoints: bool = False
    ) -> None:
        self.secret, self.wrong_secret, self.dead_token = RIGHT, wrong_secret, dead_token
        self.living = {"CANARY-refresh-1"}
        self.server = server
        server.on(ASKED).always(self.grant)
        if other_endpoints:
            server.on("POST /introspect").always(self.guarded(Answer(json={"active": False})))
            server.on("POST /revoke").always(self.guarded(Answer(status=200)))

    def knows(self, call: Call) -> bool:
        shown = base64.b64decode(call.headers["authorization"].removeprefix("Basic ")).decode()
        return shown == f"keyrack:{self.secret}"

    def grant(self, call: Call) -> Answer:
        if not self.knows(call):
            return self.wrong_secret
        if call.form.get("refresh_token") not in self.living:
            return self.dead_token
        return Answer(json=GRANTED)

    def guarded(self, answer: Answer) -> Callable[[Call], Answer]:
        return lambda call: answer if self.knows(call) else Answer(status=401, json={"error": "invalid_client"})

    def renewals(self) -> int:
        return sum(call.form.get("refresh_token", "").startswith("CANARY") for call in self.server.calls_to(ASKED))


EMPTY, FORBIDDEN = Answer(status=400, body=b""), Answer(status=403, json={})
INVALID_REQUEST = Answer(status=400, json={"error": "invalid_request"})
DENIED = Answer(status=400, json={"error": "access_denied"})
INVALID_GRANT = Answer(status=400, json={"error": "invalid_grant"})
UNKNOWN_WORD = Answer(status=400, json={"error": "Access Denied", "error_description": "CANARY"})
VAGUE = {"empty 400": EMPTY, "403": FORBIDDEN, "invalid_request": INVALID_REQUEST, "access_denied": DENIED,
         "a word nobody knows": UNKNOWN_WORD}  # fmt: skip


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url, token_revocation_url=""))


def registry() -> ApplicationRegistry:
    return ApplicationRegistry.objects.get()


def save_secret(secret: str) -> None:
    row = registry()
    row.client_secret = secret
    row.save()


def everybody_is_signed_in() -> bool:
    return not Token.objects.exclude(state="valid", failure_code="").exists()


def pass_the_pause() -> None:
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [*VAGUE.values(), INVALID_GRANT], ids=[*VAGUE, "invalid_grant"])
def test_a_wrong_secret_signs_nobody_out_whatever_the_server_calls_it(
    refusal: Answer, server: HostileServer, amira: User, bob: User, northwind: Alias, settings: LazySettings
) -> None:
    settings.ADMINS = [("Admin", "admin@hub.example")]
    provider = Provider(server, wrong_secret=refusal, dead_token=INVALID_GRANT)
    for person in (amira, bob):
        cast.signed_in(person, northwind, expires_in=-10)
    save_secret(WRONG)
    for person in (amira, bob, amira):
        with pytest.raises(Misconfigured):
            current(person, northwind)
    assert everybody_is_signed_in()
    assert registry().misconfigured_code in {"client_refused", "unexplained_refusals"}
    assert provider.renewals() == 1  # the others were not even tried
    notices.send_due()
    notices.send_due()
    [letter] = mail.outbox
    assert "Client Secret" in letter.body
    assert "nobody has to sign in again" in letter.body
    assert WRONG not in letter.body

    save_secret(RIGHT)
    assert current(bob, northwind) == "CANARY-access-2"
    provider.living.add("CANARY-refresh-1")
    assert current(amira, northwind) == "CANARY-access-2"
    assert registry().misconfigured_code == ""


PAGE = b"<html><body>Request blocked</body></html>"
NOTHING = {"400 page": Answer(status=400, body=PAGE), "403 page": Answer(status=403, body=PAGE),
           "200 page": Answer(status=200, body=PAGE), "200 empty object": Answer(json={}),
           "200 unknown word": Answer(json={"ok": False, "error": "no_go"}),
           "402": Answer(status=402, json={})}  # fmt: skip


@pytest.mark.parametrize("is_changed_here", [True, False])
@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING)
def test_an_answer_that_grants_nothing_to_a_suspect_registration_is_told_to_an_administrator(
    answer: Answer, is_changed_here: bool, server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    provider = Provider(server, wrong_secret=answer, dead_token=INVALID_GRANT)
    for person in (amira, bob):
        cast.signed_in(person, northwind, expires_in=-10)
    if is_changed_here:
        save_secret(WRONG)
    else:
        provider.secret = "another"
    for person in (amira, bob):
        with pytest.raises(OAuthError):
            current(person, northwind)
    assert registry().misconfigured_code == "unexplained_refusals"
    Renewal.objects.update(asked_at=timezone.now() - timedelta(days=2))
    pass_the_pause()
    with pytest.raises(OAuthError):
        current(amira, northwind)
    assert everybody_is_signed_in()


@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING)
def test_an_answer_that_grants_nothing_to_one_person_holds_up_nobody_else(
    answer: Answer, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(ASKED).always(answer)
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(OAuthError):
        current(amira, northwind)
    assert (len(server.calls), registry().misconfigured_code) == (1, "")


@pytest.mark.slow
def test_a_registry_that_is_held_for_an_hour_is_checked_every_ten_minutes_only(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    """A provider may lock a client that shows wrong credentials each minute."""
    provider = Provider(server, wrong_secret=EMPTY, dead_token=INVALID_GRANT)
    cast.signed_in(amira, northwind, expires_in=-10)
    save_secret(WRONG)
    for _minute in range(60):
        pass_the_pause()
        with pytest.raises(Misconfigured):
            current(amira, northwind)
        a_minute = timedelta(seconds=61)
        ApplicationRegistry.objects.update(
            renewals_held_until=F("renewals_held_until") - a_minute,
            client_check_until=F("client_check_until") - a_minute,
        )
    made_up = len(server.calls) - provider.renewals()
    assert (provider.renewals(), made_up) == (60, 2 * 7)
    save_secret(RIGHT)
    assert current(amira, northwind) == "CANARY-access-2"


def test_a_server_whose_words_change_by_themselves_does_not_pass_for_one_that_accepts_us(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    words = iter(f"try {letter}" for letter in "abcdefghijklmnop")
    server.on(ASKED).always(
        lambda _call: Answer(status=400, json={"error": "invalid_grant", "error_description": next(words)})
    )
    cast.signed_in(amira, northwind, expires_in=-10)
    save_secret(WRONG)
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert everybody_is_signed_in()


def test_where_only_introspection_can_tell_it_is_asked(server: HostileServer, amira: User, northwind: Alias) -> None:
    Provider(server, wrong_secret=EMPTY, dead_token=EMPTY, other_endpoints=True)
    ApplicationRegistry.objects.update(token_introspection_url=f"{server.url}/introspect")
    cast.signed_in(amira, northwind, expires_in=-10)
    save_secret(WRONG)
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert registry().misconfigured_code == "client_refused"
    assert everybody_is_signed_in()


@pytest.mark.parametrize("introspected", [{}, {"json": {"error": "invalid_token"}}, {"json": {"error": "forbidden"}}])
def test_an_endpoint_that_wants_other_credentials_holds_up_nobody(
    introspected: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    """Introspection may want a Bearer token (RFC 7662 §2.1), and gives everybody else a 401."""
    ApplicationRegistry.objects.update(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).always(INVALID_REQUEST)
    server.on("POST /introspect").always(Answer(status=401, **introspected))
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(Unexplained):
        current(amira, northwind)
    assert server.calls_to("POST /introspect") != []
    assert (registry().misconfigured_code, registry().renewals_held_until) == ("", None)


@pytest.mark.slow
def test_a_secret_that_the_provider_changed_is_found_out_by_several_people(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    provider = Provider(server, wrong_secret=FORBIDDEN, dead_token=FORBIDDEN)
    provider.secret = "another"
    for person in (amira, bob):
        cast.signed_in(person, northwind, expires_in=-10)
    with pytest.raises(Unexplained):
        current(amira, northwind)
    assert registry().misconfigured_code == ""
    with pytest.raises(Misconfigured):
        current(bob, northwind)
    assert registry().misconfigured_code == "unexplained_refusals"
    assert everybody_is_signed_in()

    provider.secret = RIGHT
    ApplicationRegistry.objects.update(renewals_held_until=timezone.now())
    pass_the_pause()
    assert current(amira, northwind) == "CANARY-access-2"
    assert registry().renewals_held_until is None
    assert current(bob, northwind) == "CANARY-access-2"


def test_while_renewals_are_held_one_caller_a_minute_may_try(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    provider = Provider(server, wrong_secret=EMPTY, dead_token=INVALID_GRANT)
    cast.signed_in(amira, northwind, expires_in=-10)
    registration_health.hold_renewals(registry(), "unexplained_refusals")
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert provider.renewals() == 0
    ApplicationRegistry.objects.update(renewals_held_until=timezone.now())
    assert current(amira, northwind) == "CANARY-access-2"


def test_an_access_token_that_lives_is_used_while_renewals_are_held(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    Provider(server, wrong_secret=EMPTY, dead_token=INVALID_GRANT)
    cast.signed_in(amira, northwind, expires_in=30)
    save_secret(WRONG)
    assert current(amira, northwind) == "CANARY-access-1"
    assert current(amira, northwind) == "CANARY-access-1"


@pytest.mark.slow
def test_an_administrators_check_lets_renewals_go_on_where_the_provider_accepts_us(
    server: HostileServer, amira: User, northwind: Alias, admin: User
) -> None:
    provider = Provider(server, wrong_secret=EMPTY, dead_token=INVALID_GRANT)
    cast.signed_in(amira, northwind, expires_in=-10)
    registration_health.hold_renewals(registry(), "unexplained_refusals")
    check = reverse("admin:integrations_applicationregistry_check", args=[registry().pk])
    provider.secret = "another"
    client_of(admin).post(check)
    assert registry().renewals_held_until is not None
    provider.secret = RIGHT
    client_of(admin).post(check)
    assert registry().misconfigured_code == ""
    assert current(amira, northwind) == "CANARY-access-2"


@pytest.mark.parametrize("dead_token", VAGUE.values(), ids=VAGUE)
def test_a_vague_word_is_final_where_the_server_says_it_of_every_dead_token_and_accepts_us(
    dead_token: Answer, server: HostileServer, amira: User, northwind: Alias
) -> None:
    invalid_client = Answer(status=401, json={"error": "invalid_client"})
    provider = Provider(server, wrong_secret=invalid_client, dead_token=dead_token)
    provider.living.clear()
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)
    assert provider.renewals() == 1
    assert registry().misconfigured_code == ""


def test_a_changed_registration_that_is_proved_good_does_not_save_a_dead_token(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    provider = Provider(
        server, wrong_secret=Answer(status=401, json={"error": "invalid_client"}), dead_token=INVALID_GRANT
    )
    provider.secret = "CANARY-rotated"
    provider.living.clear()
    cast.signed_in(amira, northwind, expires_in=-10)
    save_secret("CANARY-rotated")
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)
    assert not registry().is_unproven


def test_nobody_is_signed_out_while_another_caller_checks_our_registration(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    provider = Provider(server, wrong_secret=FORBIDDEN, dead_token=DENIED)
    provider.living.clear()
    token = cast.signed_in(amira, northwind, expires_in=-10)
    ApplicationRegistry.objects.update(client_check_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(Unexplained):
        current(amira, northwind)
    Renewal.objects.filter(token_id=token.pk).update(asked_at=timezone.now() - timedelta(days=2))
    pass_the_pause()
    with pytest.raises(Unexplained):
        current(amira, northwind)
    assert everybody_is_signed_in()


SERVICENOW = Answer(status=401, json={"error": "server_error", "error_description": "access_denied"})
IN_WORDS = Answer(status=403, json={"error": "unauthorized_client", "error_description": "refresh_token is invalid"})


ANY_TOKEN = Answer(status=401, json={"error": "invalid_token", "error_description": "Bearer token is missing"})


@pytest.mark.parametrize("refusal", [SERVICENOW, IN_WORDS, ANY_TOKEN], ids=["servicenow", "in words", "any token"])
def test_a_refusal_in_words_ends_the_sign_in_of_one_person_and_no_second_one(
    refusal: Answer, server: HostileServer, northwind: Alias
) -> None:
    """A wrong secret, or a gateway, may be answered in the same words."""
    server.on(ASKED).always(refusal)
    first, *others = people_signed_in(northwind, 3)
    with pytest.raises(renewal.NoUsableToken):
        renewal.renew(first)
    assert registry().misconfigured_code == ""
    for token in others:
        with pytest.raises(Misconfigured):
            renewal.renew(token)
    assert registry().misconfigured_code == "unexplained_refusals"
    # The others stay signed in however long it takes until an administrator looks.
    Renewal.objects.update(asked_at=F("asked_at") - timedelta(days=1))
    ApplicationRegistry.objects.update(renewals_held_until=timezone.now(), client_check_until=None)
    with pytest.raises(Misconfigured):
        renewal.renew(others[0])
    assert [token.state for token in Token.objects.order_by("user__username")] == ["needs_reauth", "valid", "valid"]

    registry().save()
    server.on(ASKED).always(json=GRANTED)
    for token in (first, *others):
        token.refresh_from_db()
        assert renewal.renew(token).access_token == "CANARY-access-2"


def test_a_refusal_in_words_is_final_for_everybody_where_the_provider_accepts_us(
    server: HostileServer, northwind: Alias
) -> None:
    refused = Answer(status=401, json={"error": "invalid_client"})
    Provider(server, wrong_secret=refused, dead_token=IN_WORDS).living.clear()
    for token in people_signed_in(northwind, 2):
        with pytest.raises(renewal.NoUsableToken):
            renewal.renew(token)
    assert registry().misconfigured_code == ""


def test_a_grant_type_that_was_switched_off_at_the_provider_ends_no_sign_in(
    server: HostileServer, northwind: Alias
) -> None:
    """A made-up refresh token gets the same answer, so the check of our registration can't tell."""
    words = "Grant type 'refresh_token' not allowed for the client."
    switched_off = Answer(status=403, json={"error": "unauthorized_client", "error_description": words})
    refused = Answer(status=401, json={"error": "invalid_client"})
    provider = Provider(server, wrong_secret=refused, dead_token=switched_off)
    provider.living.clear()
    for token in people_signed_in(northwind, 2):
        with pytest.raises(Misconfigured):
            renewal.renew(token)
    assert everybody_is_signed_in()
    assert (registry().misconfigured_code, registry().misconfigured_reason) == ("unauthorized_client", words)


def test_a_registration_that_the_provider_accepts_is_not_blamed_for_one_refusal(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    def grant(call: Call) -> Answer:
        if not provider.knows(call):
            return Answer(status=401, json={"error": "invalid_client"})
        is_made_up = not call.form["refresh_token"].startswith("CANARY")
        return Answer(status=400, json={"error": "invalid_grant" if is_made_up else "unauthorized_client"})

    provider = Provider(server, wrong_secret=FORBIDDEN, dead_token=EMPTY)
    server.on(ASKED).always(grant)
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(Unexplained):
        current(amira, northwind)
    assert everybody_is_signed_in()
    assert registry().misconfigured_code == ""


@pytest.mark.parametrize("standing", [refusal_review.Standing.REFUSED, refusal_review.Standing.SUSPECT])
def test_no_refusal_ends_a_sign_in_while_our_registration_is_suspect(standing: refusal_review.Standing) -> None:
    outcomes = {refusal: outcome[standing] for refusal, outcome in refusal_review.OUTCOMES.items()}
    assert set(outcomes) == set(refusal_review.RefusalKind)
    assert refusal_review.END not in outcomes.values()


@pytest.mark.parametrize("refusal", VAGUE.values(), ids=VAGUE)
def test_a_vague_refusal_of_one_person_keeps_the_token_and_is_asked_ever_more_rarely(
    refusal: Answer, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(ASKED).always(refusal)
    cast.signed_in(amira, northwind, expires_in=-10)
    pauses = []
    for _ in range(4):
        with pytest.raises(Unexplained):
            current(amira, northwind)
        until = Token.objects.get().lease_expires_at
        assert until is not None
        pauses.append((until - timezone.now()).total_seconds())
        pass_the_pause()
    assert 25 < pauses[0] < 50 < pauses[2] < pauses[3]
    assert everybody_is_signed_in()
    server.on(ASKED).always(json=GRANTED)
    assert current(amira, northwind) == "CANARY-access-2"


def test_after_a_day_of_vague_refusals_the_person_is_asked_to_sign_in(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(ASKED).always(EMPTY)
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(Unexplained):
        current(amira, northwind)
    Renewal.objects.update(asked_at=timezone.now() - timedelta(days=1, minutes=1))
    pass_the_pause()
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)


def test_a_site_that_is_refused_a_token_of_its_own_is_set_up_wrongly(server: HostileServer) -> None:
    alias = cast.integration_at(
        cast.registry_at(server.url), grant_type="client_credentials", integration_type="system"
    )
    server.on(ASKED).always(INVALID_GRANT)
    with pytest.raises(Misconfigured):
        renewal.current(None, walks.credential_of(alias))
    assert Token.objects.get().state == "valid"


FAILURES: dict[str, tuple[Answer, type[Exception], str]] = {
    "misconfigured": (Answer(status=401, json={"error": "invalid_client"}), Misconfigured, "invalid_client"),
    "unusable": (Answer(json={"token_type": "Bearer"}), Unusable, "no_access_token"),
    "unexplained": (EMPTY, Unexplained, "http_400"),
}


@pytest.mark.parametrize(("answer", "kind", "code"), FAILURES.values(), ids=FAILURES)
def test_whoever_comes_within_the_pause_is_told_the_same_reason(
    answer: Answer, kind: type[Exception], code: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(answer)
    for _ in range(2):
        with pytest.raises(kind) as told:
            current(amira, northwind)
        assert (type(told.value), told.value.code) == (kind, code)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_within_the_pause_the_api_says_that_the_set_up_is_wrong_and_how_long_to_wait(
    server: HostileServer, amira: User, northwind: Alias, as_amira: Any
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    Alias.objects.update(allow_token_export=True)
    server.on(ASKED).always(status=401, json={"error": "invalid_client"})
    for path in ("token/", "proxy/contacts", "token/"):
        answer = as_amira.get(f"/api/v1/integrations/northwind/{path}", headers={"Sec-Fetch-Site": "same-origin"})
        assert (answer.status_code, answer.json()["error"]) == (502, "integration_misconfigured"), path
    pass_the_pause()
    server.on(ASKED).always(status=429, headers={"Retry-After": "120"})
    waits = []
    for _ in range(2):
        answer = as_amira.get("/api/v1/integrations/northwind/token/", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.json()["error"] == "provider_unreachable"
        waits.append(int(answer["Retry-After"]))
    assert 100 < waits[1] <= waits[0] == 120


# What is found out over time ------------------------------------------------------------------------------------------


def people_signed_in(alias: Alias, count: int, **fields: Any) -> list[Token]:
    people = [cast.person(f"person-{number}") for number in range(count)]
    return [cast.signed_in(person, alias, expires_in=-10, **fields) for person in people]


def test_answers_without_a_token_for_days_are_told_to_an_administrator(server: HostileServer, northwind: Alias) -> None:
    server.on(ASKED).always(Answer(json={"ok": True, "message": "E-4711: nothing here"}))
    [token] = people_signed_in(northwind, 1, signed_in_at=timezone.now() - timedelta(days=30))
    for hours, problem in ((0, ""), (23, ""), (2, "unusable_answers")):
        Renewal.objects.update(asked_at=F("asked_at") - timedelta(hours=hours))
        pass_the_pause()
        with pytest.raises(Unusable):
            renewal.renew(token)
        assert registry().misconfigured_code == problem
    assert "nobody has got one" in registry().misconfigured_explanation
    assert everybody_is_signed_in()
    pass_the_pause()
    server.on(ASKED).always(json=GRANTED)
    renewal.renew(token)
    assert registry().misconfigured_code == ""


def test_they_are_not_while_others_are_renewed(server: HostileServer, northwind: Alias) -> None:
    token, other = people_signed_in(northwind, 2, signed_in_at=timezone.now() - timedelta(days=30))
    server.on(ASKED).answer(text="<h1>Welcome</h1>").answer(json=GRANTED).answer(text="<h1>Welcome</h1>")
    with pytest.raises(Unusable):
        renewal.renew(token)
    Renewal.objects.update(asked_at=F("asked_at") - timedelta(days=2))
    renewal.renew(other)
    pass_the_pause()
    with pytest.raises(Unusable):
        renewal.renew(token)
    assert registry().misconfigured_code == ""


@pytest.mark.slow
def test_the_same_refusal_for_many_is_told_and_mending_it_brings_their_sign_ins_back(
    server: HostileServer, northwind: Alias, settings: LazySettings
) -> None:
    settings.ADMINS = [("Admin", "admin@hub.example")]
    words = "AADSTS700082: expired for this person"
    server.on(ASKED).always(status=400, json={"error": "invalid_grant", "error_description": words})
    tokens = people_signed_in(northwind, 3)
    for number, token in enumerate(tokens, 1):
        with pytest.raises(renewal.NoUsableToken):
            renewal.renew(token)
        assert registry().misconfigured_code == ("refused_for_many" if number == 3 else "")
    row = registry()
    assert (row.cannot_renew, row.cannot_sign_in) == (False, False)
    assert row.misconfigured_reason == f"invalid_grant {words}"
    notices.send_due()
    notices.send_due()
    [letter] = [each for each in mail.outbox if each.to == ["admin@hub.example"]]
    assert words in letter.body
    assert "tried once more" in letter.body

    row.save()
    server.on(ASKED).always(json=GRANTED)
    for token in tokens:
        token.refresh_from_db()
        assert renewal.renew(token).access_token == "CANARY-access-2"
    assert registry().misconfigured_code == ""


@pytest.mark.slow
def test_who_is_refused_again_after_the_mending_gets_no_second_mail(server: HostileServer, northwind: Alias) -> None:
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    tokens = people_signed_in(northwind, 3)
    for token in tokens:
        with pytest.raises(renewal.NoUsableToken):
            renewal.renew(token)
    notices.send_due()
    registry().save()
    for token in tokens:
        token.refresh_from_db()
        with pytest.raises(renewal.NoUsableToken):
            renewal.renew(token)
    notices.send_due()
    assert len(mail.outbox) == 3


def test_the_reason_of_held_renewals_is_the_providers_own(server: HostileServer, amira: User, northwind: Alias) -> None:
    server.on(ASKED).always(status=400, json={"error": "no_idea", "error_description": "Gone", "error_codes": [4711]})
    cast.signed_in(amira, northwind, expires_in=-10)
    save_secret(WRONG)
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert registry().misconfigured_reason == "Gone (4711)"


def test_a_sign_in_that_ends_after_a_day_of_vague_refusals_comes_back_when_the_set_up_is_mended(
    server: HostileServer, northwind: Alias
) -> None:
    server.on(ASKED).always(status=400, json={"error": "invalid_request", "error_description": "AADSTS9999999"})
    [token] = people_signed_in(northwind, 1, signed_in_at=timezone.now() - timedelta(days=30))
    with pytest.raises(Unexplained):
        renewal.renew(token)
    Renewal.objects.update(asked_at=F("asked_at") - timedelta(hours=25))
    pass_the_pause()
    with pytest.raises(renewal.NoUsableToken):
        renewal.renew(token)
    row = registry()
    assert (row.misconfigured_code, row.cannot_sign_in) == ("unexplained_refusals", False)
    assert row.misconfigured_reason == "invalid_request AADSTS9999999"
    row.save()
    token.refresh_from_db()
    server.on(ASKED).always(json=GRANTED)
    assert renewal.renew(token).access_token == "CANARY-access-2"


@pytest.mark.slow
def test_a_set_up_fault_that_looks_like_dead_tokens_takes_no_sign_in_for_good(
    server: HostileServer, northwind: Alias
) -> None:
    """The credentials are accepted, and every refresh gets the words that a made-up token gets."""
    ApplicationRegistry.objects.update(token_revocation_url=f"{server.url}/revoke")
    Provider(server, wrong_secret=INVALID_REQUEST, dead_token=INVALID_REQUEST, other_endpoints=True)
    server.on("POST /revoke").always(lambda call: Answer(status=200 if RIGHT in shown_by(call) else 401))
    server.on(ASKED).always(INVALID_REQUEST)
    tokens = people_signed_in(northwind, 2)
    for number, token in enumerate(tokens, 1):
        with pytest.raises(renewal.NoUsableToken):
            renewal.renew(token)
        assert registry().misconfigured_code == ("" if number == 1 else "unexplained_refusals")
    server.on(ASKED).always(json=GRANTED)
    renewal.renew(cast.signed_in(cast.person("another"), northwind, expires_in=-10))
    assert registry().misconfigured_code == ""
    for token in tokens:
        token.refresh_from_db()
        assert renewal.renew(token).access_token == "CANARY-access-2"


def shown_by(call: Call) -> str:
    return base64.b64decode(call.headers["authorization"].removeprefix("Basic ")).decode()
