"""Explain access: the first rule that says no, and what programs are answered by the API."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Exists, OuterRef, Q
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, Token, admission
from integrations.models.admission import About, Rule
from integrations.models.registry import AliasType, IntegrationType
from integrations.models.tokens import consent
from integrations.provider_setup.explain_access import Verdict
from tests import cast
from tests.accounts import tokens
from tests.admin.explaining import (
    CALL,
    NOT_NOW,
    PAST,
    REFUSALS,
    answered,
    calling_as,
    connected,
    explained,
    misconfigured,
    page_text,
    role,
    run_command,
    update_amira,
    update_token,
)
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return connected(server, amira)


def test_every_rule_is_tried() -> None:
    assert set(REFUSALS) == {rule.code for rule in admission.RULES}


@pytest.mark.slow
@pytest.mark.parametrize("code", [rule.code for rule in admission.RULES])
def test_each_rule_of_admission_is_explained_as_programs_meet_it(
    code: str, alias: Alias, amira: User, as_admin: Client
) -> None:
    program = calling_as(amira)
    assert program.get(CALL).status_code == 200
    assert explained().works_now
    refuse, words, page = REFUSALS[code]
    refuse()
    explanation = explained()
    assert not explanation.may_use
    assert explanation.deciding
    assert explanation.deciding.title == title_of(code)
    assert words in explanation.reason
    assert f"/admin/{page}/" in [place.address[: len(page) + 8] for place in explanation.places]
    assert {line.verdict for line in explanation.lines[explanation.number :]} == {Verdict.NOT_ASKED}
    assert str(explanation.answer) == answered(program)
    text = page_text(as_admin)
    assert "No. Amira Haddad may not use Northwind CRM." in text
    assert f"Rule {explanation.number} says no: {explanation.reason}" in text
    for place in explanation.places:
        assert as_admin.get(place.address).status_code == 200
    assert run_command()[0] == 1


def title_of(code: str) -> str:
    return next(str(rule.title) for rule in admission.RULES if rule.code == code)


NOT_AMIRA = ~Q(Exists(User.objects.filter(pk=OuterRef("person_id"), username="amira")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("about", "condition", "status"),
    [
        (About.PERSON, ~Q(username="amira"), 403),
        (About.ALIAS, ~Q(name="northwind"), 404),
        (About.ALIAS, NOT_AMIRA, 404),
        (About.CREDENTIAL, Q(profile__registry__name="Another"), 404),
    ],
)
def test_a_rule_that_is_added_is_explained_in_its_own_words(
    about: About,
    condition: Q,
    status: int,
    alias: Alias,
    amira: User,
    as_admin: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = Rule(
        code="curfew",
        about=about,
        condition=lambda: condition,
        title="Not at night",
        refusal="It is night.",
    )
    program = calling_as(amira)
    monkeypatch.setattr(admission, "RULES", [*admission.RULES, rule])
    text = page_text(as_admin)
    assert f"Rule {len(admission.RULES)} says no: It is night." in text
    assert str(explained().answer) == answered(program)
    assert explained().places


def test_the_first_no_decides(alias: Alias, as_admin: Client) -> None:
    for refuse, _words, _page in REFUSALS.values():
        refuse()
    assert explained().number == 1
    assert [line.verdict for line in explained().lines[1:]] == [Verdict.NOT_ASKED] * (len(explained().lines) - 1)


@pytest.mark.parametrize(
    ("sees", "refuse"),
    [
        ("No dashboard at all.", ["deactivated"]),
        ("No dashboard at all.", ["no_role"]),
        ("The card of Northwind CRM, with the badge “Turned off”.", ["alias_off"]),
        ("Northwind CRM is not on the dashboard.", ["not_shared"]),
        ("Northwind CRM is not on the dashboard.", ["alias_off", "not_shared"]),
    ],
)
def test_what_the_person_sees(sees: str, refuse: list[str], alias: Alias, amira: User) -> None:
    for code in refuse:
        REFUSALS[code][0]()
    assert explained().sees == sees
    page = client_of(amira).get("/integrations/").content.decode()
    assert ("c-northwind" in page) == ("card" in sees)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (lambda amira: None, "From the group: Personal Auth User."),
        (lambda amira: amira.user_permissions.add(role()), "By a permission of the account itself."),
        (lambda amira: update_amira(is_superuser=True), "As a superuser."),
    ],
)
def test_where_the_role_comes_from(source: Callable[[User], object], words: str, alias: Alias, amira: User) -> None:
    if "group" not in words:
        amira.groups.clear()
    source(amira)
    assert words in [line.detail for line in explained().lines]


# No integration of persons --------------------------------------------------------------------------------------------


def no_connection() -> None:
    HttpConnection.objects.update(active=False)


def no_credential() -> None:
    HttpConnection.objects.update(credential=None)


def system() -> None:
    Token.objects.all().delete()
    OAuth2Credential.objects.update(integration_type=IntegrationType.SYSTEM)


@pytest.mark.parametrize(
    ("change", "words", "page"),
    [
        (no_connection, "The alias northwind has no active connection.", "alias"),
        (no_credential, "The connection northwind names no credential.", "httpconnection"),
        (
            system,
            "The credential northwind has the Integration Type System, so people can’t use it.",
            "oauth2credential",
        ),
    ],
)
def test_what_is_no_integration_of_persons(
    change: Callable[[], None], words: str, page: str, alias: Alias, amira: User, as_admin: Client
) -> None:
    program = calling_as(amira)
    change()
    explanation = explained()
    assert (explanation.may_use, explanation.reason) == (False, words)
    assert explanation.places[0].address.startswith(f"/admin/integrations/{page}/")
    assert "is turned off" not in page_text(as_admin)
    assert str(explanation.answer) == answered(program)
    assert explanation.sees == "Northwind CRM is not on the dashboard."


# Not now -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("arrange", "title", "words", "badge"), NOT_NOW.values(), ids=NOT_NOW)
@pytest.mark.django_db(transaction=True)
def test_what_would_not_work_now_is_explained_as_programs_meet_it(
    arrange: Callable[[], object], title: str, words: str, badge: str, alias: Alias, amira: User, as_admin: Client
) -> None:
    program = calling_as(amira)
    assert program.get(CALL).status_code == 200
    arrange()
    explanation = explained()
    assert (explanation.may_use, explanation.works_now) == (True, False)
    assert explanation.deciding
    assert explanation.deciding.title.startswith(title)
    assert words in explanation.reason
    assert f"“{badge}”" in explanation.sees
    text = page_text(as_admin)
    assert "Yes, Amira Haddad may use Northwind CRM, but a call would not work now." in text
    assert f"Rule {explanation.number} holds calls back: {explanation.reason}" in text
    assert explanation.note in text
    assert run_command()[0] == 1
    assert str(explanation.answer) == answered(program)


@pytest.mark.parametrize("arrange", [misconfigured, lambda: update_token(expires_at=None, refresh_token=b"")])
def test_what_does_not_stop_a_call_is_no_refusal(arrange: Callable[[], object], alias: Alias, amira: User) -> None:
    arrange()
    assert calling_as(amira).get(CALL).status_code == 200
    assert explained().works_now


def test_a_token_endpoint_that_is_away_stops_only_what_has_to_be_renewed(alias: Alias) -> None:
    ApplicationRegistry.objects.update(failures=3, down_since=PAST, failing_url="https://sign-in.example/token")
    ApplicationRegistry.objects.update(token_url="https://sign-in.example/token")
    Token.objects.update(agreed=consent.current_agreement(OAuth2Credential.objects.get(), None))
    assert explained().works_now
    assert "The current access token works until" in explained().lines[-1].detail
    Token.objects.update(expires_at=PAST)
    assert str(explained().answer) == "502 provider_unreachable"


def test_a_key_that_is_missing_is_no_sign_in_of_the_person(alias: Alias, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [f"other:{b64encode(bytes(32)).decode()}"]
    assert "TOKEN_ENCRYPTION_KEYS" in explained().reason


@pytest.mark.parametrize(("export", "answer"), [(False, "403 export_not_allowed"), (True, "None")])
@pytest.mark.slow
def test_without_a_connection_there_is_only_the_token(export: bool, answer: str, alias: Alias, amira: User) -> None:
    HttpConnection.objects.all().delete()
    credential = OAuth2Credential.objects.get()
    Alias.objects.update(type=AliasType.CREDENTIAL, credential=credential, allow_token_export=export)
    Token.objects.all().delete()
    cast.signed_in(amira, Alias.objects.get())
    assert (explained().works_now, str(explained().answer)) == (True, answer)
    _token, bearer = tokens.make_token(amira, "service:northwind", "tokens:read")
    response = Client(headers={"Authorization": f"Bearer {bearer}"}).get("/api/v1/integrations/northwind/token/")
    assert response.status_code == (200 if export else 403)


@pytest.mark.parametrize(
    "command", [("explain_access", "a\udce4", "x"), ("doctor", "x\udce4"), ("revoke_tokens", "--registry", "x\udce4")]
)
def test_an_argument_that_is_no_utf_8_is_an_unknown_name(command: tuple[str, ...], amira: User) -> None:
    with pytest.raises(CommandError, match=r"Nobody here is called|There is no"):
        call_command(*command)
