"""What any API's answer says of the token that it was called with. Data, as in `default_rules`."""

from typing import Any

from foundation.oauth_client.default_call_words import (
    APPLICATION_REFUSED,
    CODES_OF_DEAD_ACCESS,
    LIMIT_CODES,
    LIMIT_TEXTS,
    NAMED_SCOPES,
    NO_SCOPE_CODE,
    NO_SCOPE_CODE_OF_BAD_REQUEST,
    NO_SCOPE_TEXTS,
    NOT_KNOWN_WHO,
    NOT_KNOWN_WHO_TEXT,
    PERSON_MUST_ACT_CODE,
    REFUSED_CODE,
    TEXTS_OF_DEAD_ACCESS,
)
from foundation.oauth_client.default_rules import CODE_PLACES, TEXT_PLACES
from foundation.oauth_client.provider_profile.parsing import convert_profile
from foundation.oauth_client.provider_profile.rule_format import Place

# At APIs: where codes and texts stand there, beside the places of token endpoints, and how they are spelled.
CALL_CODE_PLACES = (
    *CODE_PLACES, "/error/.tag", "/error/errors/0/reason", "/error/details/0/reason", "/error/details/0/errorCode",
    "/__type", "/errors/0/category", "/Errors/0/Name", "/Errors/0/ErrorCode", "/Errors/0/Code", "/tppMessages/0/code",
)  # fmt: skip
CALL_TEXT_PLACES = (
    *TEXT_PLACES, "/err", "/errors", "/Detail", "/fault/error/0/detail", "/fault/error/0/message", "/Errors/0/Message",
    "/status/message", "/issue/0/details/text", "/issue/0/diagnostics", "/tppMessages/0/text",
)  # fmt: skip
SCOPE_PLACES = (
    "/scope", "/needed", "/required_scopes", "/required_scope", "/error/required_scope", "/error/required_scopes",
    "/error/detail/required", "/errors/0/context/requiredGranularScopes", "/errors/0/context/requiredScopes",
)  # fmt: skip
_CHALLENGE = "WWW-Authenticate"
# Errors that only the body of a good answer tells. Beside "data" or "id" they may be about something else.
_CODES_IN_GOOD_ANSWERS = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/reason", "/error/error", "/error/errors/0/reason",
    "/errors/0/extensions/code", "/errors/0/extensions/type", "/errors/0/code", "/errors/0/type", "/errors/0/error",
    "/errors/0/reason", "/errors/0/errorType", "/errors/0", "/error_code", "/errors/0/extensions/classification",
)  # fmt: skip
# Sentences there. They count beside a code alone, because a body may quote anything.
_TEXTS_IN_GOOD_ANSWERS = (
    "/error/message", "/error/error_msg", "/error_description", "/error_message", "/errmsg", "/msg", "/message",
    "/errors/0/message",
)  # fmt: skip
_CODE_NUMBERS = ("/code", "/errcode", "/error_code", "/error/error_code", "/error/code", "/errors/0/code")
_NOTHING_ELSE: tuple[dict[str, Any], ...] = (
    {"at": "/data", "absent": True},
    {"at": "/id", "absent": True},
    {"at": ("/ok", "/success"), "equals": True, "absent": True},
)
_OF_GOOD_ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (NO_SCOPE_CODE, {"means": "scope_missing", "renewing_helps": False}),
    *((pattern, {"means": "wait"}) for pattern in LIMIT_CODES),
    *((pattern, {"means": "token_over"}) for pattern in CODES_OF_DEAD_ACCESS),
)
_PASSES = r"^(internal_error|fatal_error|service_unavailable|request_timeout|team_added_to_org)$"
# As Slack has it: {"ok": false, "error": "token_revoked"}.
_NOT_OK: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [{"at": "/ok", "equals": False}, {"at": "/error", "matches": code}]}
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (_PASSES, {"means": "temporary"}))
]
_LIKE_A_401: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [*_NOTHING_ELSE, {"at": _CODES_IN_GOOD_ANSWERS, "matches": code}]}
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (REFUSED_CODE, {"means": "token_over"}))
]
_IN_WORDS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE,
            {"at": _CODE_NUMBERS, "matches": r"^-?[1-9]\d*$|^[A-Za-z]"},
            {"at": _TEXTS_IN_GOOD_ANSWERS, "matches": pattern},
        ],
    }
    | meaning
    for patterns, meaning in ((LIMIT_TEXTS, {"means": "wait"}), (TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
    for pattern in patterns
]
_NOT_A_SUCCESS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE[:2],
            {"at": ("/success", "/ok"), "equals": False},
            {"at": (*_TEXTS_IN_GOOD_ANSWERS, "/error", "/errors/0"), "matches": pattern},
        ],
    }
    | meaning
    for patterns, meaning in ((LIMIT_TEXTS, {"means": "wait"}), (TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
    for pattern in patterns
]
# A status that stands in the body alone.
_STATUSES_IN_BODIES = (
    "/status", "/statusCode", "/status_code", "/errors/0/status", "/errors/0/extensions/status",
    "/errors/0/extensions/statusCode", "/errors/0/extensions/http/status",
)  # fmt: skip
_STATUS_IN_BODY: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, {"at": _STATUSES_IN_BODIES, "equals": (number, str(number))}],
        "means": meaning,
    }
    for number, meaning in ((401, "token_over"), (429, "wait"))
]
_RIGHTS = r"^(forbidden|(access|permission)_?denied|un_?authori[sz]ed)$"
_A_RIGHT = {"at": "/errors/0/extensions/code", "matches": _RIGHTS}
_NO_SCOPE_IN_WORDS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, _A_RIGHT, {"at": "/errors/0/message", "matches": pattern}],
        "means": "scope_missing",
        "renewing_helps": False,
    }
    for pattern in NO_SCOPE_TEXTS
]
# These say no more than a 401 without a reason: worth a renewal, but not the provider's word about this token.
LIKE_A_401 = convert_profile({"rules": [*_LIKE_A_401, *_IN_WORDS, *_NOT_A_SUCCESS, *_STATUS_IN_BODY]}).rules
_DEAD_BY_CHALLENGE = r"\berror=[\"']?((invalid|expired|revoked)_token|token_(expired|revoked|invalid))\b"
# Statuses of an access token that is over, as some APIs have them instead of 401, if their words say so.
_REFUSING = (400, 401, 403, 406, 409, 410, 419, 422, 440, 498)

_SIGN_IN_PAGE = r"^[^?#]*[/_](sign-?_?in|log-?_?in|oauth2/(v2\.0/)?authorize)(\.\w{2,5})?/?([?#].*)?$"

# Where the missing scopes are named, whichever rule has found that some are missing.
MISSING_SCOPES = (
    Place(header=_CHALLENGE, pattern=r"\bscope=[\"']?((?<=[\"'])[^\"']*|[^\s,\"']+)"),
    Place(at=SCOPE_PLACES),
    Place(at=CALL_TEXT_PLACES, pattern=NAMED_SCOPES),
)
# In the order of preference: an answer may say that a scope is missing, and call the token invalid in the same breath.
CALL_RULES = convert_profile(
    {
        "rules": [
            {
                "request": "call",
                "status": (401, 403),
                "when": [{"header": _CHALLENGE, "matches": r"\berror=\"?insufficient_claims\b"}],
                "means": "person_must_act",
                "claims": {"header": _CHALLENGE, "pattern": r"\bclaims=\"([^\"]*)\""},
            },
            {
                # The person has to sign in once more, or in a stronger way (RFC 9470 §3).
                "request": "call",
                "status": 401,
                "when": [{"header": _CHALLENGE, "matches": r"\berror=\"?insufficient_user_authentication\b"}],
                "means": "person_must_act",
                "claims": {"header": _CHALLENGE, "pattern": r"(\b(?:acr_values|max_age)=.*)"},
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"header": _CHALLENGE, "matches": r"\berror=[\"']?insufficient_scopes?\b"}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": (401, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": NO_SCOPE_CODE}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": 400,
                "when": [{"at": CALL_CODE_PLACES, "matches": NO_SCOPE_CODE_OF_BAD_REQUEST}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            *(
                {
                    "request": "call",
                    "status": (400, 401, 403),
                    "when": [{"at": CALL_TEXT_PLACES, "matches": pattern}],
                    "means": "scope_missing",
                    "renewing_helps": False,
                }
                for pattern in NO_SCOPE_TEXTS
            ),
            {
                # Before 402, which is said of a second step for one call, too (Coinbase).
                "request": "call",
                "status": (400, 401, 402, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": PERSON_MUST_ACT_CODE}],
                "means": "person_must_act",
                "renewing_helps": False,
            },
            {"request": "call", "status": (420, 429, 430), "means": "wait"},
            {
                "request": "call",
                "status": 403,
                "when": [{"header": "X-Mashery-Error-Code", "matches": r"_OVER_(QPS|RATE)"}],
                "means": "wait",
            },
            *(
                {
                    "request": "call",
                    "status": (400, 403, 500),  # 500: Apigee
                    "when": [{"at": places, "matches": pattern}],
                    "means": "wait",
                }
                for places, patterns in ((CALL_CODE_PLACES, LIMIT_CODES), (CALL_TEXT_PLACES, LIMIT_TEXTS))
                for pattern in patterns
            ),
            {
                "request": "call",
                "status": _REFUSING,
                "when": [{"header": _CHALLENGE, "matches": _DEAD_BY_CHALLENGE}],
                "means": "token_over",
            },
            *(
                {
                    "request": "call",
                    "status": status,
                    "when": [{"at": places, "matches": pattern}],
                    "means": "token_over",
                    "repeatable": status != 500,  # Ecobee; but another server may have acted before it failed
                }
                for status in (_REFUSING, 500)
                for places, patterns in (
                    (CALL_CODE_PLACES, CODES_OF_DEAD_ACCESS),
                    (CALL_TEXT_PLACES, TEXTS_OF_DEAD_ACCESS),
                )
                for pattern in patterns
            ),
            {
                # Vercel has a boolean beside the code that it uses for missing rights, too.
                "request": "call",
                "status": (400, 403),
                "when": [{"at": ("/error/invalidToken", "/invalidToken"), "equals": True}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": NOT_KNOWN_WHO}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": CALL_TEXT_PLACES, "matches": NOT_KNOWN_WHO_TEXT}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": "/issue/0/code", "matches": r"^(login|expired)$"}],  # FHIR
                "means": "token_over",
            },
            {
                # The provider does not know our application, or not for this API.
                "request": "call",
                "status": 403,
                "when": [{"at": (*CALL_CODE_PLACES, *CALL_TEXT_PLACES), "matches": APPLICATION_REFUSED}],
                "means": "registration_wrong",
            },
            {"request": "call", "status": 402, "means": "plan_ended"},  # Payment Required
            {
                # The sign-in page in place of an answer (Azure DevOps).
                "request": "call",
                "status": 203,
                "when": [{"header": "Content-Type", "matches": r"^text/html\b"}],
                "means": "token_over",
            },
            {
                # Or the way there (Azure DevOps, SharePoint).
                "request": "call",
                "status": (302, 303, 307),
                "when": [{"header": "Location", "matches": _SIGN_IN_PAGE}],
                "means": "token_over",
                "repeatable": False,
            },
            {"request": "call", "status": (401, 440, 498), "means": "token_over"},
            *_NOT_OK,
            *_NO_SCOPE_IN_WORDS,
            *_LIKE_A_401,
            *_IN_WORDS,
            *_NOT_A_SUCCESS,
            *_STATUS_IN_BODY,
        ]
    }
)
