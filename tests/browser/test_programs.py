"""Programs that people allow: the page for device codes, and what consent says of those that registered themselves."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.oauth_server.models import Application, DeviceAuthorization
from tests.accounts import proofs
from tests.accounts.programs import CALLBACK, authorize_url, program
from tests.browser.test_looks import expect_good_looks

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def person(page: Page, site: str, amira: User) -> Page:
    """A page in which Amira has just signed in."""
    client = Client()
    client.force_login(amira)
    proofs.just_shown(client, amira)
    cookie = client.cookies["keyrack"]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site, "httpOnly": True}])
    return page


@pytest.fixture
def user_code(db: None) -> str:
    program(
        name="Terminal",
        client_id="terminal",
        client_type="public",
        authorization_grant_type=DEVICE_CODE,
        redirect_uris="",
        allowed_scopes="integrations:read integrations:revoke",
    )
    body = "client_id=terminal&scope=integrations:read+integrations:revoke"
    codes = Client().post("/o/device/authorize/", body, "application/x-www-form-urlencoded").json()
    return str(codes["user_code"])


def test_a_person_types_the_code_compares_it_and_allows_the_device(person: Page, site: str, user_code: str) -> None:
    person.goto(f"{site}/o/device/")
    expect_good_looks(person)
    person.get_by_label("Code that it shows").fill("BCDF-GHJK")
    person.get_by_role("button", name="Continue").click()
    expect(person.locator("#user-code-error")).to_contain_text("No device is waiting")
    expect_good_looks(person)
    person.get_by_label("Code that it shows").fill(user_code.lower().replace("-", " "))
    person.keyboard.press("Enter")
    expect(person.get_by_role("heading", level=1)).to_have_text("Allow Terminal?")
    expect_good_looks(person)
    person.get_by_role("button", name="Allow", exact=True).click()
    expect(person.locator("#answer-error")).to_contain_text("Compare the code first")
    person.get_by_label(f"I started it myself, and it shows the code {user_code}.").check()
    person.get_by_role("button", name="Allow", exact=True).click()
    expect(person.get_by_role("heading", level=1)).to_have_text("Terminal is connected")
    expect_good_looks(person)
    assert DeviceAuthorization.objects.get().status == "approved"


def test_a_link_with_the_code_from_elsewhere_warns(person: Page, site: str, user_code: str) -> None:
    DeviceAuthorization.objects.update(address="203.0.113.9")
    person.goto(f"{site}/o/device/?user_code={user_code}")
    expect(person.get_by_label("Code that it shows")).to_have_value(user_code)
    expect_good_looks(person)
    person.get_by_role("button", name="Continue").click()
    expect(person.get_by_text("from the network address 203.0.113.9")).to_be_visible()
    expect_good_looks(person)
    person.get_by_role("button", name="Don’t allow").click()
    expect(person.get_by_role("heading", level=1)).to_have_text("Terminal is not connected")
    expect_good_looks(person)


def test_consent_says_who_vouches_and_where_the_answer_goes(person: Page, site: str) -> None:
    document = "https://editor.example/client.json"
    fields = {"client_type": "public", "cimd_expires_at": timezone.now() + timedelta(days=1)}
    program(
        client_id=document, name="Editor", registration_source="cimd", redirect_uris="http://127.0.0.1/cb", **fields
    )
    program(client_id="self", name="Helper", registration_source="dcr", client_type="public")
    port = "http://127.0.0.1:51234/cb"
    person.goto(site + authorize_url(client_id=document, redirect_uri=port))
    expect(person.get_by_role("heading", level=1)).to_have_text("Allow editor.example?")
    expect(person.get_by_text("Any program that runs here could ask for it")).to_contain_text(port)
    expect_good_looks(person)
    person.goto(site + authorize_url(client_id="self"))
    expect(person.get_by_text("Nobody vouches for this program")).to_be_visible()
    expect(person.get_by_text(CALLBACK)).to_be_visible()
    expect_good_looks(person)
    person.goto(site + authorize_url(client_id="https://unknown.example/client.json", redirect_uri=port))
    expect(person.get_by_role("heading", level=1)).to_have_text("unknown.example isn’t allowed here")
    expect_good_looks(person)
    assert Application.objects.get(client_id__contains="unknown").standing == "waiting"
