"""Answers of APIs in places, codes and sentences that only some providers use, read without a profile."""

import pytest

from accounts.models import User
from integrations import calls
from tests.integrations.calls.test_meanings import meaning_of
from tests.integrations.calls.test_refused_tokens import API, connection, rotation, send, unless_renewed
from tests.servers.hostile import HostileServer

__all__ = ["connection", "rotation"]

UNAUTHENTICATED = [{"message": "x", "extensions": {"code": "UNAUTHENTICATED"}}]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"status": {"code": 14, "message": "Authentication token has expired. Refresh your tokens."}}),  # Ecobee
        (403, {"data": {"error": "The access token provided has expired."}, "success": False, "status": 403}),  # Imgur
        (403, {"Errors": [{"Name": "OAuthTokenIsInvalid", "Message": "x"}]}),  # MYOB
        (403, {"detail": "Authentication credentials were not provided."}),  # Django REST framework
        (403, {"error": "authorization_required", "message": "An active access token must be used."}),  # WordPress
        (403, {"message": "Unauthenticated."}),  # Laravel
        (403, {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": "expired"}]}),  # FHIR
        (403, {"tppMessages": [{"category": "ERROR", "code": "TOKEN_EXPIRED"}]}),  # Berlin Group
        (403, {"message": "Unknown access token"}),
        (403, {"message": "Access token not found"}),
        (403, {"error": "token_inactive"}),
        (403, 'Error in call to API function "x": The given OAuth 2 access token is malformed.'),
        # GraphQL: nothing was read, although there is a member data
        (200, {"data": {"viewer": None}, "errors": UNAUTHENTICATED}),
        (200, {"data": {}, "errors": UNAUTHENTICATED}),
        (200, {"data": None, "errors": [{"message": "x", "extensions": {"http": {"status": 401}}}]}),
        (200, {"data": None, "errors": [{"message": "x", "extensions": {"classification": "UNAUTHORIZED"}}]}),  # Spring
        (200, {"data": None, "errors": [{"message": "x", "status": 401}]}),  # AniList
    ],
    ids=str,
)
def test_a_dead_access_token_is_known(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps, meaning.is_certain) == ("token_over", True, False)


@pytest.mark.parametrize(
    "challenge",
    ["Bearer error='invalid_token'", 'Bearer error="token_expired"', 'bearer realm="x",Error=revoked_token'],
)
def test_a_challenge_is_read_in_any_spelling(challenge: str) -> None:
    assert meaning_of(403, {}, WWW_Authenticate=challenge).code == "token_over"


@pytest.mark.parametrize(
    ("status", "body", "scopes"),
    [
        (403, {"errors": [{"category": "missing_oauth_scopes", "message": "This endpoint requires the following OAuth "
                           "scopes: employees:read"}]}, ("employees:read",)),  # Gusto
        (403, {"fault": {"faultstring": "Required scope(s) : READ", "detail": {"errorcode":
               "steps.oauth.v2.InsufficientScope"}}}, ("READ",)),  # Apigee
        (403, {"fault": {"code": 900910, "description": "Scope validation failed"}}, ()),  # WSO2
        (403, {"error": "token is not valid for scope(s): esi-skills.read_skills.v1"}, ("esi-skills.read_skills.v1",)),
        (403, {"error": 'Your access token does not have the "upload" scope'}, ("upload",)),  # Vimeo
        (403, {"error": "Unauthorized missing scopes vehicle_cmds"}, ("vehicle_cmds",)),  # Tesla
        (403, {"error": {"key": "insufficient_scope", "description": "x"}}, ()),  # Home Connect
        (403, {"message": "insufficient_scope"}, ()),
    ],
    ids=str,
)  # fmt: skip
def test_a_missing_scope_is_known(status: int, body: object, scopes: tuple[str, ...]) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.scopes, meaning.renewing_helps) == ("scope_missing", scopes, False)


def test_a_missing_scope_may_stand_without_quotes_in_a_challenge() -> None:
    meaning = meaning_of(403, {}, WWW_Authenticate='Bearer error="insufficient_scope", scope=read:user, realm="x"')
    assert (meaning.code, meaning.scopes) == ("scope_missing", ("read:user",))


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (403, {"Errors": [{"Name": "RateLimitError", "Message": "x"}]}, {}, None),  # MYOB
        (403, {"error": {"code": 26, "message": "User usage reached"}}, {}, None),  # Netatmo
        (403, {"statusCode": 403, "message": "Out of call volume quota."}, {}, None),  # Azure
        (403, {"error": "User requests out of rate limit!", "error_code": 10023}, {}, None),  # Weibo
        (200, {"errcode": 45009, "errmsg": "api freq out of limit"}, {}, None),  # WeCom
        (403, {"error": {"errors": [{"reason": "sharingRateLimitExceeded"}]}}, {}, None),  # Google Drive
        (500, {"fault": {"faultstring": "x", "detail": {"errorcode": "policies.ratelimit.QuotaViolation"}}}, {}, None),
        (403, {"fault": {"faultstring": "x", "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"}}}, {},
         None),
        (403, "<h1>Developer Over Qps</h1>", {"X_Mashery_Error_Code": "ERR_403_DEVELOPER_OVER_QPS"}, None),
        (200, {"data": {"v": None}, "errors": [{"type": "RATE_LIMITED", "message": "x"}]}, {}, None),  # GitHub
        (429, {}, {"Retry_After": "30 seconds"}, 30),
        (429, {}, {"Retry_After": "30, 30"}, 30),
        (429, {}, {"Retry_After": "PT30S"}, 30),
        (429, {}, {"X_RateLimit_Reset": "6m0s", "X_RateLimit_Remaining": "0"}, 360),
        (429, {}, {"X_RateLimit_Reset": "60,3600", "X_RateLimit_Remaining": "0,10"}, 60),
        (429, {"error": {"details": [{}, {"retryDelay": "34.07s"}]}}, {}, 34.07),  # Google
        (429, {"reset_in": 60}, {}, 60),
        (429, {"error": {"message": "Rate limit reached. Please try again in 1m30s."}}, {}, 90),  # OpenAI
        (429, {}, {"Retry_After": "500ms"}, 0.5),
    ],
    ids=str,
)  # fmt: skip
def test_a_limit_is_known(status: int, body: object, headers: dict[str, str], wait: float | None) -> None:
    meaning = meaning_of(status, body, **headers)
    assert (meaning.code, meaning.wait) == ("wait", wait)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            402,
            {"errors": [{"id": "two_factor_required", "message": "x"}]},
        ),  # Coinbase
        (403, {"Code": "403 Forbidden", "Errors": [{"ErrorCode": "UK.OBIE.Reauthenticate"}]}),  # Open Banking
        (401, {"tppMessages": [{"category": "ERROR", "code": "CONSENT_EXPIRED"}]}),  # Berlin Group
    ],
    ids=str,
)
def test_what_the_person_must_do_is_no_dead_token_and_no_plan(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps) == ("person_must_act", False)


def test_a_suspended_project_is_the_administrators() -> None:
    body = {"error": {"status": "PERMISSION_DENIED", "details": [{"reason": "CONSUMER_SUSPENDED"}]}}  # Google
    assert meaning_of(403, body).code == "registration_wrong"


@pytest.mark.parametrize("code", ["internal_error", "fatal_error", "service_unavailable"])
def test_a_failure_in_a_good_answer_passes(code: str) -> None:
    meaning = meaning_of(200, {"ok": False, "error": code})  # Slack
    assert (meaning.code, meaning.is_passing) == ("temporary", True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"message": "x", "detail": "token is missing in line 3"}),
        (500, {"error": "Internal Server Error"}),
        (200, {"data": {"a": {"b": 1}, "c": None}, "errors": UNAUTHENTICATED}),  # a part of it was read
        (403, {"message": "You may not read the scopes of this token"}),
        (403, {"message": "Login page is not published"}),
        (404, {"message": "Access token not found"}),
        (400, {"message": "access token not found in request"}),
        (402, {"message": "two_factor_required"}),
        (403, {"message": "You are out of your storage quota"}),
        (403, {"message": "Storage usage limit reached"}),
        (400, {"message": "The variable does not have a valid scope"}),
    ],
    ids=str,
)
def test_nothing_else_is_made_of_answers(status: int, body: object) -> None:
    assert meaning_of(status, body).code in {None, "plan_ended"}


LOGINS = [
    "https://app.vssps.visualstudio.com/_signin?realm=dev.azure.com",
    "/login?return_to=%2Fapi",
    "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=c",
    "/Account/Login.aspx",
]


@pytest.mark.parametrize("address", LOGINS)
@pytest.mark.usefixtures("rotation", "connection")
def test_a_redirect_to_a_sign_in_page_is_renewed_once(address: str, server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(unless_renewed(redirect=address))
    response = send(amira)
    assert (response.status_code, calls.reason_of(response)) == (200, "")
    assert [call.path for call in server.calls] == [API, "/token", API]


@pytest.mark.usefixtures("rotation", "connection")
def test_a_call_that_may_have_acted_is_not_sent_again(server: HostileServer, amira: User) -> None:
    body = {"status": {"code": 14, "message": "Authentication token has expired."}}
    server.on(f"POST {API}").always(unless_renewed(status=500, json=body))
    assert send(amira, "POST", json={"a": 1}).status_code == 500
    assert [call.path for call in server.calls] == [API, "/token"]


@pytest.mark.parametrize("address", ["https://cdn.example/login-logs/1.zip", "/contacts/?next=/login", "/authorized"])
@pytest.mark.usefixtures("rotation", "connection")
def test_any_other_redirect_renews_nothing(address: str, server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(redirect=address)
    assert send(amira).status_code == 302
    assert [call.path for call in server.calls] == [API]
