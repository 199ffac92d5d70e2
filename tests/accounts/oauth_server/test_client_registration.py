"""Dynamic client registration: off by default, and what a program that registers itself gets."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken
from pytest_django import Settings

from accounts import tasks
from accounts.audit.log import Event
from accounts.models import User
from accounts.oauth_server import registration_views
from accounts.oauth_server.models import Application
from tests.accounts import programs
from tests.accounts.programs import CALLBACK, answer_consent, authorize_url, program
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def _on(settings: Settings) -> None:
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "DCR_ENABLED": True}


def register(**fields: Any) -> Any:
    metadata = {"redirect_uris": [CALLBACK], "client_name": "Helper", "token_endpoint_auth_method": "none", **fields}
    return Client().post("/o/register/", metadata, "application/json")


def error_of(response: Any) -> str:
    assert response.status_code == 400, response.content
    error: str = response.json()["error"]
    return error


def metadata() -> dict[str, Any]:
    answer: dict[str, Any] = Client().get("/.well-known/oauth-authorization-server").json()
    return answer


def test_registration_is_off_by_default() -> None:
    assert register().status_code == 404
    assert "registration_endpoint" not in metadata()
    assert not Application.objects.exists()


@pytest.mark.usefixtures("_on")
def test_a_program_registers_itself_and_people_read_that_nobody_vouches_for_it(as_amira: Client) -> None:
    assert metadata()["registration_endpoint"] == "http://127.0.0.1:8000/o/register/"
    response = register(scope="everything", grant_types=["authorization_code", "refresh_token", DEVICE_CODE])
    assert response.status_code == 201
    assert "no-store" in response["Cache-Control"]
    client = response.json()
    assert client["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in client
    assert "registration_access_token" not in client
    assert "tokens:read" not in client["scope"]
    assert not AccessToken.objects.exists()
    parameters = {"client_id": client["client_id"], "scope": "integrations:read tokens:read"}
    page = as_amira.get(authorize_url(**parameters)).content.decode()
    for words in ("Allow Helper?", "Nobody vouches for this program", f'<code translate="no">{CALLBACK}</code>'):
        assert words in page
    assert "Read your access tokens" not in page
    code = answer_consent(as_amira, {"allow": "true"}, **parameters)["code"]
    fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": programs.VERIFIER}
    body = {"grant_type": "authorization_code", "client_id": client["client_id"], **fields}
    assert Client().post("/o/token/", body).json()["scope"] == "integrations:read"
    assert as_amira.get(authorize_url(**parameters)).status_code == 200


@pytest.mark.usefixtures("_on")
def test_a_program_with_a_secret_proves_itself_and_is_asked_about_all_the_same(as_amira: Client) -> None:
    client = register(token_endpoint_auth_method="client_secret_basic").json()
    assert client["client_secret_expires_at"] == 0
    assert client["client_secret"] not in str(Application.objects.values().get())
    code = answer_consent(as_amira, {"allow": "true"}, client_id=client["client_id"])["code"]
    headers = programs.basic(client["client_id"], client["client_secret"])
    fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": programs.VERIFIER}
    response = Client(headers=headers).post("/o/token/", {"grant_type": "authorization_code", **fields})
    assert response.status_code == 200
    assert as_amira.get(authorize_url(client_id=client["client_id"])).status_code == 200


@pytest.mark.usefixtures("_on")
def test_a_command_line_registers_for_device_codes() -> None:
    client = register(redirect_uris=[], grant_types=[DEVICE_CODE]).json()
    assert client["grant_types"] == [DEVICE_CODE, "refresh_token"]
    body = f"client_id={client['client_id']}"
    assert Client().post("/o/device/authorize/", body, "application/x-www-form-urlencoded").status_code == 200


@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("grant_type", ["password", "client_credentials", "implicit", "refresh_token", "openid-hybrid"])
def test_other_grants_are_not_registered(grant_type: str) -> None:
    assert error_of(register(grant_types=[grant_type])) == "invalid_client_metadata"


@pytest.mark.usefixtures("_on")
def test_a_secure_site_sends_nobody_over_plain_http_except_to_their_own_computer(settings: Settings) -> None:
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "ALLOWED_REDIRECT_URI_SCHEMES": ["https"]}
    for good in ("http://127.0.0.1/cb", "http://localhost:1455/auth/callback", "http://[::1]/cb"):
        assert register(redirect_uris=[good]).status_code == 201, good
    for bad in ("http://evil.example/", "http://127.0.0.1.evil.example/", "javascript:alert(1)", "cursor://x", "https:///x",
                "http://localhost@evil.example/", "https://x.example/#part", "data:text/html,x"):  # fmt: skip
        assert error_of(register(redirect_uris=[bad])) == "invalid_redirect_uri", bad
    assert register(redirect_uris=[]).status_code == 400
    assert error_of(register(redirect_uris=[f"{CALLBACK}{number}" for number in range(21)])) == "invalid_redirect_uri"


@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize(
    "fields",
    [{"client_name": "Weekly Digest"}, {"client_name": "Key-Rack"}, {"client_name": 5}, {"redirect_uris": "x"},
     {"grant_types": "x"}, {"token_endpoint_auth_method": "private_key_jwt"}],
)  # fmt: skip
def test_metadata_that_breaks_the_rules_is_refused(fields: dict[str, Any]) -> None:
    program()
    assert error_of(register(**fields)) == "invalid_client_metadata"


@pytest.mark.usefixtures("_on")
def test_bodies_of_other_forms_are_refused() -> None:
    for body, content_type in (("[]", "application/json"), ("{", "application/json"), ("a=b", "text/plain")):
        assert error_of(Client().post("/o/register/", body, content_type)) == "invalid_client_metadata"
    assert error_of(register(client_uri="x" * registration_views.MAX_BYTES)) == "invalid_client_metadata"


@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize(
    "body",
    [
        "[" * 60_000,
        '{"redirect_uris": ["https://helper.example/\\ud800"]}',
        '{"redirect_uris": ["https://helper.example/\\u0000"]}',
        '{"client_name": "\\u0000"}',
    ],
)
def test_what_cannot_be_stored_is_refused_in_the_words_of_the_protocol(body: str) -> None:
    assert error_of(Client().post("/o/register/", body, "application/json")) == "invalid_client_metadata"
    assert not Application.objects.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_on")
def test_one_address_cannot_register_without_end() -> None:
    statuses = [register().status_code for _request in range(registration_views.REGISTERED + 1)]
    assert statuses[-2:] == [201, 429]


@pytest.mark.usefixtures("_on")
def test_a_program_that_is_not_used_within_a_day_is_forgotten(as_amira: Client) -> None:
    unused, used = register().json()["client_id"], register().json()["client_id"]
    code = answer_consent(as_amira, {"allow": "true"}, client_id=used)["code"]
    fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": programs.VERIFIER, "client_id": used}
    assert Client().post("/o/token/", {"grant_type": "authorization_code", **fields}).status_code == 200
    Application.objects.update(created=timezone.now() - timedelta(days=2), updated=timezone.now() - timedelta(days=2))
    tasks.clear_expired_grants()
    assert [row.client_id for row in Application.objects.all()] == [used]
    assert unused != used
    long_ago = timezone.now() - timedelta(days=100)
    Application.objects.update(updated=long_ago, last_used_at=long_ago)
    tasks.clear_expired_grants()
    assert not Application.objects.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_on")
def test_an_administrator_sees_who_uses_it_blocks_and_deletes_it(as_amira: Client, admin: User) -> None:
    client_id = register().json()["client_id"]
    answer_consent(as_amira, {"allow": "true"}, client_id=client_id)
    application = Application.objects.get()
    page = client_of(admin).get(f"/admin/accounts/application/{application.pk}/change/").content.decode()
    assert ">amira</a>" in page
    assert "127.0.0.1" in page
    listed = client_of(admin).get("/admin/accounts/application/?registration_source__exact=dcr").content.decode()
    assert "Helper" in listed
    answer = {"action": "block_selected", "_selected_action": [str(application.pk)]}
    client_of(admin).post("/admin/accounts/application/", answer)
    assert as_amira.get(authorize_url(client_id=client_id)).status_code == 400
    assert Event.objects.filter(kind="set_up_changed", who_name="admin").exists()
    client_of(admin).post(f"/admin/accounts/application/{application.pk}/delete/", {"post": "yes"})
    assert not Application.objects.exists()
