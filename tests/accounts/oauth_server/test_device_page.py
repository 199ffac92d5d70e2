"""The page on which a person allows a device: what was chosen there outlives a mistake, which is named where it is."""

import re
from html import unescape

import pytest
from django.test import Client

from accounts.models import User
from accounts.oauth_server.models import Application, DeviceAuthorization
from tests import cast
from tests.accounts import proofs
from tests.accounts.oauth_server.test_device_grant import DEVICE_CODE, PAGE, begin, hidden
from tests.accounts.programs import program

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(as_amira: Client, amira: User) -> Client:
    """A browser in which Amira has just signed in; a program asks for all of her two integrations."""
    program(
        name="Terminal",
        client_id="terminal",
        client_type="public",
        authorization_grant_type=DEVICE_CODE,
        redirect_uris="",
        allowed_scopes="service:*",
    )
    for name in ("northwind", "tidepool"):
        cast.integration_at(cast.registry_at("https://northwind.example", name=name), name=name)
    return proofs.just_shown(as_amira, amira)


def answer(browser: Client, *, scope: str = "service:*", **chosen: str) -> str:
    shown = browser.post(PAGE, {"user_code": begin(scope=scope).json()["user_code"]})
    response = browser.post(f"{PAGE}answer/", {**hidden(shown), "allow": "true", **chosen})
    assert response.status_code == 400
    return unescape(response.content.decode())


def checked(html: str) -> list[str]:
    return re.findall(r'<input type="(?:radio|checkbox)" [^>]*id="([\w-]+)"[^>]* checked', html)


def focused(html: str) -> list[str]:
    return re.findall(r'id="([\w-]+)"[^>]* autofocus', html)


def test_who_forgot_to_compare_the_code_allows_no_more_than_they_had_chosen(browser: Client) -> None:
    html = answer(browser, reach="selected", scopes="service:tidepool")
    assert checked(html) == ["reach-selected", "pick-2"]
    assert re.findall(r"<li>(Compare the code first[^<]*)</li>", html)
    assert html.count('class="errorlist"') == 1
    assert focused(html) == ["compared"]
    assert DeviceAuthorization.objects.get().scopes == ["service:*"]


def test_who_can_give_nothing_of_what_is_asked_for_reads_so(browser: Client) -> None:
    Application.objects.update(allowed_scopes="administration")
    html = answer(browser, scope="administration", compared="true")
    assert "It asks for nothing that you may give it." in html
    assert html.count('class="errorlist"') == 1


def test_who_selected_nothing_reads_it_at_the_choice(browser: Client) -> None:
    html = answer(browser, reach="selected", compared="true")
    assert '<ul class="errorlist" id="reach-error"><li>Select at least one integration, or don’t allow it.</li>' in html
    assert html.count('class="errorlist"') == 1
    assert checked(html) == ["reach-selected"]
    assert focused(html) == ["reach-selected"]
