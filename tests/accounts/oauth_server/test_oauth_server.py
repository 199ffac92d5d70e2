"""Keyrack as an authorization server: which grants clients can obtain, and what ends them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, RefreshToken
from pytest_django import Settings

from accounts import scopes
from accounts.models import TokenFamily, User
from accounts.oauth_server import grants, validator
from accounts.oauth_server.models import Application, Approval
from accounts.oauth_server.service_scopes import withdraw_scope
from accounts.oauth_server.validator import Validator
from tests import cast
from tests.accounts import programs, tokens
from tests.accounts.programs import CALLBACK, ask, exchange, granted, introspect, program, refresh, token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return program(may_introspect=True)


def lives(answer: dict[str, Any]) -> bool:
    return bool(introspect(answer["access_token"]).json()["active"])


def test_a_person_allows_and_the_program_gets_tokens(as_amira: Client) -> None:
    parameters = ask(as_amira)
    assert parameters["state"] == "a-state"
    assert parameters["iss"] == "http://127.0.0.1:8000"
    answer = exchange(parameters["code"]).json()
    assert answer["scope"] == "integrations:read"
    assert answer["expires_in"] == 600
    assert introspect(answer["access_token"]).json()["username"] == "amira"
    renewed = refresh(answer["refresh_token"]).json()
    assert renewed["access_token"] != answer["access_token"]
    assert (lives(answer), lives(renewed)) == (False, True)


def test_a_person_says_no(as_amira: Client) -> None:
    assert programs.answer_consent(as_amira, {})["error"] == "access_denied"
    assert not Approval.objects.exists()


def test_consent_names_program_scopes_in_words_and_where_it_leads(as_amira: Client) -> None:
    page = as_amira.get(programs.authorize_url(scope="integrations:read integrations:revoke"))
    for words in (
        "Allow Weekly digest?",
        "Revoke your sign-ins at other services",
        "program.example",
        "10 minutes",
        "180 days",
    ):
        assert words in page.content.decode()
    assert "form-action 'self' https://program.example" in page["Content-Security-Policy"]
    assert "no-store" in page["Cache-Control"]
    assert page["X-Frame-Options"] == "DENY"


def test_a_program_approved_once_is_not_asked_about_again_until_it_wants_more(as_amira: Client) -> None:
    ask(as_amira)
    assert as_amira.get(programs.authorize_url()).status_code == 302
    assert as_amira.get(programs.authorize_url(prompt="consent")).status_code == 200
    assert as_amira.get(programs.authorize_url(scope="integrations:revoke")).status_code == 200
    Approval.objects.all().delete()
    assert as_amira.get(programs.authorize_url()).status_code == 200


def test_a_program_that_cannot_prove_its_identity_is_asked_about_each_time(as_amira: Client) -> None:
    Application.objects.update(client_type="public")
    ask(as_amira)
    assert as_amira.get(programs.authorize_url()).status_code == 200


@pytest.mark.parametrize(
    "redirect_uri",
    [
        f"{CALLBACK}?more=1", f"{CALLBACK}/sub", "https://program.example/x/../callback", "https://u@program.example/callback",
        f"{CALLBACK}#part", "https://program.example:444/callback", "http://program.example/callback", "https://*.example/callback",
    ],
)  # fmt: skip
@pytest.mark.parametrize("prompt", ["", "none"])
def test_another_redirect_uri_is_refused_without_a_redirect(as_amira: Client, redirect_uri: str, prompt: str) -> None:
    page = as_amira.get(programs.authorize_url(redirect_uri=redirect_uri, prompt=prompt))
    assert page.status_code == 400
    assert b"cannot be answered" in page.content


@pytest.mark.parametrize("parameters", [{"code_challenge": ""}, {"code_challenge_method": "plain"}])
def test_no_code_without_pkce_by_s256(as_amira: Client, parameters: dict[str, str]) -> None:
    page = as_amira.get(programs.authorize_url(**parameters))
    if page.status_code == 200:
        assert ask(as_amira, **parameters)["error"] == "invalid_request"
    else:
        assert "error=invalid_request" in page["Location"]
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [{"code_verifier": "w" * 43}, {"code_verifier": "short"}, {"code_verifier": ""}, {"redirect_uri": f"{CALLBACK}x"}],
)
def test_a_code_alone_is_not_enough(as_amira: Client, fields: dict[str, str]) -> None:
    answer = exchange(ask(as_amira)["code"], **fields)
    assert answer.status_code == 400
    assert not AccessToken.objects.exists()


def test_a_code_dies_after_a_minute_and_belongs_to_one_program(as_amira: Client) -> None:
    code = ask(as_amira)["code"]
    program(client_id="other", name="Other")
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    assert Client(headers=programs.basic("other")).post("/o/token/", fields).json()["error"] == "invalid_grant"
    Grant.objects.update(expires=timezone.now())
    assert exchange(code).json()["error"] == "invalid_grant"


def test_a_code_that_comes_twice_ends_what_it_gave_also_after_a_renewal(as_amira: Client) -> None:
    code = ask(as_amira)["code"]
    first = exchange(code).json()
    renewed = refresh(first["refresh_token"]).json()
    assert lives(renewed)
    assert exchange(code).json()["error"] == "invalid_grant"
    assert not lives(renewed)
    assert refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_used_twice_ends_its_family(as_amira: Client, settings: Settings) -> None:
    settings.REFRESH_REPLAY_SECONDS = 0
    first = granted(as_amira)
    second = refresh(first["refresh_token"]).json()
    assert refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert not lives(second)
    assert refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("check", ["validate_refresh_token", "validate_code"])
def test_of_two_at_once_with_one_code_or_refresh_token_at_most_one_succeeds(
    check: str, as_amira: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REFRESH_REPLAY_SECONDS = 0
    secret = ask(as_amira)["code"] if check == "validate_code" else granted(as_amira)["refresh_token"]
    both_are_let_in, validate = threading.Barrier(2, timeout=30), getattr(Validator, check)

    def together(*arguments: Any, **names: Any) -> bool:
        is_valid: bool = validate(*arguments, **names)
        both_are_let_in.wait()
        return is_valid

    def redeem(_number: int) -> Any:
        try:
            return exchange(secret) if check == "validate_code" else refresh(secret)
        finally:
            connection.close()

    monkeypatch.setattr(Validator, check, together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(redeem, range(2)))
    assert sorted(answer.status_code for answer in answers) in ([200, 400], [400, 400])
    monkeypatch.undo()
    for answer in answers:
        if answer.status_code == 200:  # whoever was second may be a thief, and nobody can say which one was
            assert not lives(answer.json())
            assert refresh(answer.json()["refresh_token"]).status_code == 400


def test_who_comes_with_a_code_that_is_redeemed_while_he_is_asked_ends_what_it_gave(
    as_amira: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, validate, first = ask(as_amira)["code"], Validator.validate_code, []

    def overtaken(*arguments: Any, **names: Any) -> bool:
        is_valid: bool = validate(*arguments, **names)
        monkeypatch.undo()
        first.append(exchange(code))
        return is_valid

    monkeypatch.setattr(Validator, "validate_code", overtaken)
    second = exchange(code)
    assert (second.status_code, second.json()["error"], first[0].status_code) == (400, "invalid_grant", 200)
    assert not lives(first[0].json())


def test_a_family_ends_some_day_however_often_it_is_renewed(as_amira: Client) -> None:
    renewed = refresh(granted(as_amira)["refresh_token"]).json()
    RefreshToken.objects.filter(revoked__isnull=False).delete()  # as the toolkit does with those that are long revoked
    TokenFamily.objects.update(began=timezone.now() - timedelta(days=179))
    renewed = refresh(renewed["refresh_token"]).json()
    TokenFamily.objects.update(began=timezone.now() - timedelta(days=180))
    assert refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"
    assert introspect(renewed["refresh_token"]).json() == {"active": False}


def test_a_family_that_is_older_than_the_note_of_its_beginning_ends_as_well(as_amira: Client) -> None:
    renewed = refresh(granted(as_amira)["refresh_token"]).json()
    TokenFamily.objects.all().delete()
    RefreshToken.objects.filter(revoked__isnull=False).update(created=timezone.now() - timedelta(days=181))
    assert refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_that_nobody_uses_ends(as_amira: Client) -> None:
    answer = granted(as_amira)
    for days, is_usable in ((29, True), (31, False)):
        AccessToken.objects.update(expires=timezone.now() - timedelta(days=days))
        assert introspect(answer["refresh_token"]).json()["active"] is is_usable
    assert refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_deactivated_persons_codes_and_tokens_are_dead_at_once(as_amira: Client, amira: User) -> None:
    answer, code = granted(as_amira), ask(as_amira)["code"]
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert introspect(answer["access_token"]).json() == {"active": False}
    assert refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"
    assert exchange(code).json()["error"] == "invalid_grant"


def test_everything_programs_hold_can_be_ended_at_once(as_amira: Client, amira: User) -> None:
    answers, code = [granted(as_amira), granted(as_amira)], ask(as_amira)["code"]
    validator.end_grants(amira)
    assert exchange(code).json()["error"] == "invalid_grant"
    for answer in answers:
        assert not lives(answer)
        assert refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.slow
def test_a_new_password_ends_what_programs_hold_and_signing_in_does_not(as_amira: Client, amira: User) -> None:
    answer = granted(as_amira)
    amira.first_name = "Amira Noor"
    amira.save()
    assert amira.check_password(cast.PASSWORD)
    assert lives(answer)
    amira.set_password("another correct horse")
    amira.save()
    assert not lives(answer)
    assert refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_scopes_are_those_of_the_program_and_least_if_it_names_none(as_amira: Client) -> None:
    assert granted(as_amira, scope="")["scope"] == "integrations:read"
    assert "error=invalid_scope" in as_amira.get(programs.authorize_url(scope="tokens:read"))["Location"]
    assert "error=invalid_scope" in as_amira.get(programs.authorize_url(scope="made:up"))["Location"]


def test_a_renewal_never_widens_and_follows_what_the_program_may_have_now(as_amira: Client) -> None:
    narrow = granted(as_amira, scope="integrations:read")
    assert refresh(narrow["refresh_token"], scope="integrations:revoke").json()["error"] == "invalid_scope"
    wide = granted(as_amira, scope="integrations:read integrations:revoke", prompt="consent")
    Application.objects.update(allowed_scopes="integrations:read")
    assert refresh(wide["refresh_token"]).json()["scope"] == "integrations:read"


def test_a_narrower_access_token_leaves_the_refresh_token_its_scopes(as_amira: Client, amira: User) -> None:
    """RFC 6749 §6: the scope of a new refresh token is identical to that of the one that was presented."""
    both = "integrations:read integrations:revoke"
    first = granted(as_amira, scope=both)
    narrowed = refresh(first["refresh_token"], scope="integrations:read").json()
    assert narrowed["scope"] == "integrations:read"
    assert tokens.caller(narrowed["access_token"]).post(f"{tokens.BASE}x/revoke/").status_code == 403
    [grant] = grants.load_grants(amira).refresh_tokens
    assert grant.scope_names == both.split()  # what it can still get, not what it got last
    again = refresh(narrowed["refresh_token"]).json()
    assert again["scope"] == both
    narrowed = refresh(again["refresh_token"], scope="integrations:revoke").json()
    withdraw_scope("integrations:revoke")
    assert refresh(narrowed["refresh_token"]).json()["scope"] == "integrations:read"


def test_a_family_of_before_has_the_scopes_of_its_access_token(as_amira: Client) -> None:
    answer = granted(as_amira)
    TokenFamily.objects.update(scope="")
    renewed = refresh(answer["refresh_token"]).json()
    assert renewed["scope"] == answer["scope"] == "integrations:read"
    assert refresh(renewed["refresh_token"], scope="integrations:revoke").json()["error"] == "invalid_scope"


@pytest.mark.parametrize("fields", [{}, {"first_party": True, "client_type": "public"}])
def test_passwords_are_only_for_confidential_programs_of_our_own(amira: User, fields: dict[str, Any]) -> None:
    program(client_id="script", authorization_grant_type="password", **fields)
    for password in (cast.PASSWORD, "wrong"):
        form = {"grant_type": "password", "username": "amira", "password": password}
        answer = Client(headers=programs.basic("script")).post("/o/token/", form)
        assert answer.json()["error"] == "unauthorized_client"


def test_introspection_is_for_who_has_the_right_and_about_its_own_tokens(as_amira: Client) -> None:
    answer = granted(as_amira)
    program(client_id="other", may_introspect=True)
    program(client_id="curious")
    assert introspect(answer["access_token"], **programs.basic("other")).json() == {"active": False}
    assert introspect(answer["access_token"], **programs.basic("curious")).status_code == 403
    assert introspect(answer["access_token"], **programs.basic(secret="wrong")).status_code == 401
    assert introspect(answer["access_token"], Authorization=f"Bearer {answer['access_token']}").status_code == 401
    assert Client(headers=programs.basic()).get("/o/introspect/", {"token": answer["access_token"]}).status_code == 405


def test_revoking_ends_the_pair_and_leaves_other_programs_alone(as_amira: Client) -> None:
    answer = granted(as_amira)
    program(client_id="other")
    Client(headers=programs.basic("other")).post("/o/revoke_token/", {"token": answer["access_token"]})
    assert lives(answer)
    assert (
        Client(headers=programs.basic()).post("/o/revoke_token/", {"token": answer["access_token"]}).status_code == 200
    )
    assert refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_database_holds_nothing_that_could_be_used(as_amira: Client) -> None:
    answer, code = granted(as_amira), ask(as_amira)["code"]
    with connection.cursor() as cursor:
        for model in (AccessToken, RefreshToken, Grant, Application):
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")  # noqa: S608 - a table of ours
            rows = str(cursor.fetchall())
            for secret in (answer["access_token"], answer["refresh_token"], code, programs.SECRET):
                assert secret not in rows


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_metadata_names_the_configured_issuer_under_any_host(host: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    cast.integration_at(cast.registry_at("https://x.example"), name="payroll")
    metadata = Client().get("/.well-known/oauth-authorization-server", headers={"Host": host}).json()
    assert metadata["issuer"] == "http://127.0.0.1:8000"
    assert set(metadata["scopes_supported"]) == set(scopes.FIXED)  # tells nobody what is connected here
    assert metadata["token_endpoint"] == "http://127.0.0.1:8000/o/token/"
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert "registration_endpoint" not in metadata


@pytest.mark.parametrize(
    "path",
    [
        "applications/",
        "applications/register/",
        "authorized_tokens/",
        "register/",
        "register/digest/",
        "userinfo/",
        "logout/",
    ],
)
def test_nothing_else_of_the_toolkit_is_there(as_amira: Client, path: str) -> None:
    assert as_amira.get(f"/o/{path}").status_code == 404


def test_token_answers_are_kept_by_no_cache_and_get_is_refused(as_amira: Client) -> None:
    answer = exchange(ask(as_amira)["code"])
    assert "no-store" in answer["Cache-Control"]
    assert Client().get("/o/token/").status_code == 405
    assert token(grant_type="implicit").status_code == 400


def test_deleting_the_administrator_who_registered_a_program_ends_nothing(as_amira: Client, admin: User) -> None:
    Application.objects.update(user=admin)
    answer = granted(as_amira)
    admin.delete()
    assert lives(answer)


@pytest.mark.parametrize(
    ("registered", "requested", "is_allowed"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:51004/callback", True),
        ("http://[::1]:1/callback", "http://[::1]:51004/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:51004/other", False),
        ("http://localhost/callback", "http://localhost:51004/callback", False),
        ("https://program.example/callback", "https://program.example:8443/callback", False),
    ],
)
def test_a_port_may_differ_only_on_the_loopback_interface(
    registered: str, requested: str, is_allowed: bool, as_amira: Client
) -> None:
    """As docs/administration.md says (RFC 8252 §7.3)."""
    Application.objects.update(redirect_uris=registered)
    page = as_amira.get(programs.authorize_url(redirect_uri=requested))
    assert page.status_code == (200 if is_allowed else 400)
