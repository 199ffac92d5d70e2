"""The servers behave as the tests that lean on them take for granted. Nothing of Keyrack takes part."""

import base64
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.servers import installed, peers
from tests.servers.peers import Peer

pytestmark = pytest.mark.slow

CALLBACK = "http://127.0.0.1:9/callback"


@pytest.fixture(params=["oidc_provider_peer", "canaille_peer"])
def peer(request: pytest.FixtureRequest) -> Peer:
    running: Peer = request.getfixturevalue(request.param)
    return running.register([CALLBACK, CALLBACK + "/other"])


def authorization_url(peer: Peer, verifier: str, **more: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": peer.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "a-state",
    }
    if verifier:
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return f"{peer.authorization_url}?{urlencode(asked | more)}"


def came_back(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def ask(peer: Peer, **form: str) -> requests.Response:
    return requests.post(peer.token_url, data=form, auth=(peer.client_id, peer.client_secret), timeout=10)


def tokens(peer: Peer) -> dict[str, str]:
    verifier = secrets.token_urlsafe(48)
    code = came_back(peer.consent(authorization_url(peer, verifier)))["code"]
    answer = ask(peer, grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=verifier)
    assert answer.status_code == 200, answer.text
    granted: dict[str, str] = answer.json()
    return granted


def renewed(peer: Peer, refresh_token: str) -> requests.Response:
    return ask(peer, grant_type="refresh_token", refresh_token=refresh_token)


def call(peer: Peer, access_token: str) -> int:
    return requests.get(peer.api_url, headers={"Authorization": f"Bearer {access_token}"}, timeout=10).status_code


def introspected(peer: Peer, token: str) -> bool:
    credentials = (peer.client_id, peer.client_secret)
    answer = requests.post(peer.introspection_url, data={"token": token}, auth=credentials, timeout=10)
    active: bool = answer.json()["active"]
    return active


def revoke(peer: Peer, token: str, hint: str) -> int:
    form = {"token": token, "token_type_hint": hint}
    return requests.post(
        peer.revocation_url, data=form, auth=(peer.client_id, peer.client_secret), timeout=10
    ).status_code


def test_a_code_becomes_tokens_that_open_the_api(peer: Peer) -> None:
    granted = tokens(peer)
    assert granted["refresh_token"]
    assert call(peer, granted["access_token"]) == 200
    assert call(peer, "made-up") == 401


def test_the_way_back_carries_the_state_and_names_the_issuer(peer: Peer) -> None:
    back = came_back(peer.consent(authorization_url(peer, "v" * 43), "bob"))
    assert (back["state"], back["iss"]) == ("a-state", peer.issuer)


def test_a_user_can_say_no(peer: Peer) -> None:
    back = came_back(peer.consent(authorization_url(peer, "v" * 43), allow=False))
    assert back["error"] == "access_denied"
    assert "code" not in back


def test_another_registered_redirect_uri_is_served_and_an_unknown_one_is_not(peer: Peer) -> None:
    other = authorization_url(peer, "v" * 43, redirect_uri=CALLBACK + "/other")
    assert peer.consent(other).startswith(CALLBACK + "/other?")
    with pytest.raises(AssertionError):
        peer.consent(authorization_url(peer, "v" * 43, redirect_uri=CALLBACK + "/unknown"))


def test_a_refresh_rotates_the_refresh_token(peer: Peer) -> None:
    first = tokens(peer)
    second = renewed(peer, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert call(peer, second["access_token"]) == 200
    assert renewed(peer, first["refresh_token"]).status_code == 400


def test_revoked_tokens_are_dead_for_the_api_the_refresh_and_introspection(peer: Peer) -> None:
    granted = tokens(peer)
    assert introspected(peer, granted["access_token"])
    assert revoke(peer, granted["refresh_token"], "refresh_token") == 200
    assert revoke(peer, granted["access_token"], "access_token") == 200
    assert call(peer, granted["access_token"]) == 401
    assert renewed(peer, granted["refresh_token"]).status_code == 400
    assert not introspected(peer, granted["access_token"])


def test_a_code_is_worth_nothing_without_its_verifier(peer: Peer) -> None:
    code = came_back(peer.consent(authorization_url(peer, "v" * 43)))["code"]
    assert ask(peer, grant_type="authorization_code", code=code, redirect_uri=CALLBACK).status_code == 400


def test_oidc_provider_refuses_an_authorization_without_pkce(oidc_provider_peer: Peer) -> None:
    client = oidc_provider_peer.register([CALLBACK])
    back = came_back(client.consent(authorization_url(client, verifier="")))
    assert back["error"] == "invalid_request"


def test_a_client_without_a_secret_can_be_registered(peer: Peer) -> None:
    public = peer.register([CALLBACK], client_authentication="none", grant_types=["authorization_code"])
    verifier = "v" * 43
    form = {
        "grant_type": "authorization_code",
        "client_id": public.client_id,
        "code": came_back(public.consent(authorization_url(public, verifier)))["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    assert requests.post(public.token_url, data=form, timeout=10).status_code == 200


def test_a_client_may_send_its_secret_in_the_form(peer: Peer) -> None:
    client = peer.register([CALLBACK], client_authentication="client_secret_post")
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "code": came_back(client.consent(authorization_url(client, "v" * 43)))["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": "v" * 43,
    }
    assert requests.post(client.token_url, data=form | {"client_secret": "wrong"}, timeout=10).status_code == 401
    assert requests.post(client.token_url, data=form | {"client_secret": client.client_secret}, timeout=10).ok


def test_canaille_takes_a_user_name_and_a_password_for_tokens(canaille_peer: Peer) -> None:
    client = canaille_peer.register([CALLBACK], grant_types=["password", "refresh_token"])
    right = {"grant_type": "password", "username": "bob", "password": client.users["bob"], "scope": "openid"}
    granted = ask(client, **right)
    assert granted.status_code == 200, granted.text
    assert call(client, granted.json()["access_token"]) == 200
    assert ask(client, **right | {"password": "wrong"}).status_code == 400


def test_requests_are_counted_by_grant_type_and_outcome(oidc_provider_peer: Peer) -> None:
    client = oidc_provider_peer.register([CALLBACK])
    client.reset()
    granted = tokens(client)
    renewed(client, granted["refresh_token"])
    call(client, "made-up")
    assert client.count("POST /token") == 2
    assert client.count("POST /token refresh_token 200") == 1
    assert client.count("GET /api/whoami 401") == 1
    client.reset()
    assert client.count("POST /token") == 0


def test_an_answer_can_be_spoiled_before_the_server_acts(oidc_provider_peer: Peer) -> None:
    client = oidc_provider_peer.register([CALLBACK])
    granted = tokens(client)
    client.spoil("/token", status=503, body="<h1>busy</h1>", content_type="text/html", headers={"Retry-After": "7"})
    busy = renewed(client, granted["refresh_token"])
    assert (busy.status_code, busy.text, busy.headers["Retry-After"]) == (503, "<h1>busy</h1>", "7")
    assert renewed(client, granted["refresh_token"]).status_code == 200


def test_an_answer_can_be_lost_after_the_refresh_token_was_rotated(oidc_provider_peer: Peer) -> None:
    client = oidc_provider_peer.register([CALLBACK])
    granted = tokens(client)
    client.spoil("/token", drop=True, after=True, grant_type="refresh_token")
    with pytest.raises(requests.ConnectionError):
        renewed(client, granted["refresh_token"])
    assert renewed(client, granted["refresh_token"]).status_code == 400


def test_lifetimes_rotation_and_pkce_are_as_asked() -> None:
    try:
        starting = peers.oidc_provider([CALLBACK], access_ttl=1, rotate=False, pkce=False)
        with starting as peer:
            code = came_back(peer.consent(authorization_url(peer, verifier="")))["code"]
            granted = ask(peer, grant_type="authorization_code", code=code, redirect_uri=CALLBACK).json()
            again = renewed(peer, granted["refresh_token"]).json()
            assert granted["expires_in"] == 1
            assert again["refresh_token"] == granted["refresh_token"]
            time.sleep(1.1)
            assert call(peer, granted["access_token"]) == 401
    except installed.Missing as lack:
        pytest.skip(str(lack))


HOLD_A_SERVER = """
import time
from tests.servers import peers
with peers.oidc_provider() as peer:
    print(peer.issuer, flush=True)
    time.sleep(60)
"""


def test_a_killed_test_run_leaves_no_server_behind(oidc_provider_peer: Peer) -> None:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.Popen([sys.executable, "-c", HOLD_A_SERVER], stdout=subprocess.PIPE, text=True, cwd=root)
    assert run.stdout is not None
    with run.stdout:
        issuer = run.stdout.readline().strip()
    assert requests.get(issuer + peers.DISCOVERY, timeout=10).ok
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert gone(issuer)


def gone(issuer: str) -> bool:
    for _ in range(50):
        try:
            requests.get(issuer + peers.DISCOVERY, timeout=1)
        except requests.ConnectionError:
            return True
        time.sleep(0.1)
    return False
