"""Sign in, call, renew, revoke: against real authorization servers."""

import re
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.oauth_server.models import Application
from foundation.oauth_client.errors import Misconfigured
from integrations.connections import tasks
from integrations.models import Alias, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast
from tests.conftest import client_of

SCOPES = ("integrations:read", "integrations:revoke")

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


def toolkit_integration(live_server: LiveServer) -> Alias:
    """An integration with django-oauth-toolkit at our own live server."""
    url = live_server.url
    registry = cast.registry_at(
        url,
        client_secret="CANARY-toolkit-secret",
        authorization_url=f"{url}/o/authorize/",
        token_url=f"{url}/o/token/",
        token_revocation_url=f"{url}/o/revoke_token/",
    )
    Application.objects.create(
        client_id=registry.client_id,
        client_secret="CANARY-toolkit-secret",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=registry.redirect_url,
        allowed_scopes=" ".join(SCOPES),
    )
    return cast.integration_at(registry, scopes=SCOPES, connection_url=f"{url}/provider")


def consent(live_server: LiveServer, authorization_url: str, username: str) -> str:
    """What the person does in the provider's window; the address it sends him back to."""
    browser = requests.Session()
    page = browser.get(authorization_url, timeout=10)
    form = {"username": username, "password": cast.PASSWORD, "csrfmiddlewaretoken": hidden(page.text)}
    signed_in = browser.post(page.url, data=form, headers={"Referer": page.url}, timeout=10, allow_redirects=False)
    page = browser.get(urljoin(page.url, signed_in.headers["Location"]), timeout=10, allow_redirects=False)
    if page.status_code == 302:  # approved before
        return page.headers["Location"]
    fields = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', page.text))
    fields |= {"allow": "true", "csrfmiddlewaretoken": hidden(page.text)}
    answer = browser.post(page.url, data=fields, headers={"Referer": page.url}, timeout=10, allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def hidden(html: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
    assert found
    return found[1]


def test_a_person_signs_in_calls_renews_and_revokes(live_server: LiveServer, amira: User, as_amira: Client) -> None:
    toolkit_integration(live_server)
    api = PersonalAuthAPI(amira)
    assert not api.is_token_valid("northwind")
    with pytest.raises(NotAuthenticated) as missing:
        api.request("northwind", "GET", "/whoami/")
    leave = as_amira.get(missing.value.initiator_url)
    assert leave.status_code == 302
    back = urlsplit(consent(live_server, leave["Location"], "amira"))
    done = as_amira.get(f"{back.path}?{back.query}")
    assert (done.status_code, done["Location"].split("/")[2]) == (303, "done")
    assert b"is connected" in as_amira.get(done["Location"]).content

    assert api.request("northwind", "GET", "/whoami/").json() == {"username": "amira", "scope": " ".join(SCOPES)}
    first = Token.objects.get()
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert api.request("northwind", "GET", "whoami/").json()["username"] == "amira"
    assert Token.objects.get().access_token != first.access_token

    held = Token.objects.get()
    result = api.revoke_token("northwind")
    assert (result.response_status, result.is_authenticated, result.remote_revocation) == ("SUCCESS", False, "pending")
    assert not api.is_token_valid("northwind")
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert Revocation.objects.get().state == "confirmed"
    dead = requests.get(
        f"{live_server.url}/provider/whoami/", headers={"Authorization": f"Bearer {held.access_token}"}, timeout=10
    )
    assert dead.status_code == 401
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.filter(revoked__isnull=True).exists()


def sign_in(live_server: LiveServer, person: User, browser: Client) -> None:
    leave = browser.get(PersonalAuthAPI(person).get_initiator_url("northwind"))
    back = urlsplit(consent(live_server, leave["Location"], person.username))
    assert browser.get(f"{back.path}?{back.query}").status_code == 303


def test_two_people_are_two_people_there(live_server: LiveServer, amira: User, bob: User) -> None:
    toolkit_integration(live_server)
    for person in (amira, bob):
        sign_in(live_server, person, client_of(person))
    for person in (amira, bob):
        answer = PersonalAuthAPI(person).request("northwind", "GET", "/whoami/").json()
        assert answer["username"] == person.username
    PersonalAuthAPI(amira).revoke_token("northwind")
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert PersonalAuthAPI(bob).request("northwind", "GET", "/whoami/").status_code == 200


def test_after_a_thief_used_the_refresh_token_the_person_signs_in_again(
    live_server: LiveServer, amira: User, as_amira: Client, settings: Settings
) -> None:
    settings.REFRESH_REPLAY_SECONDS = 0  # or the thief comes later than that
    toolkit_integration(live_server)
    sign_in(live_server, amira, as_amira)
    stolen = {"grant_type": "refresh_token", "refresh_token": Token.objects.get().refresh_token}
    us = ("keyrack", "CANARY-toolkit-secret")
    assert requests.post(f"{live_server.url}/o/token/", data=stolen, auth=us, timeout=10).status_code == 200
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    for _ in range(2):
        with pytest.raises(NotAuthenticated) as refused:
            PersonalAuthAPI(amira).request("northwind", "GET", "/whoami/")
        assert refused.value.code == "invalid_grant"
    assert not RefreshToken.objects.filter(revoked__isnull=True).exists()  # the thief's is over as well
    sign_in(live_server, amira, as_amira)
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/whoami/").status_code == 200


def test_a_wrong_client_secret_is_nobodys_fault_but_the_registrys(
    live_server: LiveServer, amira: User, as_amira: Client
) -> None:
    registry = toolkit_integration(live_server).effective_credential.registry  # type: ignore[union-attr]
    sign_in(live_server, amira, as_amira)
    right = registry.client_secret
    registry.client_secret = "CANARY-mistyped"
    registry.save()
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(Misconfigured):
        PersonalAuthAPI(amira).request("northwind", "GET", "/whoami/")
    registry.refresh_from_db()
    assert registry.misconfigured_code == "invalid_client"
    assert Token.objects.get().state == "valid"

    leave = as_amira.get(PersonalAuthAPI(amira).get_initiator_url("northwind"))
    back = urlsplit(consent(live_server, leave["Location"], "amira"))
    done = as_amira.get(as_amira.get(f"{back.path}?{back.query}")["Location"])
    assert b"administrator" in done.content
    assert b"CANARY" not in done.content

    registry.client_secret = right
    registry.save()
    Token.objects.update(lease_expires_at=None)
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/whoami/").status_code == 200
    registry.refresh_from_db()
    assert registry.misconfigured_code == ""
