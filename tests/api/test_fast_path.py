"""The fast path of `token/` and `token-valid/`: it answers as the view does, and lets in nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.checks import run_checks
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from oauth2_provider.models import get_access_token_model
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

from accounts.access_tokens.models import PermanentToken
from accounts.api import authentication
from accounts.models import User
from accounts.oauth_server.models import OUTDATED, Application, Standing
from integrations.api.proxy import Proxy
from integrations.api.views import ApiView
from integrations.connections import renewal
from integrations.models import Alias, ApplicationRegistry, Token
from tests.accounts import tokens as tokens_of_ours
from tests.api.conftest import Program
from tests.servers.hostile import HostileServer
from tests.walks import Page

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

BASE = "/api/v1/integrations/"
CALLS = ["token/", "token/?minimum_seconds=60", "token-valid/"]
SCOPES = ("integrations:read", "tokens:read", "service:northwind")
AccessToken = get_access_token_model()


@pytest.fixture(params=["OAuth token", "permanent token"])
def client(request: pytest.FixtureRequest, program: Program, signed_in: Alias, amira: User) -> Client:
    if request.param == "OAuth token":
        return program(*SCOPES)
    _token, bearer = tokens_of_ours.make_token(amira, *SCOPES, name="Weekly digest")
    return tokens_of_ours.caller(bearer)


def without_expiry(answer: Page) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "expires_in"}


@pytest.fixture
def by_both_ways(client: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Page, Page]]:
    def ask(path: str) -> tuple[Page, Page]:
        short = client.get(BASE + path)
        with monkeypatch.context() as long:
            long.setattr(authentication, "bearer_token_in", lambda _request: None)
            return short, client.get(BASE + path)

    return ask


@pytest.mark.parametrize("call", CALLS)
def test_an_ordinary_call_takes_one_statement(
    call: str, client: Client, signed_in: Alias, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for alias in ("northwind", signed_in.hex):
        client.get(f"{BASE}{alias}/{call}")
        with django_assert_num_queries(1):
            assert client.get(f"{BASE}{alias}/{call}").status_code == 200


def test_the_fast_path_knows_the_person_and_the_provider_as_they_are(
    client: Client, amira: User, signed_in: Alias, rf: RequestFactory
) -> None:
    """Django reads a part of a row in the model's own order; told in another, a name would be a right."""
    request = rf.get("/", headers={"Authorization": client.defaults["HTTP_AUTHORIZATION"]})
    presented = authentication.bearer_token_in(request)
    assert presented
    ApplicationRegistry.objects.update(failures=2, failing_url="https://northwind.example/")
    bearer_and_call = renewal.ready_call_for(presented, "northwind")
    assert bearer_and_call
    bearer, call = bearer_and_call
    owner = (bearer.user.pk, bearer.user.username, bearer.user.is_active, bearer.user.is_superuser)
    assert owner == (amira.pk, "amira", True, False)
    assert call.alias == "northwind"
    assert {*SCOPES} <= bearer.auth.scopes
    registry = call.registry
    assert (registry.name, registry.failures, registry.failing_url) == ("Northwind", 2, "https://northwind.example/")


def test_the_use_is_written_at_most_once_a_minute(client: Client) -> None:
    client.get(f"{BASE}northwind/token-valid/")
    assert Token.objects.get().last_used_at is None
    client.get(f"{BASE}northwind/token/")
    first = Token.objects.get()
    assert first.last_used_by == "REST (Weekly digest)"
    client.get(f"{BASE}northwind/token/")
    assert Token.objects.get().last_used_at == first.last_used_at
    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=2), last_used_by="Another")
    client.get(f"{BASE}northwind/token/")
    assert Token.objects.get().last_used_by == "REST (Weekly digest)"


@pytest.mark.parametrize("call", CALLS)
def test_both_ways_say_the_same(call: str, by_both_ways: Any) -> None:
    short, long = by_both_ways(f"northwind/{call}")
    assert without_expiry(short) == without_expiry(long)
    assert abs(short.json().get("expires_in", 0) - long.json().get("expires_in", 0)) <= 2
    same = ("Content-Type", "Content-Length", "X-Frame-Options", "Referrer-Policy", "Permissions-Policy")
    for name in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy", *same):
        assert short[name] == long[name], name
    assert short["Cache-Control"] == "no-store"
    assert "default-src 'none'" in short["Content-Security-Policy"]


@pytest.mark.parametrize("call", ["token/", "token-valid/"])
def test_both_ways_say_what_the_schema_promises(call: str, by_both_ways: Any) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    operation = schema["paths"][f"/api/v1/integrations/{{alias}}/{call}"]["get"]
    name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    promised = schema["components"]["schemas"][name]
    kinds = {"string": str, "integer": int, "boolean": bool}
    for answer in by_both_ways(f"northwind/{call}"):
        assert set(answer.json()) == set(promised["properties"]) == set(promised["required"])
        for field, value in answer.json().items():
            assert type(value) is kinds[promised["properties"][field]["type"]], field


def spoil(what: str, amira: User, alias: Alias) -> None:
    if what == "expired":
        AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
        PermanentToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif what == "for another resource":
        AccessToken.objects.update(resource=["https://other.example/"])
        PermanentToken.objects.update(keyed_hash="0" * 64)  # of another secret
    elif what == "revoked":
        AccessToken.objects.all().delete()
        PermanentToken.objects.update(ended_at=timezone.now(), keyed_hash="")
    elif what == "of a blocked program":  # by SQL; who saves the row ends its tokens
        Application.objects.update(standing=Standing.BLOCKED)
        PermanentToken.objects.update(ended_at=timezone.now())
    elif what == "of a program whose document is outdated":
        Application.objects.update(cimd_expires_at=timezone.now() - OUTDATED - timedelta(minutes=1))
        PermanentToken.objects.update(ended_at=timezone.now())
    elif what == "deactivated":
        User.objects.update(is_active=False)
    elif what == "without the role":
        amira.groups.clear()
    elif what == "without the scopes":
        AccessToken.objects.update(scope="subflows:run service:other")
        PermanentToken.objects.update(scopes=["subflows:run", "service:other"])
    elif what == "not exported":
        Alias.objects.update(allow_token_export=False)
    elif what == "turned off":
        Alias.objects.update(active=False)
    elif what == "not theirs":
        alias.groups.create(name="Finance")
    else:
        Token.objects.all().delete()


SPOILT = {
    "expired": 401,
    "for another resource": 401,
    "revoked": 401,
    "of a blocked program": 401,
    "of a program whose document is outdated": 401,
    "deactivated": 401,
    "without the role": 403,
    "without the scopes": 403,
    "not exported": 403,
    "turned off": 404,
    "not theirs": 404,
    "not signed in": 401,
}


@pytest.mark.parametrize("what", sorted(SPOILT))
def test_the_fast_path_knows_no_other_answer_than_yes(
    what: str, client: Client, amira: User, signed_in: Alias, by_both_ways: Any
) -> None:
    for call in CALLS:
        assert client.get(f"{BASE}northwind/{call}").status_code == 200
    spoil(what, amira, signed_in)
    short, long = by_both_ways("northwind/token/")
    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert short.status_code == SPOILT[what]
    valid = client.get(f"{BASE}northwind/token-valid/")
    assert valid.status_code != 200 or valid.json() == {"token_valid": what == "not exported"}


@pytest.mark.parametrize("missing", SCOPES)
def test_each_scope_is_needed(missing: str, program: Program, signed_in: Alias) -> None:
    client = program(*(scope for scope in SCOPES if scope != missing))
    for call, needed in (("token/", SCOPES[1:]), ("token-valid/", SCOPES[:1])):
        for alias in ("northwind", signed_in.hex):
            allowed = missing not in needed
            assert client.get(f"{BASE}{alias}/{call}").status_code == (200 if allowed else 403)


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "1e9", "inf"])
def test_a_strange_number_of_seconds_is_left_to_the_long_way(seconds: str, client: Client) -> None:
    answer = client.get(f"{BASE}northwind/token/", {"minimum_seconds": seconds})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_every_call_counts_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "parse_rate", lambda *_: (3, 60))
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda _throttle: 90.0)  # no minute ends meanwhile
    for call in ("token/", "token-valid/", "initiator-url/"):
        assert client.get(f"{BASE}northwind/{call}").status_code == 200
    for call in ("token/", "token-valid/"):
        answer = client.get(f"{BASE}northwind/{call}")
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
        assert int(answer["Retry-After"]) == 30
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda _throttle: 120.0)
    assert client.get(f"{BASE}northwind/token/").status_code == 200


def noted(name: str, operation: Callable[..., Any], done: list[str]) -> Callable[..., Any]:
    def operate(*arguments: Any, **names: Any) -> Any:
        done.append(name)
        return operation(*arguments, **names)

    return operate


def test_counting_a_call_is_one_small_operation_of_the_cache(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda _throttle: 90.0)
    client.get(f"{BASE}northwind/token/")
    done: list[str] = []
    for name in ("get", "set", "add", "incr", "touch", "delete"):
        monkeypatch.setattr(cache, name, noted(name, getattr(cache, name), done))
    assert client.get(f"{BASE}northwind/token/").status_code == 200
    assert done == ["incr"]


def test_the_view_is_not_entered(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiView, "dispatch", lambda *_arguments, **_names: pytest.fail("the view was entered"))
    for call in CALLS:
        assert client.get(f"{BASE}northwind/{call}").status_code == 200


def test_a_token_made_by_somebody_else_does_what_both_may(
    program: Program, signed_in: Alias, amira: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _token, bearer = tokens_of_ours.make_token(amira, *SCOPES, by=admin)
    client = tokens_of_ours.caller(bearer)
    monkeypatch.setattr(ApiView, "dispatch", lambda *_arguments, **_names: HttpResponse(status=418))
    assert client.get(f"{BASE}northwind/token/").status_code == 200
    User.objects.filter(pk=admin.pk).update(is_superuser=False)  # not above Amira any more
    assert client.get(f"{BASE}northwind/token/").status_code == 418
    User.objects.filter(pk=admin.pk).update(is_superuser=True, is_active=False)
    assert client.get(f"{BASE}northwind/token/").status_code == 418


def test_the_use_of_a_permanent_token_is_written_at_most_once_a_minute(signed_in: Alias, amira: User) -> None:
    token, bearer = tokens_of_ours.make_token(amira, *SCOPES)
    client = tokens_of_ours.caller(bearer)
    client.get(f"{BASE}northwind/token-valid/", REMOTE_ADDR="203.0.113.7")
    token.refresh_from_db()
    first = token.last_used_at
    assert first
    assert token.last_used_from == "203.0.113.7"
    client.get(f"{BASE}northwind/token-valid/")
    token.refresh_from_db()
    assert token.last_used_at == first


# What is added to the API holds on the fast path too.


class NotOnSundays(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        assert request.user.get_username() == "amira"
        return False


class OneCall(BaseThrottle):
    def allow_request(self, request: Request, view: Any) -> bool:
        return False


class BySession(SessionAuthentication):
    """In front of the bearer token."""


def maintenance(get_response: Any) -> Any:
    return lambda request: HttpResponse(status=418)


ADDED: dict[str, tuple[str, Callable[[list[Any]], list[Any]], int]] = {
    "permission": ("permission_classes", lambda before: [*before, NotOnSundays], 403),
    "permission in front": ("permission_classes", lambda before: [NotOnSundays, *before], 403),
    "throttle": ("throttle_classes", lambda before: [*before, OneCall], 429),
    "authentication": ("authentication_classes", lambda _before: [BySession], 403),
}
HOT_CALLS = ["token/", "token-valid/", "proxy/contacts"]


@pytest.mark.parametrize("call", HOT_CALLS)
@pytest.mark.parametrize("addition", ADDED)
def test_what_is_added_to_the_views_is_obeyed(
    addition: str, call: str, client: Client, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("GET /api/contacts").always(json=[])
    assert client.get(f"{BASE}northwind/{call}").status_code == 200
    attribute, change, status = ADDED[addition]
    for view in (ApiView, Proxy):
        monkeypatch.setattr(view, attribute, change(getattr(view, attribute)))
    assert client.get(f"{BASE}northwind/{call}").status_code == status


@pytest.mark.parametrize("call", HOT_CALLS)
def test_a_middleware_that_is_added_is_obeyed(call: str, client: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.maintenance"]
    client.handler.load_middleware()
    assert client.get(f"{BASE}northwind/{call}").status_code == 418


def test_the_checks_name_a_middleware_that_turns_the_fast_path_off(settings: Settings) -> None:
    assert not [each for each in run_checks() if each.id == "keyrack.W004"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.maintenance"]
    assert [each.obj for each in run_checks() if each.id == "keyrack.W004"] == [f"{__name__}.maintenance"]


@pytest.mark.parametrize("call", HOT_CALLS)
def test_another_host_name_is_refused(call: str, client: Client) -> None:
    assert client.get(f"{BASE}northwind/{call}", headers={"Host": "evil.example"}).status_code == 400
