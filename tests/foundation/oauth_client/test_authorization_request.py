"""Authorization requests: all values that bind the response to the request, none that others could change."""

import base64
import hashlib
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from foundation.oauth_client import client, transport
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured

Register = Callable[..., Registration]


REGISTRATION = Registration(client_id="keyrack", authorization_url="https://provider.example/authorize?tenant=7")


def ask(registration: Registration = REGISTRATION, **changes: object) -> client.AuthorizationRequest:
    arguments: dict[str, object] = {"redirect_uri": "https://hub.example/back", "scopes": ["read", "write"], **changes}
    return client.authorization_request(registration, **arguments)  # type: ignore[arg-type]


def query(request: client.AuthorizationRequest) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(request.url).query)
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def test_an_authorization_request_says_exactly_what_it_must() -> None:
    request = ask()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(request.code_verifier.encode()).digest()).rstrip(b"=").decode()
    assert query(request) == {
        "tenant": "7",
        "response_type": "code",
        "client_id": "keyrack",
        "redirect_uri": "https://hub.example/back",
        "scope": "read write",
        "state": request.state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{43}", request.code_verifier)
    assert len(base64.urlsafe_b64decode(request.state + "==")) * 8 >= 128
    assert request.code_verifier not in request.url
    assert request.nonce == ""


def test_two_requests_share_nothing_secret() -> None:
    first, second = ask(scopes=["openid"]), ask(scopes=["openid"])
    assert not {first.state, first.code_verifier, first.nonce} & {second.state, second.code_verifier, second.nonce}


def test_openid_brings_a_nonce() -> None:
    request = ask(scopes=["openid", "email"])
    assert query(request)["nonce"] == request.nonce != ""


def test_a_request_hides_its_secrets_from_the_repr() -> None:
    request = ask(scopes=["openid"])
    assert not any(secret in repr(request) for secret in (request.state, request.code_verifier, request.nonce))


def test_plain_pkce_is_sent_only_when_the_registration_says_so() -> None:
    request = ask(Registration(client_id="k", authorization_url="https://p.example/", code_challenge_method="plain"))
    assert query(request)["code_challenge"] == request.code_verifier
    assert query(request)["code_challenge_method"] == "plain"
    with pytest.raises(Misconfigured, match="bad_code_challenge_method"):
        ask(Registration(client_id="k", authorization_url="https://p.example/", code_challenge_method=""))


def test_without_pkce_nothing_of_it_is_sent() -> None:
    request = ask(Registration(client_id="k", authorization_url="https://p.example/", pkce=False))
    assert request.code_verifier == ""
    assert not any(name.startswith("code_challenge") for name in query(request))


def test_extra_parameters_are_added_but_never_replace_ours() -> None:
    hostile = dict.fromkeys(
        ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "request"), "evil"
    )
    registration = Registration(
        client_id="keyrack",
        authorization_url="https://provider.example/authorize?client_id=evil&tenant=7&code_challenge_method=plain",
        authorization_parameters={**hostile, "access_type": "offline", "prompt": "consent", "request_uri": "evil"},
        scope_separator=",",
    )
    sent = query(ask(registration))
    assert "evil" not in sent.values()
    assert (sent["access_type"], sent["prompt"], sent["tenant"], sent["scope"]) == (
        "offline",
        "consent",
        "7",
        "read,write",
    )
    assert sent["code_challenge_method"] == "S256"


@pytest.mark.parametrize(
    ("query_of_url", "configured", "sent"),
    [
        ("", {}, "consent"),
        ("", {"prompt": "select_account"}, "select_account"),
        ("", {"prompt": ""}, None),
        ("?prompt=login", {}, "login"),
        ("?prompt=login", {"prompt": "select_account"}, "select_account"),
        ("?prompt=login", {"prompt": ""}, None),
    ],
)
def test_the_registration_decides_on_what_keyrack_only_suggests(
    query_of_url: str, configured: dict[str, str], sent: str | None
) -> None:
    registration = Registration(
        client_id="keyrack",
        authorization_url=f"https://provider.example/authorize{query_of_url}",
        authorization_parameters=configured,
    )
    assert query(ask(registration, prompt="consent")).get("prompt") == sent


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "https://user@p.example/", "ftp://p.example/"])
def test_a_browser_is_not_sent_to_a_strange_url(url: str) -> None:
    with pytest.raises(Misconfigured, match="bad_url"):
        ask(Registration(client_id="k", authorization_url=url))


def test_a_browser_is_sent_over_plain_http_only_inside_a_configured_network(register: Register) -> None:
    assert ask(register()).url.startswith("http://127.0.0.1:")
    transport.configure([])
    with pytest.raises(Misconfigured, match="blocked_address"):
        ask(register())
