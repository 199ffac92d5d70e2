"""What any API's answer says of the token that it was called with. Data, as in `default_rules`."""

from typing import Any

from foundation.oauth_client.default_rules import CODE_PLACES, TEXT_PLACES, TOO_MANY
from foundation.oauth_client.provider_profile.format import Place
from foundation.oauth_client.provider_profile.parsing import parse_profile

# At APIs: where codes and texts stand there, beside the places of token endpoints, and how they are spelled.
CALL_CODE_PLACES = (
    *CODE_PLACES, "/error/.tag", "/error/errors/0/reason", "/error/details/0/reason", "/error/details/0/errorCode",
)  # fmt: skip
CALL_TEXT_PLACES = (*TEXT_PLACES, "/err", "/errors", "/Detail", "/error_summary", "/fault/error/0/detail")
SCOPE_PLACES = (
    "/scope", "/needed", "/required_scopes", "/required_scope", "/error/required_scope", "/error/required_scopes",
    "/error/detail/required", "/errors/0/context/requiredGranularScopes",
)  # fmt: skip
_CHALLENGE = "WWW-Authenticate"
_NO_SCOPE_CODE = (
    r"^(insufficient|missing|invalid)_?scopes?\b|^access_token_scope_insufficient$|^oauth_scope_mismatch$"
    r"|^insufficientPermissions$"
)
_NO_SCOPE_TEXT = (
    r"\b(insufficient|missing)( \w+)? scopes?\b|\bmissing the following scopes?\b|\bscopes? (does|do) not match\b"
    r"|\bdoes not contain scopes?\b|\binvalid scope\b|\boutside the authorized scopes\b|\brequired (\w+ )?scopes\b"
    r"|\brequires the \S{1,200} scope\b|\bscope and url mismatch\b"
)
_NAMED_SCOPES = (
    r"(?:scopes? ?[:-] ?['\[]?|requires the |any of: )"
    r"([A-Za-z0-9_.:/-]+(?:,? [A-Za-z0-9_:/-]*[.:_/][A-Za-z0-9_.:/-]*)*)"
)
_CODE_OF_DEAD_ACCESS = (
    r"^(authorization_)?(invalid|expired|revoked)[_-]?((access|auth|authentication|oauth)[_-]?)?token\b"
    r"|^((access|auth|authentication|oauth)[_-]?)?token[_-]?(is[_-])?(invalid|expired|revoked)\b"
    r"|^(invalid_session_id|session_expired)$"
)
_TEXT_OF_DEAD_ACCESS = (
    r"\bbad credentials\b|^(invalid|expired|revoked) token\b"
    r"|\b(invalid|expired) (access|oauth2?|bearer)( access)? token\b"
    r"|(^|\b(the|access|oauth|bearer) )token (has |is |was |been |provided )*(expired|revoked|invalid|not valid)\b"
    r"|\baccess token does not exist\b|\bsession (has )?expired\b"
)
_LIMIT_CODE = r"^((user_?)?rate_?limit(ed|_?exceeded)?|(quota|daily_?limit)_?exceeded|too_?many_?requests)$"

# Errors that only the body of a good answer tells. Beside "data" or "id" they may be about something else.
_CODES_IN_GOOD_ANSWERS = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/reason", "/error/error", "/error/errors/0/reason",
    "/errors/0/extensions/code", "/errors/0/extensions/type", "/errors/0/code", "/errors/0/type", "/errors/0/error",
    "/errors/0/reason", "/errors/0/errorType",
)  # fmt: skip
_NOTHING_ELSE = (
    {"at": "/data", "absent": True},
    {"at": "/id", "absent": True},
    {"at": ("/ok", "/success"), "equals": True, "absent": True},
)
_REFUSED_CODE = (
    r"^(not_?authed|invalid_?auth(entication)?|un_?authenticated|un_?authori[sz]ed|(not_?)?authenticat(ed|ion)"
    r"(_(required|error|failed|expired))?|account_inactive|401)$"
)
_OF_GOOD_ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (_NO_SCOPE_CODE, {"means": "scope_missing", "renewing_helps": False}),
    (_LIMIT_CODE, {"means": "wait", "wait": {"at": ("/retry_after", "/error/retry_after")}}),
    (_CODE_OF_DEAD_ACCESS, {"means": "token_over"}),
)
# As Slack has it: {"ok": false, "error": "token_revoked"}.
_NOT_OK: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [{"at": "/ok", "equals": False}, {"at": "/error", "matches": code}]}
    | meaning
    for code, meaning in _OF_GOOD_ANSWERS
]
_LIKE_A_401: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [*_NOTHING_ELSE, {"at": _CODES_IN_GOOD_ANSWERS, "matches": code}]}
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (_REFUSED_CODE, {"means": "token_over"}))
]
# These say no more than a 401 without a reason: worth a renewal, but not the provider's word about this token.
LIKE_A_401 = parse_profile({"rules": _LIKE_A_401}).rules

# Where the missing scopes are named, whichever rule has found that some are missing.
MISSING_SCOPES = (
    Place(header=_CHALLENGE, pattern=r"\bscope=\"([^\"]*)\""),
    Place(at=SCOPE_PLACES),
    Place(at=CALL_TEXT_PLACES, pattern=_NAMED_SCOPES),
)
# In the order of preference: an answer may say that a scope is missing, and call the token invalid in the same breath.
CALL_RULES = parse_profile(
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
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"header": _CHALLENGE, "matches": r"\berror=\"?insufficient_scope\b"}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": _NO_SCOPE_CODE}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"at": CALL_TEXT_PLACES, "matches": _NO_SCOPE_TEXT}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": 429,
                "means": "wait",
                "wait": {"at": ("/retry_after", "/error/retry_after", "/parameters/retry_after")},
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": _LIMIT_CODE}],
                "means": "wait",
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": CALL_TEXT_PLACES, "matches": TOO_MANY}],
                "means": "wait",
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"header": _CHALLENGE, "matches": r"\berror=\"?(invalid|expired)_token\b"}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": _CODE_OF_DEAD_ACCESS}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 401, 403),
                "when": [{"at": CALL_TEXT_PLACES, "matches": _TEXT_OF_DEAD_ACCESS}],
                "means": "token_over",
            },
            {"request": "call", "status": 401, "means": "token_over"},
            *_NOT_OK,
            *_LIKE_A_401,
        ]
    }
)
