"""What APIs say of the token in an object of their own, in another language, or with status 200."""

import pytest

from integrations.calls.meanings import AnswerMeaning
from tests.integrations.calls.test_meanings import meaning_of


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"httpCode": "403", "moreInformation": "Access token expired"}),  # IBM API Connect
        (403, {"errors": {"base": ["Token has expired"]}}),
        (400, {"meta": {"code": 400, "error_type": "OAuthAccessTokenException", "error_message": "x"}}),  # Instagram
        (400, {"meta": {"code": 400, "errorType": "invalid_auth", "errorDetail": "OAuth token invalid or revoked."}}),
        (403, {"errorCode": "USER_AUTHENTICATION_FAILED"}),  # DocuSign
        (403, {"Title": "Forbidden", "Status": 403, "Detail": "AuthenticationUnsuccessful"}),  # Xero
        (403, {"result": {"problem": {"code": "TOKEN_EXPIRED"}}}),
        (403, {"code": "auth/token-expired"}),
        (403, {"code": "ERR_INVALID_TOKEN"}),
        (403, {"error": {"code": "TOKEN_HAS_EXPIRED"}}),
        (403, {"type": "https://errors.example/invalid-token"}),  # RFC 9457
        (403, {"type": "urn:ietf:params:oauth:error:invalid_token"}),
        (400, {"code": "InvalidAuthentication", "message": "不合法的access_token"}),  # DingTalk
        (403, {"message": "アクセストークンの有効期限が切れています"}),
        (403, {"message": "Le jeton d'accès a expiré"}),
        (403, {"message": "Zugriffstoken ist abgelaufen"}),
        (403, {"message": "Token de acesso inválido"}),
        (403, {"message": "액세스 토큰이 만료되었습니다"}),
        (200, {"success": False, "errors": [{"code": "602", "message": "Access token expired"}]}),  # Marketo
        (200, {"code": "99991663", "msg": "Invalid access token for authorization."}),  # Feishu
        (200, {"errorCode": "401", "errorMessage": "Unauthorized"}),
        (200, {"responseCode": "401", "responseMessage": "Token expired"}),
        (200, {"error_code": 111, "error_msg": "Access token expired"}),  # Baidu
        (200, {"error": "error_auth", "message": "Invalid access_token."}),  # Shopee
        (200, {"code": 105002, "message": "Expired credentials", "data": None}),  # TikTok Shop
        (200, {"Success": False, "Message": "Session expired"}),
        (200, {"isError": True, "message": "Access token has expired"}),
        (200, {"status": "fail", "message": "Token expired"}),
        (200, {"Error": {"Code": "InvalidToken"}}),
    ],
    ids=str,
)
def test_a_dead_access_token_is_known(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps, meaning.repeatable) == ("token_over", True, True)


@pytest.mark.parametrize(
    "body",
    [
        {"payload": {"error": {"code": "INVALID_TOKEN", "message": "x"}}},  # U-Tec
        {"detail": {"message": "Your authentication token has expired.", "code": "token_expired"}},  # OpenAI
        {"error_response": {"code": 27, "msg": "Invalid session", "sub_code": "isv.invalid-session"}},  # Taobao
        {"response": {"status": "ERROR", "errorCode": "TOKEN_EXPIRED"}},
    ],
    ids=str,
)
def test_what_an_envelope_says_in_a_good_answer_is_worth_a_renewal_and_repeats_nothing(body: object) -> None:
    meaning = meaning_of(200, body)
    assert (meaning.code, meaning.renewing_helps, meaning.repeatable) == ("token_over", True, False)
    assert not meaning.is_certain


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"success": False, "errors": [{"code": "606", "message": "Max rate limit '100' exceeded with in '20'"}]}),
        (200, {"success": False, "errors": [{"code": "607", "message": "Daily quota reached"}]}),
        (200, {"error_response": {"code": 7, "sub_code": "accesscontrol.limited-by-api-access-count"}}),
        (200, {"code": "ApiCallLimit", "message": "The request count exceeded"}),  # Lazada
        (200, {"error_code": 18, "error_msg": "Open api qps request limit reached"}),
        (200, {"status": 601, "body": {}, "error": "Too many requests"}),  # Withings
        (400, {"code": 45, "message": "You have exceeded the maximum number of API requests for the day"}),  # Zoho
        (403, {"meta": {"code": 403, "errorType": "rate_limit_exceeded"}}),  # Foursquare
        (403, {"Fault": {"Error": [{"Message": "ThrottleExceeded", "code": "3001"}]}}),  # QuickBooks
        (403, {"type": "https://errors.example/rate-limit-exceeded"}),
        (403, {"code": "ERR_TOO_MANY_REQUESTS"}),
        (403, {"message": "请求过于频繁"}),
        (403, {"message": "リクエスト数が上限を超えました"}),
        (403, {"message": "Zu viele Anfragen"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_limit_is_known(status: int, body: object) -> None:
    assert meaning_of(status, body).code == "wait"


FEISHU = (
    "Unauthorized. Please request user re-authorization and try again. required one of these privileges: [sheets:x]"
)


@pytest.mark.parametrize(
    ("status", "body", "scopes"),
    [
        (400, {"code": 99991679, "msg": FEISHU}, ("sheets:x",)),
        (400, {"code": 99991672, "msg": "Access denied. One of the following scopes is required: [contact:y]."},
         ("contact:y",)),
        (401, {"error": {"code": "scope_not_authorized", "message": "x"}}, ()),  # TikTok
        (403, {"type": "https://errors.example/insufficient-scope"}, ()),
        (403, {"code": "ERR_INSUFFICIENT_SCOPE"}, ()),
        (403, {"message": "This endpoint requires scope 'a:read'"}, ("a:read",)),
        (403, {"error": "This token needs the following scopes: a.read"}, ("a.read",)),
        (403, {"error": {"code": "scope_permission_missed"}}, ()),
        (400, "Your app is not permitted to access this endpoint because it does not have the required scope "
              "'files.metadata.read'.", ("files.metadata.read",)),  # Dropbox
        (200, {"errors": [{"message": "Access denied for orders field. Required access: `read_orders` access scope.",
                           "extensions": {"code": "ACCESS_DENIED"}}]}, ("read_orders",)),  # Shopify
        (403, {"error": {"message": "(#200) Requires extended permission: ads_read", "code": 200}}, ("ads_read",)),
        (401, {"status": "error", "errors": [{"context": {"requiredGranularScopes": ["crm.x"]},
                                              "category": "MISSING_SCOPES"}]}, ("crm.x",)),
    ],
    ids=str,
)  # fmt: skip
def test_a_missing_scope_is_known(status: int, body: object, scopes: tuple[str, ...]) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.scopes, meaning.renewing_helps) == ("scope_missing", scopes, False)


def test_an_organization_that_wants_its_own_sign_in_is_the_persons_matter() -> None:
    """GitHub, where an organization enforces SAML."""
    words = "Resource protected by organization SAML enforcement. You must grant your OAuth token access to it."
    for meaning in (meaning_of(403, {"message": words}), meaning_of(403, {}, X_GitHub_SSO="required; url=https://x")):
        assert (meaning.code, meaning.renewing_helps) == ("person_must_act", False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"payload": {"id": 7, "error": "invalid_token"}}),  # a record of an error
        (200, {"data": {"error": "token_expired"}}),
        (200, {"rows": [{"code": "token_expired", "message": "Access token expired"}]}),
        (200, {"status": "error", "message": "The build has failed"}),
        (200, {"code": "EUR", "message": "Euro"}),
        (403, {"message": "Quota of the disk: storage quota reached"}),
        (400, {"code": "expired", "message": "The coupon is over"}),
        (403, {"message": "Forbidden", "user": {"name": "token"}}),
        (400, {"message": "参数access_token无效"}),
        (404, {"errors": {"base": ["Token has expired"]}}),
    ],
    ids=str,
)
def test_nothing_else_is_made_of_answers(status: int, body: object) -> None:
    assert meaning_of(status, body) == AnswerMeaning()
