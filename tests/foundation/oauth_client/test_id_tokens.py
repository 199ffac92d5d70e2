"""An id token is believed only when it was made for us, now, in answer to this request."""

import base64
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.oauth_client import client, id_tokens
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured, Unusable
from foundation.oauth_client.provider_profile import parse_profile
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
TOKEN = {"access_token": "CANARY-access", "refresh_token": "CANARY-refresh", "token_type": "Bearer", "expires_in": 60}


def swap(registration: Registration, nonce: str) -> TokenAnswer:
    return client.exchange(registration, code="c", redirect_uri="https://hub.example/", code_verifier="", nonce=nonce)


def claims(**changes: object) -> dict[str, object]:
    fine: dict[str, object] = {
        "iss": "https://issuer.example",
        "aud": "keyrack",
        "nonce": "n",
        "exp": time.time() + 60,
        "sub": "1",
    }
    return {name: value for name, value in {**fine, **changes}.items() if value is not None}


def id_token(payload: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(payload)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "changes",
    [
        dict,
        lambda: {"aud": ["other", "keyrack"]},
        lambda: {"exp": time.time() - 200},
        lambda: {"exp": str(int(time.time()) + 60), "iat": str(int(time.time()))},
    ],
)
def test_a_right_id_token_gives_its_claims(
    changes: Callable[[], dict[str, object]], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "id_token": id_token(claims(**changes()))})
    assert swap(register(issuer="https://issuer.example"), nonce="n").claims["sub"] == "1"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "other"},
        {"nbf": float("inf")},
        {"nbf": 10**400},
        {"iat": -(10**400), "exp": 1},
        {"nonce": None},
        {"nonce": 5},
        {"nonce": "\ud800"},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": None},
        {"aud": {"keyrack": 1}},
        {"exp": time.time() - 400},
        {"exp": str(int(time.time()) - 400)},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("nan")},
    ],
)
def test_a_wrong_id_token_spoils_the_answer(
    changes: dict[str, object], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "id_token": id_token(claims(**changes))})
    with pytest.raises(Unusable, match="bad_id_token"):
        swap(register(issuer="https://issuer.example"), nonce="n")


@pytest.mark.parametrize("named", ["https://issuer.example/", "issuer.example", None, 5])
def test_another_spelling_of_the_issuer_is_a_fault_of_the_set_up(
    named: object, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "id_token": id_token(claims(iss=named))})
    with pytest.raises(Misconfigured, match=r"the registry says https://issuer\.example") as refused:
        swap(register(issuer="https://issuer.example"), nonce="n")
    assert refused.value.code == "other_issuer"
    assert str(named if isinstance(named, str) else "?") in refused.value.description


@pytest.mark.parametrize(
    ("exceptions", "changes"),
    [
        ({"nonce": False}, {"nonce": None}),
        ({"issuers": ["accounts.example"]}, {"iss": "accounts.example"}),
        (
            {"issuers": ["https://login.example/{tenantid}/v2.0"]},
            {"iss": "https://login.example/t-7/v2.0", "tid": "t-7"},
        ),
    ],
)
def test_a_profile_can_make_an_exception_for_id_tokens(
    exceptions: object, changes: dict[str, object], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").always(json={**TOKEN, "id_token": id_token(claims(**changes))})
    with pytest.raises((Misconfigured, Unusable)):
        swap(register(issuer="https://issuer.example"), nonce="n")
    ours = register(issuer="https://issuer.example", profile=parse_profile({"id_token": exceptions}))
    assert swap(ours, nonce="n").claims["sub"] == "1"


@pytest.mark.parametrize(
    "changes", [{"nonce": "other"}, {"iss": "https://login.example/t-8/v2.0", "tid": "t-7"}, {"tid": "/x"}]
)
def test_an_exception_covers_nothing_else(
    changes: dict[str, object], register: Register, provider: HostileServer
) -> None:
    issuer = "https://login.example/{tenantid}/v2.0"
    valid: dict[str, object] = {"iss": "https://login.example/t-7/v2.0", "tid": "t-7"}
    provider.on("POST /token").always(json={**TOKEN, "id_token": id_token(claims(**{**valid, **changes}))})
    ours = register(issuer=issuer, profile=parse_profile({"id_token": {"nonce": False}}))
    with pytest.raises((Misconfigured, Unusable)):
        swap(ours, nonce="n")


@pytest.mark.parametrize(
    "text", ["x", "a.b", "a.b.c.d.e", "..", "a.!!!.c", id_token([1]), id_token("x"), 5, ["a"], "é.é.é"]
)
def test_a_malformed_id_token_is_unusable_at_an_exchange(
    text: object, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "id_token": text})
    with pytest.raises(Unusable, match="bad_id_token"):
        swap(register(), nonce="n")


def test_a_malformed_id_token_does_not_lose_a_rotated_token(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "id_token": "nonsense"})
    answer = client.refresh(register(), refresh_token="r")
    assert (answer.refresh_token, answer.claims) == ("CANARY-refresh", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
CLAIMS = st.fixed_dictionaries({}, optional=dict.fromkeys(("aud", "iss", "exp", "nonce", "sub"), JSON))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | JSON.map(id_token) | CLAIMS.map(id_token))
def test_any_id_token_is_read_or_unusable(text: str) -> None:
    with pytest.raises(Unusable, match="bad_id_token"):
        id_tokens.validate(text, client_id="keyrack", issuer="https://issuer.example", nonce="n")
