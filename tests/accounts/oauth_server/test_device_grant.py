"""The device grant: a program without a browser, and the page on which a person answers it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken

from accounts import tasks
from accounts.audit.log import Event, Kind
from accounts.models import User
from accounts.oauth_server import device_codes, device_views
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.models import Application, Approval, DeviceAuthorization
from accounts.oauth_server.replays import hash_secret
from accounts.sign_in.models import TwoStepRequirement
from tests.accounts import programs, proofs
from tests.accounts.programs import program
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
PAGE = "/o/device/"


@pytest.fixture(autouse=True)
def terminal(db: None) -> Application:
    return program(
        name="Terminal",
        client_id="terminal",
        client_type="public",
        authorization_grant_type=DEVICE_CODE,
        redirect_uris="",
        allowed_scopes="integrations:read integrations:revoke service:*",
    )


@pytest.fixture
def person(as_amira: Client, amira: User) -> Client:
    """A browser in which Amira has just signed in."""
    return proofs.just_shown(as_amira, amira)


def begin(client: Client | None = None, **fields: Any) -> Any:
    body = urlencode({"client_id": "terminal", **fields} if client is None else fields, doseq=True)
    return (client or Client()).post("/o/device/authorize/", body, "application/x-www-form-urlencoded")


def poll(device_code: str, **fields: str) -> Any:
    return Client().post(
        "/o/token/", {"grant_type": DEVICE_CODE, "client_id": "terminal", "device_code": device_code, **fields}
    )


def poll_error(device_code: str) -> str:
    response = poll(device_code)
    assert response.status_code == 400, response.content
    error: str = response.json()["error"]
    return error


def hidden(page: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))


def allow(browser: Client, user_code: str, **answer: str) -> Any:
    page = browser.post(PAGE, {"user_code": user_code})
    assert page.status_code == 200, page.content
    return browser.post(f"{PAGE}answer/", {**hidden(page), "allow": "true", "compared": "true", **answer})


def wait_out(device_code: str) -> None:
    """Let the interval of the device pass."""
    rows = DeviceAuthorization.objects.filter(device_code_hash=hash_secret(device_code))
    rows.update(last_polled_at=timezone.now() - timedelta(minutes=2))


def test_a_program_without_a_browser_gets_tokens_after_a_person_allows_it(person: Client) -> None:
    codes = begin(scope="integrations:read").json()
    assert codes["verification_uri"] == "http://127.0.0.1:8000/o/device/"
    assert codes["verification_uri_complete"].endswith(f"?user_code={codes['user_code']}")
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert poll_error(codes["device_code"]) == "authorization_pending"
    assert b"is connected" in allow(person, codes["user_code"]).content
    wait_out(codes["device_code"])
    tokens = poll(codes["device_code"]).json()
    assert tokens["scope"] == "integrations:read"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 200
    renewed = Client().post(
        "/o/token/",
        {"grant_type": "refresh_token", "client_id": "terminal", "refresh_token": tokens["refresh_token"]},
    )
    assert renewed.status_code == 200
    assert renewed.json()["access_token"] != tokens["access_token"]


@pytest.mark.slow
def test_the_audit_log_says_in_english_what_a_person_has_allowed(person: Client, amira: User) -> None:
    User.objects.update(language="de")
    allow(person, begin(scope="integrations:revoke").json()["user_code"])
    assert Event.objects.get(kind=Kind.APPROVED).detail == "Revoke your sign-ins at other services"


def test_two_processes_that_share_the_refresh_token_of_a_device_get_the_same_successor(person: Client) -> None:
    codes = begin().json()
    allow(person, codes["user_code"])
    first = poll(codes["device_code"]).json()["refresh_token"]
    fields = {"grant_type": "refresh_token", "client_id": "terminal", "refresh_token": first}
    answers = [Client().post("/o/token/", fields).json() for _process in range(2)]
    assert answers[0]["refresh_token"] == answers[1]["refresh_token"]
    assert answers[0]["access_token"] == answers[1]["access_token"]


def test_codes_are_stored_as_hashes_only(person: Client) -> None:
    codes = begin().json()
    row = DeviceAuthorization.objects.values().get()
    for secret in (codes["device_code"], codes["user_code"], codes["user_code"].replace("-", "")):
        assert secret not in str(row)


def test_the_address_with_the_code_still_asks_the_person_to_compare_it(person: Client) -> None:
    user_code = begin().json()["user_code"]
    form = person.get(f"{PAGE}?user_code={user_code}").content.decode()
    assert f'value="{user_code}"' in form
    assert "Allow Terminal?" not in form
    page = person.post(PAGE, {"user_code": user_code})
    for words in ("Allow Terminal?", user_code, "I started it myself", "127.0.0.1", "See which integrations"):
        assert words in page.content.decode()
    answer = person.post(f"{PAGE}answer/", {**hidden(page), "allow": "true"})
    assert answer.status_code == 400
    assert "Compare the code first" in answer.content.decode()
    assert DeviceAuthorization.objects.get().status == "pending"


def test_a_code_in_the_address_that_is_none_is_not_shown(person: Client) -> None:
    page = person.get(PAGE, {"user_code": "call 555-0100 now"}).content.decode()
    assert "555" not in page.partition("<form")[2]


def test_a_device_elsewhere_is_pointed_out(person: Client) -> None:
    user_code = begin().json()["user_code"]
    assert "from your own network address" in person.post(PAGE, {"user_code": user_code}).content.decode()
    DeviceAuthorization.objects.update(address="203.0.113.9")
    page = person.post(PAGE, {"user_code": user_code}).content.decode()
    assert "<strong>203.0.113.9</strong>; yours is 127.0.0.1" in page


def test_a_code_may_be_typed_as_people_type(person: Client) -> None:
    user_code = begin().json()["user_code"]
    for typed in (user_code.lower(), user_code.replace("-", ""), f"  {user_code.replace('-', ' ')} "):
        assert "Allow Terminal?" in person.post(PAGE, {"user_code": typed}).content.decode()


def test_the_page_needs_a_recent_sign_in(as_amira: Client, amira: User) -> None:
    assert "/accounts/login/" in Client().get(f"{PAGE}?user_code=BCDF-GHJK")["Location"]
    assert "/reauthenticate/" in as_amira.get(PAGE)["Location"]
    user_code = begin().json()["user_code"]
    proofs.just_shown(as_amira, amira)
    page = as_amira.post(PAGE, {"user_code": user_code})
    proofs.just_shown(as_amira, amira, seconds_ago=3600)
    answer = as_amira.post(f"{PAGE}answer/", {**hidden(page), "allow": "true", "compared": "true"})
    assert "/reauthenticate/" in answer["Location"]
    assert DeviceAuthorization.objects.get().status == "pending"


def test_forms_of_other_sites_are_refused(amira: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(amira)
    proofs.just_shown(browser, amira)
    user_code = begin().json()["user_code"]
    fields = {"user_code": user_code, "allow": "true", "compared": "true"}
    for path in (PAGE, f"{PAGE}answer/"):
        assert browser.post(path, fields).status_code == 403
    assert DeviceAuthorization.objects.get().status == "pending"


def test_a_person_says_no(person: Client) -> None:
    codes = begin().json()
    page = person.post(PAGE, {"user_code": codes["user_code"]})
    assert b"is not connected" in person.post(f"{PAGE}answer/", hidden(page)).content
    assert poll_error(codes["device_code"]) == "access_denied"
    assert not AccessToken.objects.exists()


def test_a_code_is_answered_once(person: Client, bob: User) -> None:
    codes = begin().json()
    other = proofs.just_shown(client_of(bob), bob)
    page = other.post(PAGE, {"user_code": codes["user_code"]})
    allow(person, codes["user_code"])
    answer = other.post(f"{PAGE}answer/", {**hidden(page), "allow": "true", "compared": "true"})
    assert answer.status_code == 400
    assert introspect_user(poll(codes["device_code"]).json()) == "amira"


def test_of_two_answers_at_the_same_time_the_first_counts(amira: User, bob: User, terminal: Application) -> None:
    device = device_codes.find_pending(begin().json()["user_code"])
    assert device
    version = approved_version(terminal)
    assert device_codes.store_answer(device, amira, ["integrations:read"], version=version)
    assert not device_codes.store_answer(device, bob, ["integrations:read"], version=version)
    assert not device_codes.store_answer(device, bob, [])
    assert DeviceAuthorization.objects.get().user == amira


def introspect_user(tokens: dict[str, Any]) -> str:
    owner = AccessToken.objects.get(token_checksum=hash_secret(tokens["access_token"])).user
    return str(owner.get_username())


def test_a_device_code_that_comes_twice_ends_what_it_gave(person: Client) -> None:
    codes = begin().json()
    allow(person, codes["user_code"])
    assert poll(codes["device_code"]).status_code == 200
    assert poll_error(codes["device_code"]) == "invalid_grant"
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.filter(revoked=None).exists()
    assert Event.objects.filter(kind=Kind.CODE_REPLAYED).count() == 1


@pytest.mark.slow
def test_a_device_that_polls_too_often_is_slowed_down(person: Client) -> None:
    codes = begin().json()
    assert poll_error(codes["device_code"]) == "authorization_pending"
    assert poll_error(codes["device_code"]) == "slow_down"
    device = DeviceAuthorization.objects.get()
    assert device.interval == 10
    DeviceAuthorization.objects.update(last_polled_at=timezone.now() - timedelta(seconds=6))
    assert poll_error(codes["device_code"]) == "slow_down"
    wait_out(codes["device_code"])
    assert poll_error(codes["device_code"]) == "authorization_pending"
    for _poll in range(20):
        poll(codes["device_code"])
    assert DeviceAuthorization.objects.get().interval == 60


def test_codes_expire_also_after_the_approval(person: Client) -> None:
    waiting, allowed = begin().json(), begin().json()
    allow(person, allowed["user_code"])
    DeviceAuthorization.objects.update(expires_at=timezone.now())
    for codes in (waiting, allowed):
        assert poll_error(codes["device_code"]) == "expired_token"
    assert person.post(PAGE, {"user_code": waiting["user_code"]}).status_code == 400
    DeviceAuthorization.objects.update(expires_at=timezone.now() - timedelta(days=2))
    tasks.clear_expired_grants()
    assert poll_error(waiting["device_code"]) == "invalid_grant"


@pytest.mark.slow
def test_an_approval_ends_with_the_account_the_password_or_the_program(
    person: Client, amira: User, terminal: Application
) -> None:
    def allowed() -> str:
        codes = begin().json()
        allow(person, codes["user_code"])
        return str(codes["device_code"])

    device_code = allowed()
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert poll_error(device_code) == "access_denied"
    User.objects.filter(pk=amira.pk).update(is_active=True)
    device_code = allowed()
    terminal.name = "Another"
    terminal.save()
    assert poll_error(device_code) == "invalid_grant"
    device_code = allowed()
    terminal.standing = "blocked"
    terminal.save()
    assert poll(device_code).json()["error"] == "invalid_client"
    terminal.standing = "allowed"
    terminal.save()
    device_code = allowed()
    amira.set_password("CANARY-new-password-9")
    amira.save()
    assert poll_error(device_code) == "invalid_grant"
    assert not AccessToken.objects.exists()


def test_a_person_without_the_required_second_step_gives_nothing(person: Client, amira: User) -> None:
    codes = begin().json()
    allow(person, codes["user_code"])
    group = Group.objects.create(name="Careful")
    TwoStepRequirement.objects.create(group=group)
    amira.groups.add(group)
    assert person.get(PAGE)["Location"].startswith("/accounts/2fa/")
    assert poll_error(codes["device_code"]) == "access_denied"


def test_an_answer_to_a_page_that_has_changed_since_is_not_stored(person: Client, terminal: Application) -> None:
    codes = begin(scope="integrations:read").json()
    page = person.post(PAGE, {"user_code": codes["user_code"]})
    terminal.name = "Renamed"
    terminal.save()
    answer = person.post(f"{PAGE}answer/", {**hidden(page), "allow": "true", "compared": "true"})
    assert answer.status_code == 400  # the change has ended the waiting devices
    codes = begin(scope="integrations:read").json()
    page = person.post(PAGE, {"user_code": codes["user_code"]})
    fields = {**hidden(page), "shown_version": "0" * 64, "allow": "true", "compared": "true"}
    assert person.post(f"{PAGE}answer/", fields).status_code == 409
    assert DeviceAuthorization.objects.get().status == "pending"


@pytest.mark.slow
def test_user_codes_cannot_be_guessed(person: Client, amira: User, bob: User) -> None:
    user_code = begin().json()["user_code"]
    for _guess in range(device_views.WRONG_CODES):
        assert person.post(PAGE, {"user_code": "BCDF-GHJK"}).status_code == 400
    for path in (PAGE, f"{PAGE}answer/"):
        assert person.post(path, {"user_code": user_code}).status_code == 429
    other = proofs.just_shown(client_of(bob), bob)
    assert other.post(PAGE, {"user_code": user_code}).status_code == 200


@pytest.mark.slow
def test_user_codes_cannot_be_guessed_from_one_address_with_many_accounts(amira: User) -> None:
    for number in range(6):
        user = User.objects.create_user(f"person{number}", password="CANARY-a-password-1")
        browser = proofs.just_shown(client_of(user), user)
        statuses = [browser.post(PAGE, {"user_code": "BCDF-GHJK"}).status_code for _guess in range(9)]
    assert statuses[-1] == 429


@pytest.mark.slow
def test_one_address_cannot_fill_the_table() -> None:
    statuses = [begin().status_code for _request in range(device_views.BEGUN + 1)]
    assert statuses[-2:] == [200, 429]
    assert DeviceAuthorization.objects.count() == device_views.BEGUN


def test_only_programs_of_this_grant_may_begin_and_only_with_their_secret(terminal: Application) -> None:
    program()
    assert begin(client_id="digest").json()["error"] == "invalid_client"  # without its secret
    confidential = Client(headers=programs.basic())
    assert begin(confidential, scope="integrations:read").json()["error"] == "unauthorized_client"
    assert begin(client_id="nobody").status_code == 401
    assert begin(client_id="").status_code == 400
    assert begin(scope="tokens:read").json()["error"] == "invalid_scope"
    assert begin(resource="https://elsewhere.example/").json()["error"] == "invalid_target"
    assert begin(client_id=["terminal", "terminal"]).json()["error"] == "invalid_request"
    assert Client().get("/o/device/authorize/").status_code == 405
    Application.objects.filter(client_id="digest").update(authorization_grant_type=DEVICE_CODE)
    assert begin(confidential, scope="integrations:read").status_code == 200
    terminal.standing = "blocked"
    terminal.save()
    assert begin().json()["error"] == "invalid_client"


def test_a_device_code_belongs_to_one_program(person: Client) -> None:
    program(client_id="other", name="Other", client_type="public", authorization_grant_type=DEVICE_CODE)
    codes = begin().json()
    allow(person, codes["user_code"])
    assert poll(codes["device_code"], client_id="other").json()["error"] == "invalid_grant"
    assert poll(codes["device_code"]).status_code == 200


def test_tokens_of_a_device_are_bound_to_the_resource_that_it_named(person: Client) -> None:
    codes = begin(resource="http://127.0.0.1:8000/mcp").json()
    allow(person, codes["user_code"])
    headers = {"Authorization": f"Bearer {poll(codes['device_code']).json()['access_token']}"}
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 401


def test_an_approval_of_a_device_is_none_for_the_consent_page(person: Client) -> None:
    codes = begin().json()
    allow(person, codes["user_code"])
    assert not Approval.objects.exists()
    assert Event.objects.filter(kind=Kind.APPROVED, whose_name="amira", subject="Terminal").count() == 1


def test_metadata_names_the_endpoint_and_the_grant() -> None:
    metadata = Client().get("/.well-known/oauth-authorization-server").json()
    assert metadata["device_authorization_endpoint"] == "http://127.0.0.1:8000/o/device/authorize/"
    assert DEVICE_CODE in metadata["grant_types_supported"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_parallel_polls_one_alone_gets_tokens(person: Client) -> None:
    codes = begin().json()
    allow(person, codes["user_code"])

    def poll_once(_number: int) -> int:
        try:
            return int(poll(codes["device_code"]).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(poll_once, range(4)))
    assert statuses.count(200) <= 1
    assert AccessToken.objects.count() <= 1
