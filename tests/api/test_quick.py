"""The short way of `token/` and `token-valid/`: it answers as the long one does, and lets in nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from oauth2_provider.models import get_access_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.throttling import SimpleRateThrottle

from accounts import bearers
from accounts.authentication import HasScopes
from accounts.models import User
from integrations import tokens
from integrations.models import Alias, ApplicationRegistry, Token
from tests.api.conftest import Program
from tests.walks import Page

pytestmark = pytest.mark.django_db

BASE = "/api/v1/integrations/"
CALLS = ["token/", "token/?minimum_seconds=60", "token-valid/"]
SCOPES = ("integrations:read", "tokens:read", "service:northwind")
AccessToken = get_access_token_model()


@pytest.fixture
def client(program: Program, signed_in: Alias) -> Client:
    return program(*SCOPES)


def told(answer: Page) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "expires_in"}


@pytest.fixture
def by_both_ways(client: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Page, Page]]:
    def ask(path: str) -> tuple[Page, Page]:
        short = client.get(BASE + path)
        with monkeypatch.context() as long:
            long.setattr(bearers, "checksum_of", lambda _request: None)
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


def test_the_short_way_knows_the_person_and_the_provider_as_they_are(
    client: Client, amira: User, signed_in: Alias, rf: RequestFactory
) -> None:
    """Django reads a part of a row in the model's own order; told in another, a name would be a right."""
    request = rf.get("/", headers={"Authorization": client.defaults["HTTP_AUTHORIZATION"]})
    checksum = bearers.checksum_of(request)
    assert checksum
    ApplicationRegistry.objects.update(failures=2, failing_url="https://northwind.example/")
    found = tokens.ready_call_for(checksum, "northwind")
    assert found
    bearer, call, name = found
    known = (bearer.user.pk, bearer.user.username, bearer.user.is_active, bearer.user.is_superuser)
    assert known == (amira.pk, "amira", True, False)
    assert (name, bearer.auth.client_id, bearer.auth.scopes) == ("northwind", "digest", frozenset(SCOPES))
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
    assert told(short) == told(long)
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
    elif what == "for another resource":
        AccessToken.objects.update(resource=["https://other.example/"])
    elif what == "revoked":
        AccessToken.objects.all().delete()
    elif what == "deactivated":
        User.objects.update(is_active=False)
    elif what == "without the role":
        amira.groups.clear()
    elif what == "without the scopes":
        AccessToken.objects.update(scope="subflows:run service:other")
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
    "deactivated": 401,
    "without the role": 403,
    "without the scopes": 403,
    "not exported": 403,
    "turned off": 404,
    "not theirs": 404,
    "not signed in": 401,
}


@pytest.mark.parametrize("what", sorted(SPOILT))
def test_the_short_way_knows_no_other_answer_than_yes(
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


@pytest.mark.parametrize("asked", ["-1", "soon", "nan", "1e9", "inf"])
def test_a_strange_number_of_seconds_is_left_to_the_long_way(asked: str, client: Client) -> None:
    answer = client.get(f"{BASE}northwind/token/", {"minimum_seconds": asked})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_every_call_counts_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "parse_rate", lambda *_: (3, 60))
    for call in ("token/", "token-valid/", "initiator-url/"):
        assert client.get(f"{BASE}northwind/{call}").status_code == 200
    for call in ("token/", "token-valid/"):
        answer = client.get(f"{BASE}northwind/{call}")
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
        assert int(answer["Retry-After"]) <= 60


def test_the_short_way_is_taken(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HasScopes, "has_permission", lambda *_: False)
    for call in CALLS:
        assert client.get(f"{BASE}northwind/{call}").status_code == 200
