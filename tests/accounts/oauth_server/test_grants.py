"""Grants of a user: described in words, and ended at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from pytest_django import DjangoAssertNumQueries

from accounts import tasks
from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import TokenFamily, User
from accounts.oauth_server import grants, replays
from accounts.oauth_server.models import Application, Approval
from tests import cast
from tests.accounts import programs
from tests.accounts.programs import exchange, granted, introspect, program, refresh
from tests.conftest import client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return program(may_introspect=True)


@pytest.fixture
def operator(db: None) -> User:
    """An administrator who may end other users' grants."""
    operator = cast.person("operator", role=False, is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "delete_approval"]))
    return operator


def lives(answer: dict[str, Any]) -> bool:
    if refresh(answer["refresh_token"]).status_code == 200:
        return True
    return bool(introspect(answer["access_token"]).json()["active"])


def addresses(owner: User, *, of: bool = False) -> dict[str, str]:
    """URLs that end the owner's grants; with `of`, those for administrators."""
    owner_grants = grants.load_grants(owner)
    arguments = {
        "end-refresh-token": [owner_grants.refresh_tokens[0].family],
        "end-refresh-tokens": [],
        "end-approved-scopes": [owner_grants.approved_scopes[0].application.pk],
    }
    if of:
        return {name: reverse(f"accounts:{name}-of", args=[owner.pk, *each]) for name, each in arguments.items()}
    return {name: reverse(f"accounts:{name}", args=each) for name, each in arguments.items()}


def test_one_line_for_each_sign_in_of_a_program_with_its_scopes_in_words(as_amira: Client, amira: User) -> None:
    first = granted(as_amira, scope="integrations:read integrations:revoke")
    granted(as_amira)
    renewed = refresh(first["refresh_token"]).json()
    owner_grants = grants.load_grants(amira)
    assert len(owner_grants.refresh_tokens) == 2
    grant = owner_grants.refresh_tokens[0]
    assert grant.name == "Weekly digest"
    assert "Revoke your sign-ins at other services" in grant.scopes
    assert grant.since < grant.last_used_at < grant.expires_at
    assert [len(approved.scopes) for approved in owner_grants.approved_scopes] == [2]
    assert owner_grants.approved_scopes[0].last_used_at == grant.last_used_at
    assert not grants.load_grants(cast.person("bob")).refresh_tokens
    assert lives(renewed)


def test_many_programs_cost_no_more_queries_than_one(
    as_amira: Client, amira: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        granted(as_amira)
    with django_assert_max_num_queries(4):
        assert len(grants.load_grants(amira).refresh_tokens) == 3


@pytest.mark.parametrize("what", ["end-refresh-token", "end-refresh-tokens", "end-approved-scopes"])
def test_what_a_person_ends_is_dead_at_once(as_amira: Client, amira: User, bob: User, what: str) -> None:
    answer, others = granted(as_amira), granted(client_of(bob))
    address = addresses(amira)[what]
    page = as_amira.get(address)
    assert "Weekly digest" in page.content.decode()
    assert grants.load_grants(amira).refresh_tokens
    assert as_amira.post(address)["Location"] == "/accounts/security/"
    assert not lives(answer)
    assert not grants.load_grants(amira).refresh_tokens
    assert lives(others)
    [event] = log.latest_events(amira, 1)
    assert (event.who, event.subject, event.address) == (amira, "Weekly digest", "127.0.0.1")


def test_the_question_is_a_dialog_on_the_page_that_is_open(as_amira: Client, amira: User) -> None:
    granted(as_amira)
    address, htmx = addresses(amira)["end-refresh-token"], {"HX-Request": "true"}
    assert f'hx-get="{address}"' in as_amira.get("/accounts/security/").content.decode()
    dialog = as_amira.get(address, headers=htmx).content.decode()
    assert "<html" not in dialog
    assert f'hx-post="{address}"' in dialog
    assert as_amira.post(address, headers=htmx)["HX-Redirect"] == "/accounts/security/"
    assert "Weekly digest is signed out." in as_amira.get("/accounts/security/").content.decode()


def test_a_program_that_was_removed_has_to_ask_again_and_its_pending_code_is_dead(
    as_amira: Client, amira: User
) -> None:
    granted(as_amira)
    code = programs.ask(as_amira)["code"]
    as_amira.post(addresses(amira)["end-approved-scopes"])
    assert not Approval.objects.exists()
    assert exchange(code).json()["error"] == "invalid_grant"
    assert as_amira.get(programs.authorize_url()).status_code == 200


@pytest.mark.parametrize("what", ["end-refresh-token", "end-refresh-tokens", "end-approved-scopes"])
def test_an_administrator_ends_anothers_and_it_is_in_that_persons_diary(
    as_amira: Client, amira: User, operator: User, what: str
) -> None:
    answer = granted(as_amira)
    address = addresses(amira, of=True)[what]
    page = client_of(operator).get(address)
    assert "Account of <strong>amira</strong>" in page.content.decode()
    assert client_of(operator).post(address)["Location"] == f"/accounts/users/{amira.pk}/security/"
    assert not lives(answer)
    [event] = log.latest_events(amira, 1)
    assert (event.who, event.is_by_another) == (operator, True)


def test_nobody_else_ends_anything(as_amira: Client, amira: User, bob: User, operator: User) -> None:
    answer = granted(as_amira)
    operator.user_permissions.remove(Permission.objects.get(codename="delete_approval"))
    for address in addresses(amira, of=True).values():
        assert client_of(bob).post(address).status_code == 403
        assert client_of(operator).post(address).status_code == 403
        assert Client().post(address)["Location"].startswith("/accounts/login/")
    own_urls = addresses(amira)
    assert client_of(bob).post(own_urls["end-refresh-token"]).status_code == 404
    assert client_of(bob).post(own_urls["end-approved-scopes"]).status_code == 404
    client_of(bob).post(own_urls["end-refresh-tokens"])
    bearer = Client(headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert bearer.post(own_urls["end-refresh-tokens"]).status_code == 302
    assert lives(answer)
    assert not Event.objects.filter(kind__in=[Kind.GRANT_ENDED, Kind.APPROVAL_ENDED], whose=amira).exists()


def test_the_panels_name_program_scopes_and_moments(as_amira: Client, amira: User, operator: User) -> None:
    granted(as_amira)
    log.write(Kind.GRANT_ENDED, whose=amira, who=operator, subject="Weekly digest", address="192.0.2.7")
    context = {
        "grants": grants.load_grants(amira),
        "owner": amira,
        "may_end": True,
        "activity": log.latest_events(amira, 10),
    }
    request = RequestFactory().get("/")
    request.user = operator
    panels = ("_refresh_tokens", "_approved_scopes", "_recent_activity")
    html = "".join(render_to_string(f"accounts/{panel}.html", context, request) for panel in panels)
    for words in ("Weekly digest", "See which integrations you have", "192.0.2.7", "by operator"):
        assert words in html
    for address in addresses(amira, of=True).values():
        assert address in html
    assert "Delete" not in render_to_string("accounts/_refresh_tokens.html", {**context, "may_end": False}, request)


def test_what_has_ended_is_cleared_away_and_what_lives_stays(as_amira: Client, amira: User) -> None:
    old, living = granted(as_amira), granted(as_amira)
    used = refresh(refresh(living["refresh_token"]).json()["refresh_token"]).json()
    family = RefreshToken.objects.get(token_checksum=replays.hash_secret(old["refresh_token"])).token_family
    long_ago = timezone.now() - timedelta(days=31)
    AccessToken.objects.filter(token_checksum=replays.hash_secret(old["access_token"])).update(expires=long_ago)
    RefreshToken.objects.filter(revoked__isnull=False).update(revoked=long_ago)
    tasks.clear_expired_grants()
    assert RefreshToken.objects.count() == AccessToken.objects.count() == TokenFamily.objects.count() == 1
    assert not TokenFamily.objects.filter(pk=family).exists()
    assert lives(used)
