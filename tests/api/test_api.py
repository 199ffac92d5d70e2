"""The REST API, as a program sees it: who is let in, to what, and what each refusal says."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Revocation, Token
from integrations.models.card import Integration, queries
from tests import cast
from tests.api.conftest import Program
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

BASE = "/api/v1/integrations/"
SCOPES = {
    "": "integrations:read",
    "northwind/": "integrations:read",
    "northwind/initiator-url/": "integrations:read",
    "northwind/token-valid/": "integrations:read",
    "northwind/token/": "tokens:read service:northwind",
}
FIELDS = {
    "id", "alias", "name", "section", "state", "account", "scopes", "expires_at", "renews_itself", "sign_in_again_by",
    "last_used_at", "initiator_url",
}  # fmt: skip


def test_the_list_says_what_it_says_and_nothing_else(program: Program, signed_in: Alias) -> None:
    (one,) = program("integrations:read").get(BASE).json()
    assert set(one) == FIELDS
    assert (one["alias"], one["name"], one["section"], one["state"]) == (
        "northwind",
        "Northwind CRM",
        "my",
        "connected",
    )
    assert (one["id"], one["scopes"]) == (signed_in.hex, ["read"])
    assert one["initiator_url"].startswith("/oauth_initiator.do?")


@pytest.mark.slow
def test_a_page_of_the_list_builds_its_own_integrations_in_the_order_of_the_dashboard(
    program: Program, signed_in: Alias, amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ApplicationRegistry.objects.get()
    for name in ("zeta", "alpha", "beta", "gamma"):
        cast.integration_at(registry, name=name, label=name.title())
    cast.signed_in(amira, Alias.objects.get(name="beta"))
    Alias.objects.filter(name__in=("beta", "gamma")).update(active=False)  # gamma without a token: not listed
    whole = [row.alias.name for row in queries.integrations_of(amira)]
    assert whole == ["alpha", "beta", "northwind", "zeta"]
    built: list[str] = []

    def build(**fields: Any) -> Integration:
        built.append(fields["alias"].name)
        return Integration(**fields)

    monkeypatch.setattr(queries, "Integration", build)
    client = program("integrations:read")
    for number in (1, 2, 3):
        answer = client.get(BASE, {"page": number, "page_size": 2})
        names = [row["alias"] for row in answer.json()]
        assert names == whole[2 * number - 2 : 2 * number] == sorted(built)
        assert 'page=2&page_size=2>; rel="last"' in answer["Link"]
        built.clear()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["name", "id"])
def test_one_is_found_by_name_and_by_id(by: str, program: Program, signed_in: Alias) -> None:
    reference = signed_in.name if by == "name" else signed_in.hex
    client = program("integrations:read", "tokens:read", "service:northwind")
    assert client.get(f"{BASE}{reference}/").json()["alias"] == "northwind"
    assert client.get(f"{BASE}{reference}/token-valid/").json() == {"token_valid": True}
    assert client.get(f"{BASE}{reference}/token/").json()["access_token"] == "CANARY-access-1"


def test_a_token_is_told_with_its_lifetime_and_kept_by_no_cache(program: Program, signed_in: Alias) -> None:
    answer = program("tokens:read", "service:northwind").get(f"{BASE}northwind/token/")
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert 3500 < answer.json()["expires_in"] <= 3600
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_a_token_that_ends_too_soon_is_renewed_first(
    program: Program, signed_in: Alias, server: HostileServer, transactional_db: None
) -> None:
    server.on("POST /token").answer(json={"access_token": "CANARY-access-2", "expires_in": 3600})
    client = program("tokens:read", "service:northwind")
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"{BASE}northwind/token/", {"minimum_seconds": "60"}).json()["access_token"] == "CANARY-access-2"


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "1e9"])
def test_a_strange_number_of_seconds_is_refused_in_words(seconds: str, program: Program, signed_in: Alias) -> None:
    answer = program("tokens:read", "service:northwind").get(f"{BASE}northwind/token/", {"minimum_seconds": seconds})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "minimum_seconds" in answer.json()["error_description"]


@pytest.mark.slow
def test_only_aliases_that_allow_it_hand_out_tokens(program: Program, signed_in: Alias) -> None:
    Alias.objects.update(allow_token_export=False)
    answer = program("tokens:read", "service:northwind").get(f"{BASE}northwind/token/")
    assert (answer.status_code, answer.json()["error"]) == (403, "export_not_allowed")


@pytest.mark.slow
def test_revoking_ends_it_here_and_promises_the_rest(program: Program, signed_in: Alias) -> None:
    client = program("integrations:revoke")
    result = client.post(f"{BASE}northwind/revoke/").json()
    assert (result["response_status"], result["expiry_in_seconds"], result["is_authenticated"]) == ("SUCCESS", 0, False)
    assert result["credential_id"] == OAuth2Credential.objects.get().hex
    assert result["remote_revocation"] == "pending"
    assert not Token.objects.exists()
    assert Revocation.objects.count() == 1
    assert client.post(f"{BASE}northwind/revoke/").json()["response_status"] == "SUCCESS"


@pytest.mark.slow
def test_who_is_not_signed_in_there_is_told_where_to(program: Program, alias: Alias) -> None:
    answer = program("tokens:read", "service:northwind").get(f"{BASE}northwind/token/")
    assert (answer.status_code, answer.json()["error"]) == (401, "integration_not_authenticated")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert "WWW-Authenticate" not in answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider_answer", "status", "error"),
    [
        ({"status": 503, "headers": {"Retry-After": "7"}}, 502, "provider_unreachable"),
        ({"status": 401, "json": {"error": "invalid_client"}}, 502, "integration_misconfigured"),
        ({"status": 200, "text": "<html>"}, 502, "provider_unusable"),
    ],
)
def test_whose_fault_it_is_shows(
    provider_answer: dict[str, Any], status: int, error: str, program: Program, signed_in: Alias, server: HostileServer,
    transactional_db: None,
) -> None:  # fmt: skip
    server.on("POST /token").always(**provider_answer)
    client = program("tokens:read", "service:northwind")
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = client.get(f"{BASE}northwind/token/")
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "CANARY" not in answer.content.decode()
    assert set(answer.json()) == {"error", "error_description"}


# Who is let in --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SCOPES))
def test_a_token_needs_each_of_its_scopes(path: str, program: Program, signed_in: Alias) -> None:
    needed = SCOPES[path].split()
    assert program(*needed).get(BASE + path).status_code == 200
    for missing in needed:
        has = [scope for scope in ("integrations:revoke", *needed) if scope != missing]
        answer = program(*has).get(BASE + path)
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
        assert missing in answer.json()["error_description"]
    assert program("integrations:read").post(f"{BASE}northwind/revoke/").status_code == 403
    assert Token.objects.exists()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer made-up", "Bearer a b", "Basic YTpi", "Bearer \u00e9"])
@pytest.mark.parametrize("path", ["", "northwind/token/"])
def test_without_a_living_token_nobody_is_let_in(header: str, path: str, signed_in: Alias) -> None:
    answer = Client(headers={"Authorization": header}).get(BASE + path)
    assert answer.status_code == 401
    challenge, error = answer["WWW-Authenticate"], answer.json()["error"]
    assert error == ("invalid_token" if header.startswith("Bearer ") else "not_authenticated")
    assert challenge.startswith('Bearer realm="keyrack"')
    assert ('error="invalid_token"' in challenge) == (error == "invalid_token")


def test_a_token_in_the_address_is_no_token(program: Program, signed_in: Alias) -> None:
    token = program("integrations:read").defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    assert Client().get(BASE, {"access_token": token}).status_code == 401


def test_a_session_may_all_that_the_person_may_and_writes_only_with_its_csrf_token(
    signed_in: Alias, amira: User
) -> None:
    assert client_of(amira).get(f"{BASE}northwind/token/").status_code == 200
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(amira)
    answer = strict.post(f"{BASE}northwind/revoke/")
    assert (answer.status_code, answer.json()["error"]) == (403, "permission_denied")
    assert Token.objects.exists()


def test_the_deactivated_and_those_without_the_role_are_not_let_in(
    program: Program, signed_in: Alias, amira: User
) -> None:
    client = program("integrations:read")
    amira.groups.clear()
    assert (client.get(BASE).status_code, client.get(BASE).json()["error"]) == (403, "permission_denied")
    User.objects.update(is_active=False)
    assert client.get(BASE).status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(set(SCOPES) - {"", "northwind/initiator-url/"}))
def test_not_yours_and_not_there_look_alike(path: str, program: Program, signed_in: Alias, bob: User) -> None:
    other = cast.integration_at(signed_in.effective_credential.registry, name="other")  # type: ignore[union-attr]
    other.groups.create(name="Finance")
    client = program("integrations:read", "tokens:read", "service:northwind", "service:other")
    answers = [
        client.get(BASE + path.replace("northwind", name)) for name in ("other", other.hex, "nobody", "0" * 32, "a\0b")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_token_opens_nothing_but_the_api(program: Program, signed_in: Alias, admin: User) -> None:
    client = program("integrations:read", "integrations:revoke", "tokens:read", "service:northwind")
    for address in ("/integrations/", "/admin/", "/o/authorize/", "/accounts/login/"):
        assert not client.get(address).wsgi_request.user.is_authenticated, address


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_other_methods_are_refused_in_the_same_shape(method: str, program: Program, signed_in: Alias) -> None:
    answer = getattr(program("integrations:read"), method)(f"{BASE}northwind/")
    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")


def test_the_number_of_queries_does_not_grow_with_the_list(
    program: Program, signed_in: Alias, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    registry = signed_in.effective_credential.registry  # type: ignore[union-attr]
    for number in range(10):
        cast.integration_at(registry, name=f"more_{number}")
    client = program("integrations:read")
    with django_assert_max_num_queries(11):
        assert len(client.get(BASE).json()) == 11


# What it says of itself -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_schema_in_the_repository_is_the_one_that_is_served(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", f"--file={made}")
    assert made.read_text() == Path("docs/openapi.yaml").read_text()


@pytest.mark.slow
def test_schema_and_docs_are_for_who_is_signed_in(as_amira: Client) -> None:
    assert Client().get("/api/v1/schema/").status_code == 401
    served = yaml.load(as_amira.get("/api/v1/schema/").content, Loader=yaml.CSafeLoader)
    assert "/api/v1/integrations/{alias}/token/" in served["paths"]
    page = as_amira.get("/api/v1/docs/").content.decode()
    assert "<script>" not in page
    needed = {address.removeprefix("/static/") for address in re.findall(r'"(/static/[^"]+)"', page)}
    assert len(needed) == 5
    assert needed <= collected()


def collected() -> set[str]:
    """What `collectstatic` finds: of the libraries, not everything."""
    patterns = apps.get_app_config("staticfiles").ignore_patterns  # type: ignore[attr-defined]  # StaticFilesConfig's
    paths = {path for finder in finders.get_finders() for path, _storage in finder.list(patterns)}
    assert not [path for path in paths if path.startswith("rest_framework/")]
    return paths
