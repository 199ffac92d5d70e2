"""Malformed requests to our OAuth server get the errors of RFC 6749, 7636, 8707 and 9207."""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from oauth2_provider.models import AccessToken, Grant, RefreshToken
from pytest_django import Settings

from accounts.models import User
from accounts.oauth_server.models import Application
from tests.accounts import programs
from tests.accounts.programs import CALLBACK, CHALLENGE, SECRET, ask, authorize_url, exchange, granted, introspect
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

SITE = "http://127.0.0.1:8000"
API = f"{SITE}/api/v1"


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return programs.program(may_introspect=True)


def redirect_parameters(answer: Any) -> dict[str, str]:
    """Parameters of the redirect to the client."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(CALLBACK), answer["Location"]
    read = parse_qs(urlsplit(answer["Location"]).query)
    assert all(len(values) == 1 for values in read.values())
    return {name: values[0] for name, values in read.items()}


def post(path: str, fields: dict[str, Any], **headers: str) -> Any:
    return Client(headers=headers or programs.basic()).post(path, fields)


# Authorization requests (RFC 6749 §4.1.2.1) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"scope": "made:up"}, "invalid_scope"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "c" * 42}, "invalid_request"),
        ({"code_challenge": "c" * 129}, "invalid_request"),
        ({"code_challenge": "c" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "c" * 42 + "é"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "consent none"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
        ({"prompt": "create"}, "invalid_request"),
        ({"resource": "https://other.example/api"}, "invalid_target"),
        ({"resource": "api"}, "invalid_target"),
        ({"resource": "http://["}, "invalid_target"),
        ({"resource": f"{API}#part"}, "invalid_target"),
        ({"resource": "http://u@127.0.0.1:8000/api/v1"}, "invalid_target"),
        ({"resource": "https://127.0.0.1:8000/api/v1"}, "invalid_target"),
    ],
)
def test_the_program_reads_what_is_wrong_and_who_says_so(
    as_amira: Client, parameters: dict[str, str], error: str
) -> None:
    answer = redirect_parameters(as_amira.get(authorize_url(**parameters)))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "a-state", SITE)
    assert answer["error_description"].endswith(".")
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "name", ["response_type", "scope", "state", "code_challenge", "code_challenge_method", "prompt"]
)
def test_a_repeated_parameter_is_an_invalid_request(as_amira: Client, name: str) -> None:
    twice = urlencode({name: parse_qs(urlsplit(authorize_url(prompt="consent")).query)[name][0]})
    answer = redirect_parameters(as_amira.get(f"{authorize_url(prompt='consent')}&{twice}"))
    assert (answer["error"], answer["iss"]) == ("invalid_request", SITE)
    assert answer.get("state") == (None if name == "state" else "a-state")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_who_names_two_programs_or_addresses_is_sent_nowhere(as_amira: Client, name: str) -> None:
    twice = urlencode({name: {"client_id": "digest", "redirect_uri": CALLBACK}[name]})
    page = as_amira.get(f"{authorize_url()}&{twice}")
    assert page.status_code == 400
    assert b"cannot be answered" in page.content


def test_a_mistake_is_never_told_at_an_address_that_is_not_the_programs(as_amira: Client) -> None:
    for wrong in ({"redirect_uri": "https://thief.example/"}, {"client_id": "nobody"}, {"client_id": ""}):
        assert as_amira.get(authorize_url(response_type="token", **wrong)).status_code == 400


def test_who_is_not_signed_in_is_told_so_without_a_page_if_the_program_wants_none() -> None:
    answer = redirect_parameters(Client().get(authorize_url(prompt="none")))
    assert (answer["error"], answer["state"], answer["iss"]) == ("login_required", "a-state", SITE)
    assert redirect_parameters(Client().get(authorize_url(prompt="none login")))["error"] == "invalid_request"
    assert Client().get(authorize_url(response_type="token")).status_code == 302  # to the sign-in, not to the program
    assert "/accounts/login/" in Client().get(authorize_url(response_type="token"))["Location"]


def test_denial_names_the_issuer(as_amira: Client) -> None:
    assert programs.answer_consent(as_amira, {}) == {
        "error": "access_denied", "error_description": "The person has refused.", "state": "a-state", "iss": SITE
    }  # fmt: skip


def test_what_was_approved_needs_no_page(as_amira: Client) -> None:
    ask(as_amira)
    assert redirect_parameters(as_amira.get(authorize_url(prompt="none"))).keys() == {"code", "state", "iss"}


def test_a_program_without_a_secret_cannot_skip_the_question(as_amira: Client) -> None:
    Application.objects.update(client_type="public")
    code = ask(as_amira)["code"]
    assert post("/o/token/", {**code_fields(code), "client_id": "digest"}, Accept="*/*").status_code == 200
    assert as_amira.get(authorize_url() + "&approval_prompt=auto").status_code == 200


@pytest.mark.parametrize("query", ["client_id=%G0", "client_id=%", "state=%FF&client_id=%FF", "x=[]{}|^", "&&==&"])
def test_a_query_that_is_no_form_is_refused(as_amira: Client, query: str) -> None:
    assert as_amira.get(f"/o/authorize/?{query}").status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"}, {"client_id": ""}, {"redirect_uri": "https://thief.example/"}, {"response_type": ""},
        {"resource": "https://other.example/"}, {"resource": "http://["}, {"scope": ""},
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow", ["true", ""])
def test_hidden_fields_of_the_form_are_believed_no_more_than_a_request(
    as_amira: Client, changes: dict[str, str], allow: str
) -> None:
    fields = programs.hidden_fields(as_amira.get(authorize_url()))
    page = as_amira.post(authorize_url(), {**fields, **changes, "allow": allow})
    assert page.status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"code_challenge": "short"}, {"code_challenge_method": "plain"}, {"scope": "made:up"}]
)
def test_the_form_cannot_weaken_what_was_asked(as_amira: Client, changes: dict[str, str]) -> None:
    fields = programs.hidden_fields(as_amira.get(authorize_url()))
    answer = redirect_parameters(as_amira.post(authorize_url(), {**fields, **changes, "allow": "true"}))
    assert (answer["error"].split("_")[0], answer["iss"]) == ("invalid", SITE)
    assert not Grant.objects.exists()


def test_a_program_of_another_grant_may_not_ask_people(as_amira: Client) -> None:
    Application.objects.update(authorization_grant_type="client-credentials")
    assert redirect_parameters(as_amira.get(authorize_url()))["error"] == "unauthorized_client"


def test_who_is_sent_to_sign_in_comes_back_with_all_that_was_asked(as_amira: Client) -> None:
    page = as_amira.get(f"{authorize_url(prompt='login consent', resource=API)}&{urlencode({'resource': SITE})}")
    back = parse_qs(urlsplit(page["Location"]).query)["next"][0]
    assert parse_qs(urlsplit(back).query)["resource"] == [API, SITE]
    assert parse_qs(urlsplit(back).query)["prompt"] == ["consent"]


# Resource indicators (RFC 8707) ------------------------------------------------------------------------------------


@pytest.fixture
def two(as_amira: Client) -> str:
    """Authorization URL for two resources."""
    return f"{authorize_url()}&{urlencode([('resource', API), ('resource', SITE + '/mcp')])}"


def allow(browser: Client, address: str) -> str:
    page = browser.get(address)
    if page.status_code == 200:
        page = browser.post(address, {**programs.hidden_fields(page), "allow": "true"})
    return redirect_parameters(page)["code"]


def bearer(answer: Any, path: str = "/api/v1/integrations/") -> int:
    token = answer.json()["access_token"]
    return Client(headers={"Authorization": f"Bearer {token}"}).get(path).status_code


@pytest.mark.slow
def test_a_token_for_a_resource_is_accepted_there_and_nowhere_else(as_amira: Client) -> None:
    for resource, status in ((API, 200), (SITE, 200), (f"{SITE}/", 200), (f"{SITE}/mcp", 401)):
        answer = exchange(ask(as_amira, resource=resource)["code"])
        assert bearer(answer) == status, resource
        assert introspect(answer.json()["access_token"]).json()["aud"] == [resource]


def test_a_token_for_another_resource_is_refused_with_that_reason(as_amira: Client) -> None:
    token = exchange(ask(as_amira, resource=f"{SITE}/mcp")["code"]).json()["access_token"]
    client = Client(headers={"Authorization": f"Bearer {token}"})
    answer = client.get("/api/v1/integrations/")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.json()["error_description"] == f"The access token is for {SITE}/mcp only (RFC 8707)."
    AccessToken.objects.update(expires="2020-01-01T00:00:00Z")
    assert "expired" in client.get("/api/v1/integrations/").json()["error_description"]


def test_a_token_for_the_api_is_accepted_under_each_name_of_the_site(as_amira: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    answer = exchange(ask(as_amira, resource=API)["code"])
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Host": "other.example"}
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 200


def test_the_second_sign_in_is_bound_as_the_first(as_amira: Client, two: str) -> None:
    for _time in range(2):
        exchange(allow(as_amira, two))
    assert [token.resource for token in AccessToken.objects.all()] == [[API, f"{SITE}/mcp"]] * 2
    assert as_amira.get(authorize_url(resource=API)).status_code == 302
    assert (
        redirect_parameters(as_amira.get(authorize_url(resource="https://other.example")))["error"] == "invalid_target"
    )


@pytest.mark.slow
def test_a_program_takes_one_of_its_resources_and_later_another(as_amira: Client, two: str) -> None:
    first = exchange(allow(as_amira, two), resource=f"{SITE}/mcp")
    assert bearer(first) == 401
    second = programs.refresh(first.json()["refresh_token"], resource=API)
    assert bearer(second) == 200
    assert AccessToken.objects.get().resource == [API]
    assert RefreshToken.objects.get(revoked=None).resource == [API, f"{SITE}/mcp"]


@pytest.mark.parametrize("resource", ["https://other.example", "http://[", f"{SITE}/elsewhere"])
def test_no_token_for_a_resource_that_was_not_asked_for(as_amira: Client, resource: str) -> None:
    code = ask(as_amira, resource=API)["code"]
    assert exchange(code, resource=resource).json()["error"] == "invalid_target"
    answer = exchange(code).json()
    refused = programs.refresh(answer["refresh_token"], resource=resource)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    assert programs.refresh(answer["refresh_token"]).status_code == 200


@pytest.mark.slow
def test_a_repeated_refresh_is_not_given_a_token_for_another_resource(as_amira: Client, two: str) -> None:
    first = exchange(allow(as_amira, two)).json()["refresh_token"]
    once = programs.refresh(first, resource=API)
    assert programs.refresh(first, resource=API).json()["access_token"] == once.json()["access_token"]
    assert programs.refresh(first, resource=f"{SITE}/mcp").json()["error"] == "invalid_target"
    assert bearer(once) == 200


# Token requests (RFC 6749 §5.2) ------------------------------------------------------------------------------------


def code_fields(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": programs.VERIFIER
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unauthorized_client"),
        ({"grant_type": "password", "username": "amira", "password": "x"}, "unauthorized_client"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "unknown"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
        ({"grant_type": ["refresh_token", "refresh_token"], "refresh_token": "x"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ["x", "x"]}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "a\0b"}, "invalid_request"),
    ],
)
def test_each_mistake_at_the_token_endpoint_has_its_code_and_a_sentence(fields: dict[str, Any], error: str) -> None:
    answer = post("/o/token/", fields)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/json", "no-store")
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+\.", answer.json()["error_description"])  # RFC 6749 §5.2


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/device/authorize/"])
def test_programs_read_json_where_the_site_itself_refuses(path: str) -> None:
    answer = post(path, {"client_id": "a\0b"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert answer.json()["error"] == "invalid_request"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/o/authorize/", "/o/device/"])
def test_people_read_a_page_where_the_site_itself_refuses(path: str) -> None:
    answer = Client().get(f"{path}?user_code=a%00b")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (400, "text/html")


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/introspect/"])
@pytest.mark.parametrize("scheme", ["Basic", "basic", ""])
def test_a_program_that_cannot_prove_itself_is_told_how_it_may(path: str, scheme: str) -> None:
    wrong = base64.b64encode(b"digest:wrong").decode()
    fields = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    fields |= {} if scheme else {"client_id": "digest", "client_secret": "wrong"}
    answer = post(path, fields, **({"Authorization": f"{scheme} {wrong}"} if scheme else {"Accept": "*/*"}))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "secret is wrong" in answer.json()["error_description"]
    assert answer["WWW-Authenticate"] == 'Basic realm="keyrack"'
    assert answer["Content-Type"] == "application/json"


def test_a_token_of_a_program_alone_is_refused_with_the_reason() -> None:
    programs.program(client_id="nightly", authorization_grant_type="client-credentials")
    answer = post("/o/token/", {"grant_type": "client_credentials"}, **programs.basic("nightly"))
    answer = Client(headers={"Authorization": f"Bearer {answer.json()['access_token']}"}).get("/api/v1/integrations/")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert "need a person" in answer.json()["error_description"]


def test_the_api_asks_for_a_bearer() -> None:
    answer = Client(headers={"Authorization": "Bearer wrong"}).get("/api/v1/integrations/")
    assert (answer.status_code, answer["WWW-Authenticate"].split()[0]) == (401, "Bearer")


@pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/introspect/"])
@pytest.mark.parametrize(
    "extra",
    [
        {"client_secret": SECRET},
        {"client_id": "other"},
        {"client_id": "digest", "client_secret": SECRET},
        {"client_assertion": "a.b.c"},
    ],
)
def test_a_program_proves_itself_in_one_way(as_amira: Client, path: str, extra: dict[str, str]) -> None:
    answer = granted(as_amira)
    fields = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "token": answer["access_token"]}
    refused = post(path, {**fields, **extra})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert introspect(answer["access_token"]).json()["active"]


def test_a_program_may_name_itself_beside_its_proof_and_in_any_case(as_amira: Client) -> None:
    lower = programs.basic()["Authorization"].replace("Basic", "basic")
    fields = {**code_fields(ask(as_amira)["code"]), "client_id": "digest"}
    assert post("/o/token/", fields, Authorization=lower).status_code == 200
    fields = {**code_fields(ask(as_amira)["code"]), "client_id": "digest", "client_secret": SECRET}
    assert post("/o/token/", fields, Accept="*/*").status_code == 200


def test_nothing_is_read_from_the_address_of_a_client_request() -> None:
    answer = post("/o/token/?grant_type=refresh_token", {"grant_type": "refresh_token", "refresh_token": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert post("/o/revoke_token/?token=x", {"token": "x"}).status_code == 400


@pytest.mark.parametrize(
    "name", ["refresh_token_instance", "application_password", "refresh_successor", "user", "client"]
)
def test_a_parameter_of_the_name_of_an_attribute_is_ignored(as_amira: Client, name: str) -> None:
    answer = exchange(ask(as_amira)["code"], **{name: "1"})
    assert answer.status_code == 200
    assert programs.refresh(answer.json()["refresh_token"], **{name: "1"}).status_code == 200


def test_the_redirect_address_comes_again_with_the_code(as_amira: Client) -> None:
    code = ask(as_amira)["code"]
    assert exchange(code, redirect_uri="").json()["error"] == "invalid_request"
    assert exchange(code, redirect_uri=f"{CALLBACK}/").json()["error"] == "invalid_grant"
    assert exchange(code).status_code == 200


def test_where_none_was_sent_the_only_registered_one_counts(as_amira: Client) -> None:
    assert exchange(ask(as_amira, prompt="consent", redirect_uri="")["code"], redirect_uri="").status_code == 200
    assert exchange(ask(as_amira, prompt="consent", redirect_uri="")["code"]).status_code == 200
    code = ask(as_amira, prompt="consent", redirect_uri="")["code"]
    assert exchange(code, redirect_uri="https://other.example/").json()["error"] == "invalid_grant"
    Application.objects.update(redirect_uris=f"{CALLBACK} https://second.example/")
    assert as_amira.get(authorize_url(redirect_uri="")).status_code == 400


@pytest.mark.parametrize("verifier", ["short", "v" * 129, "v" * 42 + "é", "v" * 42 + "="])
def test_a_verifier_of_another_form_is_no_proof(as_amira: Client, verifier: str) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    code = ask(as_amira, code_challenge=challenge)["code"]
    assert exchange(code, code_verifier=verifier).json()["error"] == "invalid_grant"
    assert len(challenge) == len(CHALLENGE)


def test_an_origin_that_is_no_address_harms_nobody(as_amira: Client) -> None:
    headers = {**programs.basic(), "Origin": "https://["}
    assert post("/o/token/", code_fields(ask(as_amira)["code"]), **headers).status_code == 200


# Revocation and metadata -------------------------------------------------------------------------------------------


def test_revocation_answers_in_json(as_amira: Client) -> None:
    answer = granted(as_amira)
    for fields, status in (({"token": answer["access_token"]}, 200), ({"token": "unknown"}, 200), ({}, 400)):
        response = post("/o/revoke_token/", fields)
        assert (response.status_code, response["Content-Type"]) == (status, "application/json")
        assert response.json() == ({} if status == 200 else {"error": "invalid_request", **described(response)})


def described(answer: Any) -> dict[str, str]:
    return {"error_description": answer.json()["error_description"]}


def test_metadata_says_what_is_true(amira: User) -> None:
    metadata = Client().get("/.well-known/oauth-authorization-server").json()
    assert metadata["response_modes_supported"] == ["query"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["introspection_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]
    assert metadata["revocation_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
        "none",
    ]
    assert set(metadata["grant_types_supported"]) == {
        "authorization_code", "password", "client_credentials", "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    }  # fmt: skip
    Application.objects.update(client_type="public")
    answer = granted_to_public(client_of(amira))
    assert post("/o/introspect/", {"token": answer, "client_id": "digest"}, Accept="*/*").status_code == 401
    assert post("/o/revoke_token/", {"token": answer, "client_id": "digest"}, Accept="*/*").status_code == 200
    assert not AccessToken.objects.exists()


def granted_to_public(browser: Client) -> str:
    fields = {**code_fields(ask(browser)["code"]), "client_id": "digest"}
    return str(post("/o/token/", fields, Accept="*/*").json()["access_token"])
