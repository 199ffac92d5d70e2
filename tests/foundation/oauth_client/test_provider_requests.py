"""Requests in a provider's own form, as its profile says, at a server that records them."""

import base64
import hmac
import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from foundation.oauth_client import client, dialects, provider_requests, revocation, signatures
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Refused, Unusable
from foundation.oauth_client.provider_profile import parse_profile
from foundation.oauth_client.provider_profile.format import Signature
from foundation.oauth_client.provider_requests import Choice
from foundation.oauth_client.registration import Registration
from foundation.oauth_client.revocation import GrantTokens
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
TOKEN = {"access_token": "CANARY-access", "token_type": "Bearer"}
REDIRECT = "https://keyrack.example/back"


def exchange(ours: Registration) -> TokenAnswer:
    return client.exchange(ours, code="c", redirect_uri=REDIRECT, code_verifier="v" * 43, scopes=["a", "b"])


def query_of(register: Register, **changes: object) -> dict[str, str]:
    request = client.authorization_request(register(**changes), redirect_uri=REDIRECT, scopes=["a", "b"])
    return dict(parse_qsl(urlsplit(request.url).query))


def test_parameters_of_the_authorization_request_get_other_names_and_values(register: Register) -> None:
    profile = parse_profile(
        {
            "authorization": {
                "names": {"client_id": "client_key", "response_type": None},
                "parameters": {"scope": "all", "app": "{client_id}"},
            }
        }
    )
    query = query_of(register, profile=profile)
    assert query["client_key"] == query["app"] == "keyrack"
    assert query["scope"] == "all"
    assert not {"client_id", "response_type"} & query.keys()
    assert query["state"]
    assert query["redirect_uri"] == REDIRECT


def test_a_posted_callback_is_asked_for(register: Register) -> None:
    assert query_of(register, profile=parse_profile({"callback": {"posted": True}}))["response_mode"] == "form_post"


def test_claims_of_a_challenge_go_with_the_authorization_request(register: Register) -> None:
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    request = client.authorization_request(register(), redirect_uri=REDIRECT, scopes=["a"], demanded={"claims": claims})
    assert dict(parse_qsl(urlsplit(request.url).query))["claims"] == claims


def test_an_authorization_page_behind_a_fragment_gets_its_parameters_there(
    register: Register, provider: HostileServer
) -> None:
    ours = register(authorization_url=f"{provider.url}/#/oauth/authorize")
    request = client.authorization_request(ours, redirect_uri=REDIRECT, scopes=["a"])
    parts = urlsplit(request.url)
    assert parts.query == ""
    assert parts.fragment.startswith("/oauth/authorize?scope=a&response_type=code")


def test_a_token_request_can_be_json_with_other_names(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    profile = parse_profile(
        {
            "token_request": {
                "body": "json",
                "names": {"client_id": "clientId", "client_secret": "clientSecret", "grant_type": "grantType",
                          "redirect_uri": None},
                "code_parameters": {"kind": "first"},
                "refresh_parameters": {"kind": "again", "scope": "{scope}"},
                "headers": {"X-App": "{client_id}"},
            }
        }
    )  # fmt: skip
    ours = register(profile=profile, client_authentication="client_secret_post")
    assert exchange(ours).access_token == "CANARY-access"
    client.refresh(ours, refresh_token="r", scopes=["a", "b"])
    first, again = (json.loads(call.body) for call in provider.calls)
    assert first == {"grantType": "authorization_code", "code": "c", "code_verifier": "v" * 43, "kind": "first",
                     "clientId": "keyrack", "clientSecret": "CANARY-client-secret"}  # fmt: skip
    assert again == {"grantType": "refresh_token", "refresh_token": "r", "kind": "again", "scope": "a b",
                     "clientId": "keyrack", "clientSecret": "CANARY-client-secret"}  # fmt: skip
    assert provider.calls[0].headers["content-type"] == "application/json"
    assert provider.calls[0].headers["x-app"] == "keyrack"


def test_a_token_request_can_be_a_get(register: Register, provider: HostileServer) -> None:
    provider.on("GET /token").always(json=TOKEN)
    profile = parse_profile({"token_request": {"method": "GET", "names": {"client_id": "appid"}}})
    exchange(register(profile=profile, client_authentication="client_secret_post"))
    [call] = provider.calls
    query = dict(parse_qsl(call.query))
    assert (query["appid"], query["code"]) == ("keyrack", "c")
    assert call.body == b""


def test_another_redirect_uri_and_the_client_id_beside_basic(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    profile = parse_profile({"token_request": {"redirect_uri": "postmessage", "client_id_beside_basic": True}})
    exchange(register(profile=profile))
    [call] = provider.calls
    assert (call.form["redirect_uri"], call.form["client_id"]) == ("postmessage", "keyrack")
    assert "client_secret" not in call.form
    assert call.headers["authorization"].startswith("Basic ")


def test_a_token_request_can_repeat_the_state(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    profile = parse_profile({"token_request": {"code_parameters": {"state": "{state}"}}})
    client.exchange(
        register(profile=profile), code="c", redirect_uri=REDIRECT, code_verifier="v" * 43, state="CANARY-state"
    )
    client.refresh(register(profile=profile), refresh_token="r")
    assert [call.form.get("state") for call in provider.calls] == ["CANARY-state", None]


def test_a_hash_of_the_access_token_goes_with_userinfo_lookups_and_revocations(
    register: Register, provider: HostileServer
) -> None:
    provider.on("GET /me").always(json={"id": "7"})
    provider.on("GET /sites").always(json=[{"id": "s-1"}])
    provider.on("DELETE /7/permissions").always(json={"success": True})
    proof = {"appsecret_proof": "{access_token_hmac}", "v": "2"}
    lookup = {"name": "site", "url": f"{provider.url}/sites", "value": "/id"}
    ours = register(
        profile=parse_profile({"calls": {"parameters": proof}, "lookups": [lookup]}),
        userinfo_url=f"{provider.url}/me?fields=id",
        revocation_url=f"{provider.url}/{{account_id}}/permissions",
    )
    client.userinfo(ours, "CANARY-access")
    provider_requests.look_up(ours, ours.profile.lookups[0], "CANARY-access")
    dialect = dialects.parse_dialect(
        {
            "method": "DELETE", "client_authentication": "bearer", "body": "query", "token_field": "", "hint": False,
            "send": ["access_token"], "fields": {"appsecret_proof": "{access_token_hmac}"},
        }
    )  # fmt: skip
    revocation.revoke(ours, GrantTokens(access_token="CANARY-access", account_id="7"), "access_token", dialect)
    digest = hmac.new(b"CANARY-client-secret", b"CANARY-access", "sha256").hexdigest()
    assert [call.query for call in provider.calls] == [
        f"fields=id&appsecret_proof={digest}",
        f"appsecret_proof={digest}",
        f"appsecret_proof={digest}",
    ]


# Printed in the documentation of public clients, with the secret “hush”.
SIGNED = [
    ("4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20", {}),
    ("700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf", {"state": "0.6784241404160823"}),
]


@pytest.mark.parametrize(("digest", "more"), SIGNED)
def test_a_callback_is_signed_as_shopify_signs_it(digest: str, more: dict[str, str]) -> None:
    callback = {
        "code": "0907a61c0c8d55e99db179b68161bc00", "shop": "some-shop.myshopify.com", "timestamp": "1337178173",
        "hmac": digest, **more,
    }  # fmt: skip
    signature = Signature(parameter="hmac")
    assert signatures.is_signed(callback, signature, "hush")
    assert not signatures.is_signed({**callback, "shop": "other"}, signature, "hush")


def test_basic_credentials_can_be_sent_as_they_are(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    exchange(register(client_secret="a/b+c=%d", client_authentication="client_secret_basic_unencoded"))
    [call] = provider.calls
    credentials = call.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(credentials).decode() == "keyrack:a/b+c=%d"


def test_secrets_under_other_names_are_masked_in_reasons(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(status=400, json={"error": "invalid_grant", "message": "no CANARY-client-secret"})
    profile = parse_profile({"token_request": {"body": "json", "names": {"client_secret": "key"}}})
    with pytest.raises(Refused) as refused:
        exchange(register(profile=profile, client_authentication="client_secret_post"))
    assert refused.value.reason == "no …"


def long_lived(provider: HostileServer) -> dict[str, object]:
    parameters = {
        "grant_type": "fb_exchange_token",
        "client_id": "{client_id}",
        "client_secret": "{client_secret}",
        "fb_exchange_token": "{access_token}",
    }
    return {"url": f"{provider.url}/longer", "parameters": parameters}


def test_a_token_is_exchanged_for_a_longer_lived_one(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json={**TOKEN, "expires_in": 3600, "scope": "a"})
    provider.on("GET /longer").always(json={"access_token": "CANARY-long", "expires_in": 5183944})
    answer = exchange(register(profile=parse_profile({"exchange": long_lived(provider)})))
    assert (answer.access_token, answer.expires_in, answer.scopes) == ("CANARY-long", 5183944, ("a",))
    [call] = provider.calls_to("GET /longer")
    query = dict(parse_qsl(call.query))
    assert query["fb_exchange_token"] == "CANARY-access"
    assert query["client_secret"] == "CANARY-client-secret"


def test_a_failed_exchange_leaves_the_first_token(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json={**TOKEN, "expires_in": 3600})
    provider.on("GET /longer").always(status=500)
    answer = exchange(register(profile=parse_profile({"exchange": long_lived(provider)})))
    assert (answer.access_token, answer.expires_in) == ("CANARY-access", 3600)


def test_an_access_token_is_renewed_with_itself(register: Register, provider: HostileServer) -> None:
    provider.on("GET /again").always(json={"access_token": "CANARY-next", "expires_in": 5184000})
    profile = parse_profile(
        {
            "self_renewal": {
                "url": f"{provider.url}/again",
                "parameters": {"grant_type": "ig_refresh_token", "access_token": "{access_token}"},
            }
        }
    )
    answer = provider_requests.renew_with_itself(register(profile=profile), "CANARY-access")
    assert (answer.access_token, answer.expires_in) == ("CANARY-next", 5184000)
    assert dict(parse_qsl(provider.calls[0].query)) == {
        "grant_type": "ig_refresh_token",
        "access_token": "CANARY-access",
    }
    with pytest.raises(Unusable):
        provider_requests.renew_with_itself(register(), "CANARY-access")


def test_a_lookup_finds_choices(register: Register, provider: HostileServer) -> None:
    provider.on("GET /sites").always(
        json={"rows": [{"id": "s1", "name": "One"}, {"id": 2}, {"name": "none"}, {"id": "s3", "kind": "other"}]}
    )
    lookup = {
        "name": "cloud_id", "url": f"{provider.url}/sites", "rows": "/rows", "value": "/id", "label": "/name",
        "where": [{"at": "/kind", "equals": "other", "absent": True}],
    }  # fmt: skip
    ours = register(profile=parse_profile({"lookups": [lookup]}))
    choices = provider_requests.look_up(ours, ours.profile.lookups[0], "CANARY-access")
    assert choices == [Choice(value="s1", label="One"), Choice(value="2", label="2")]
    assert provider.calls[0].headers["authorization"] == "Bearer CANARY-access"


def test_a_lookup_of_one_object_has_one_choice(register: Register, provider: HostileServer) -> None:
    provider.on("GET /metadata").always(json={"dc": "us7"})
    ours = register(
        profile=parse_profile({"lookups": [{"name": "dc", "url": f"{provider.url}/metadata", "value": "/dc"}]})
    )
    choices = provider_requests.look_up(ours, ours.profile.lookups[0], "CANARY-access")
    assert choices == [Choice(value="us7", label="us7")]


def test_a_choice_that_the_map_of_the_profile_does_not_have_is_none(
    register: Register, provider: HostileServer
) -> None:
    provider.on("GET /me").always(json=[{"region": "EU", "kind": "a"}, {"region": "MARS", "kind": "b"}])
    lookup = {"name": "host", "url": f"{provider.url}/me", "value": "/region", "also": {"kind": "/kind"}}
    maps = {"host": {"EU": "api.eu.example"}, "kind": {"b": "B"}}
    ours = register(profile=parse_profile({"lookups": [lookup], "value_maps": maps}))
    choices = provider_requests.look_up(ours, ours.profile.lookups[0], "CANARY-access")
    assert choices == [Choice(value="api.eu.example", label="api.eu.example", also={"kind": ""})]
