"""Whose matter a refusal is: the person's who signs in, or the administrator's, whose set-up no sign-in changes."""

import pytest

from accounts.models import User
from integrations.models import HttpConnection, Token
from integrations.models.tokens import TokenState
from tests.integrations.calls.test_meanings import meaning_of
from tests.integrations.calls.test_refused_tokens import API, connection, send
from tests.servers.hostile import HostileServer

__all__ = ["connection"]

AUDIENCE = "Access token validation failure. Invalid audience."
SUBSCRIPTION = "Access denied due to missing subscription key. Make sure to include it when making requests to an API."


@pytest.mark.parametrize(
    "challenge",
    [
        'DPoP algs="ES256 PS256"',  # RFC 9449 §7.1: one that takes bearer tokens as well names both
        'DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"',
        'DPoP error="invalid_dpop_proof", algs="ES256"',
        # https://github.com/dotnet/aspnetcore/issues/54513
        'Bearer error="invalid_token", error_description="The audience \'00000003-0000-0000-c000-0\' is invalid"',
        'Bearer error="invalid_token", error_description="The issuer \'https://sts.windows.net/7/\' is invalid"',
        'AzureApiManagementKey realm="https://x/",name="Ocp-Apim-Subscription-Key",type="header"',
        'Key realm="kong"',
    ],
)
def test_a_challenge_that_no_sign_in_answers_is_the_administrators(challenge: str) -> None:
    meaning = meaning_of(401, {}, WWW_Authenticate=challenge)
    assert (meaning.code, meaning.renewing_helps) == ("registration_wrong", False)


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer, DPoP algs="ES256"',
        'DPoP algs="ES256", Bearer error="invalid_token"',
        'DPoP error="use_dpop_nonce", Bearer error="invalid_token"',
        'Key realm="x", Bearer error="invalid_token"',
        'Basic realm="x"',
        "",
    ],
)
def test_a_challenge_that_takes_bearer_tokens_is_answered_by_another_token(challenge: str) -> None:
    assert meaning_of(401, {}, WWW_Authenticate=challenge).code == "token_over"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"code": "InvalidAuthenticationToken", "message": AUDIENCE}}),  # Microsoft Graph
        (401, {"message": "Audience validation failed"}),
        (401, {"error": "invalid_token", "error_description": "The aud claim: audience does not match, is not valid"}),
        # https://learn.microsoft.com/troubleshoot/azure/api-mgmt/availability/unauthorized-errors-invoke-apis
        (401, {"statusCode": 401, "message": SUBSCRIPTION}),
        (401, {"error": "Unauthorized", "status": 401, "message": "Client ID and OAuth token do not match"}),  # Twitch
        (401, {"fault": {"faultstring": "x", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}),  # Apigee
        (401, {"error": "use_dpop_nonce"}),
    ],
    ids=str,
)
def test_a_refusal_that_no_sign_in_changes_is_the_administrators(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps) == ("registration_wrong", False)


@pytest.mark.parametrize(
    ("body", "challenge"),
    [
        ({"message": "The token is expired, or its issuer or audience is invalid"}, ""),
        ({"code": "TOKEN_EXPIRED", "message": "Audience validation failed"}, ""),
        ({"error": "invalid_token", "error_description": "Invalid audience, or the token was revoked"}, ""),
        (
            {},
            'Bearer error="invalid_token", error_description="The issuer is invalid; The token expired at \'7\'"',
        ),
        (
            {"message": "Invalid audience."},
            'Bearer error="invalid_token", error_description="The token expired at \'7\'"',
        ),
    ],
    ids=str,
)
def test_a_token_that_may_as_well_have_expired_is_renewed(body: object, challenge: str) -> None:
    meaning = meaning_of(401, body, WWW_Authenticate=challenge)
    assert (meaning.code, meaning.renewing_helps) == ("token_over", True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "The custom audience is invalid or was deleted"}),
        (400, {"message": "Invalid target audience"}),
        (403, {"message": "Sharing this audience with other ad accounts is not allowed"}),
        (400, {"message": "The bank issuer code is not valid"}),
        (400, {"error": "client_id is missing"}),
    ],
    ids=str,
)
def test_an_argument_of_a_call_is_no_fault_of_the_registration(status: int, body: object) -> None:
    assert meaning_of(status, body).code is None


def test_a_token_for_somebody_else_ends_no_sign_in_and_is_not_renewed(
    amira: User, connection: HttpConnection, server: HostileServer
) -> None:
    server.on(f"GET {API}").always(
        status=401, json={"error": {"code": "InvalidAuthenticationToken", "message": AUDIENCE}}
    )
    answer = send(amira, "GET")
    assert answer.headers["Keyrack-Reason"] == "registration_wrong"
    assert (server.calls_to("POST /token"), Token.objects.get().state) == ([], TokenState.VALID)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"title": "API Key Invalid", "status": 401, "detail": "Your API key may be invalid"}),  # Mailchimp
        (401, {"error": {"message": "Invalid API Key provided: sk_live_****"}}),  # Stripe
        (401, {"message": "The audience of this list is private"}),
        (401, {"serviceErrorCode": 65601, "message": "The token used in the request has been revoked by the user"}),
        # https://nango.dev/blog/fix-salesforce-invalid-session-id-error, by SOAP
        (500, "<Envelope><e:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode></e:Fault></Envelope>"),
        (403, "<Fault><exceptionCode>INVALID_SESSION_ID</exceptionCode></Fault>"),
        (200, {"code": 401, "message": "Unauthorized", "data": None}),
        (200, {"success": False, "code": "UNAUTHORIZED", "message": "x"}),
        (200, {"success": False, "errorCode": "TOKEN_EXPIRED"}),
        (200, {"success": False, "code": "TOKEN_EXPIRED"}),
        (200, {"success": False, "code": 401, "message": "x"}),
        (200, {"success": False, "code": "INVALID_TOKEN", "message": "Invalid access token"}),
        (200, {"error": {"code": 498, "message": "Jeton non valide."}}),  # Esri
    ],
    ids=str,
)  # fmt: skip
def test_a_dead_token_is_the_persons(status: int, body: object) -> None:
    assert meaning_of(status, body).code == "token_over"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "insufficient_user_authentication"}),  # RFC 9470, without its header
        (401, {"error": "interaction_required", "error_description": "x"}),
        (403, {"code": "REAUTH_REQUIRED"}),
    ],
    ids=str,
)
def test_another_step_is_the_persons(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps) == ("person_must_act", False)


def test_missing_permissions_are_missing_scopes() -> None:
    """https://github.com/spotipy-dev/spotipy/issues/684"""
    assert meaning_of(401, {"error": {"status": 401, "message": "Permissions missing"}}).code == "scope_missing"


@pytest.mark.parametrize(
    "body",
    [
        {"id": 7, "code": 401, "message": "x"},
        {"code": 401},
        {"success": True, "code": "x"},
        {"success": False, "code": 499, "message": "Part is discontinued"},
        {"success": False, "error_code": 498, "message": "Sold out"},
        {"errcode": 440, "errmsg": "No such shelf"},
        {"success": False, "error": {"code": 499, "message": "Part is discontinued"}},
        {"success": False, "code": "INVALID_TOKEN", "message": "The reCAPTCHA token is invalid"},
        {"success": False, "code": "TOKEN_INVALID"},
    ],
)
def test_a_code_of_a_business_says_nothing_of_the_token(body: object) -> None:
    assert meaning_of(200, body).code is None
