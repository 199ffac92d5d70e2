"""What any API's answer says of the token that it was called with. Data, as in `default_rules`."""

from typing import Any

from foundation.oauth_client.default_rules import CODE_PLACES, TEXT_PLACES
from foundation.oauth_client.provider_profile.parsing import convert_profile
from foundation.oauth_client.provider_profile.rule_format import Place

# At APIs: where codes and texts stand there, beside the places of token endpoints, and how they are spelled.
CALL_CODE_PLACES = (
    *CODE_PLACES, "/error/.tag", "/error/errors/0/reason", "/error/details/0/reason", "/error/details/0/errorCode",
    "/__type",
)  # fmt: skip
CALL_TEXT_PLACES = (*TEXT_PLACES, "/err", "/errors", "/Detail", "/fault/error/0/detail", "/fault/error/0/message")
SCOPE_PLACES = (
    "/scope", "/needed", "/required_scopes", "/required_scope", "/error/required_scope", "/error/required_scopes",
    "/error/detail/required", "/errors/0/context/requiredGranularScopes", "/errors/0/context/requiredScopes",
)  # fmt: skip
_CHALLENGE = "WWW-Authenticate"
_NO_SCOPE_CODE = (
    r"^(insufficient|missing|invalid)_?scopes?\b|^access_token_scope_insufficient$|^oauth_scope_mismatch$"
    r"|^insufficientPermissions$|^missing_?required_?permissions$"
)
# At a 400 a scope may be an argument of the call, which is invalid for another reason.
_NO_SCOPE_CODE_OF_BAD_REQUEST = r"^(insufficient|missing)_?scopes?\b|^access_token_scope_insufficient$"
_NO_SCOPE_TEXT = (
    r"\b(insufficient|missing)( \w+)? scopes?\b|\bmissing the following scopes?\b|\bscopes? (does|do) not match\b"
    r"|\bdoes not contain scopes?\b|\binvalid scope\b|\boutside the authorized scopes\b|\brequired (\w+ )?scopes\b"
    r"|\brequires (the|\w+ approval for) \S{1,99} scope\b|\bscope and url mismatch\b"
)
_NAMED_SCOPES = (
    r"(?:scopes? ?[:-] ?['\[]?|requires the |approval for |any of: )"
    r"([A-Za-z0-9_.:/-]+(?:,? (?!scopes?\b)[A-Za-z0-9_:/-]*[.:_/][A-Za-z0-9_.:/-]*)*)"
)
# Also with a name space before them, as in oauth.v2.InvalidAccessToken (Apigee).
_CODES_OF_DEAD_ACCESS = (
    r"^([\w-]+[.#])*(authorization_)?(invalid|expired|revoked|bad)[_-]?((access|auth|authentication|oauth|user)[_-]?)?token"
    r"(_?(error|exception))?\b",
    r"^([\w-]+[.#])*((access|auth|authentication|oauth|user)[_-]?)?token[_-]?(is[_-])?"
    r"((not[_-])?valid|invalid|expired|revoked)(_?(error|exception))?\b",
    r"^(invalid_session_id|session_expired|((invalid|expired)[_-]?jwt|jwt[_-]?(is[_-])?expired)(_?(error|exception))?)$",
)
_OF_ACCESS = r"(access|oauth2?|bearer|security|incoming|auth|authentication|authorization|session|user|jwt)"
_TEXTS_OF_DEAD_ACCESS = (
    r"\bbad credentials\b|^(invalid|expired|revoked) token\b|\bjwt (is |has )?expired\b|\bexpired jwt\b"
    r"|\b(access|auth) ?token does not exist\b|\b(login )?session (has )?expired\b|\b(login|authentication) timeout\b",
    rf"\b(invalid|expired|revoked) {_OF_ACCESS}[ _-]?(access[ _-]?)?token\b",
    rf"(^|\bthe |\bgiven |\b{_OF_ACCESS}[ _-]?)token"
    r"( (has|is|was|been|provided|included|in|the|request|you|incorrect|or|already))* "
    r"(expired|revoked|invalid|incorrect|not valid)\b(?! for)",
    r"\bgiven token not valid for any token type\b|\binvalid value passed for authtoken\b|^bad_oauth_token\b",
    r"\berror validating access token\b",  # Facebook
)
# Of a limit that is used up, not of one that the call was about.
_LIMIT_TEXTS = (
    r"\btoo many (requests|attempts|calls)\b|\bmade too many\b|\bquota (is |was |has been )?exceeded\b|\bthrottled\b"
    r"|\brate.?limit\w* (is |was |has been |have been )?(exceeded|reached|hit)\b|\bexceeded \S* ?\S* ?rate.?limit"
    r"|\b(is|are|being|been|was|were) rate.?limited\b",
    r"\b(requests?|api|quota|frequency) limit( (is|was|has been))?( (exceeded|reached)|$)"
    r"|\bcomplexity budget exhausted\b|\breach(ed)? (the )?max(imum)? .{0,30}\b(quota|limit)\b"
    r"|\bquota reach(ed)? (the )?limit\b",
)
# Limits by time or of calls at once; not those of sizes, such as storage_limit_exceeded.
_A_LIMIT_OF_CALLS = (
    r"(rate|quota|hourly|daily|per_?(second|minute|hour|day)|burst|concurren(cy|t)|requests?|calls?|api|usage"
    r"|(api_?)?invocation)"
)
_NAME_SPACES, _ENDINGS = r"^([\w-]+[.#])*", r"(_?(exception|error))?$"
_LIMIT_CODES = (
    rf"{_NAME_SPACES}((user_?)?rate_?limit(ed|_?exceeded|_?reached)?|too_?many_?requests|throttl(ed|ing)"
    rf"|throttle_?(violation|exceeded)|complexity(_budget_exhausted|_?exception)){_ENDINGS}",
    rf"^(?!\w{{0,40}}(storage|size|disk|space|file|item|record|seat|member)_)(\w{{0,40}}[_-])?{_A_LIMIT_OF_CALLS}"
    r"_?((requests?|calls?)_?)?(limits?_?)?(exceeded|reached|exhausted)$",
    r"^exceeded_\w{0,40}(request|concurren\w{1,10}|rate)\w{0,40}limit\w{0,40}$",
)

_APPLICATION_REFUSED = (
    r"^(access_?not_?configured|service_disabled|api_disabled(_for_org)?|(client|app|application)_disabled"
    r"|client-not-enrolled)$|\bnot registered in the developer dashboard\b"
)

# Errors that only the body of a good answer tells. Beside "data" or "id" they may be about something else.
_CODES_IN_GOOD_ANSWERS = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/reason", "/error/error", "/error/errors/0/reason",
    "/errors/0/extensions/code", "/errors/0/extensions/type", "/errors/0/code", "/errors/0/type", "/errors/0/error",
    "/errors/0/reason", "/errors/0/errorType", "/errors/0", "/error_code",
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
_REFUSED_CODE = (
    r"^(not_?authed|invalid_?auth(entication)?|un_?authenticated|un_?authori[sz]ed|(not_?)?authenticat(ed|ion)"
    r"(_(required|error|failed|expired))?|not authenticated|account_inactive|401|440|498|499)$"
)
# A status that speaks of rights, and a code that speaks of who calls: worth a renewal, as a 401 is.
_NOT_KNOWN_WHO = (
    r"^(un_?authenticated|not_?authenticated|invalid_?authentication|authentication_?(failed|failure|error|required"
    r"|expired))$"
)
_OF_GOOD_ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (_NO_SCOPE_CODE, {"means": "scope_missing", "renewing_helps": False}),
    *((pattern, {"means": "wait"}) for pattern in _LIMIT_CODES),
    *((pattern, {"means": "token_over"}) for pattern in _CODES_OF_DEAD_ACCESS),
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
    for patterns, meaning in ((_LIMIT_TEXTS, {"means": "wait"}), (_TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
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
    for patterns, meaning in ((_LIMIT_TEXTS, {"means": "wait"}), (_TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
    for pattern in patterns
]
# A status that stands in the body alone.
_STATUS_IN_BODY: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, {"at": ("/status", "/statusCode", "/status_code"), "equals": (number, str(number))}],
        "means": meaning,
    }
    for number, meaning in ((401, "token_over"), (429, "wait"))
]
_NO_SCOPE_IN_WORDS: dict[str, Any] = {
    "request": "call",
    "status": 200,
    "when": [
        *_NOTHING_ELSE,
        {"at": "/errors/0/extensions/code", "matches": r"^(forbidden|(access|permission)_?denied|un_?authori[sz]ed)$"},
        {"at": "/errors/0/message", "matches": _NO_SCOPE_TEXT},
    ],
    "means": "scope_missing",
    "renewing_helps": False,
}
# These say no more than a 401 without a reason: worth a renewal, but not the provider's word about this token.
LIKE_A_401 = convert_profile({"rules": [*_LIKE_A_401, *_IN_WORDS, *_NOT_A_SUCCESS, *_STATUS_IN_BODY]}).rules
# Statuses of an access token that is over, as some APIs have them instead of 401, if their words say so.
_REFUSING = (400, 401, 403, 406, 409, 410, 419, 422, 440, 498)

# Where the missing scopes are named, whichever rule has found that some are missing.
MISSING_SCOPES = (
    Place(header=_CHALLENGE, pattern=r"\bscope=\"([^\"]*)\""),
    Place(at=SCOPE_PLACES),
    Place(at=CALL_TEXT_PLACES, pattern=_NAMED_SCOPES),
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
                "renewing_helps": False,
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
                "status": (401, 403),
                "when": [{"at": CALL_CODE_PLACES, "matches": _NO_SCOPE_CODE}],
                "means": "scope_missing",
                "renewing_helps": False,
            },
            {
                "request": "call",
                "status": 400,
                "when": [{"at": CALL_CODE_PLACES, "matches": _NO_SCOPE_CODE_OF_BAD_REQUEST}],
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
            {"request": "call", "status": (420, 429, 430), "means": "wait"},
            *(
                {
                    "request": "call",
                    "status": (400, 403),
                    "when": [{"at": places, "matches": pattern}],
                    "means": "wait",
                }
                for places, patterns in ((CALL_CODE_PLACES, _LIMIT_CODES), (CALL_TEXT_PLACES, _LIMIT_TEXTS))
                for pattern in patterns
            ),
            {
                "request": "call",
                "status": _REFUSING,
                "when": [{"header": _CHALLENGE, "matches": r"\berror=\"?(invalid|expired)_token\b"}],
                "means": "token_over",
            },
            *(
                {
                    "request": "call",
                    "status": _REFUSING,
                    "when": [{"at": places, "matches": pattern}],
                    "means": "token_over",
                }
                for places, patterns in (
                    (CALL_CODE_PLACES, _CODES_OF_DEAD_ACCESS),
                    (CALL_TEXT_PLACES, _TEXTS_OF_DEAD_ACCESS),
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
                "when": [{"at": CALL_CODE_PLACES, "matches": _NOT_KNOWN_WHO}],
                "means": "token_over",
            },
            {
                # The provider does not know our application, or not for this API.
                "request": "call",
                "status": 403,
                "when": [{"at": (*CALL_CODE_PLACES, *CALL_TEXT_PLACES), "matches": _APPLICATION_REFUSED}],
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
            {"request": "call", "status": (401, 440, 498), "means": "token_over"},
            *_NOT_OK,
            _NO_SCOPE_IN_WORDS,
            *_LIKE_A_401,
            *_IN_WORDS,
            *_NOT_A_SUCCESS,
            *_STATUS_IN_BODY,
        ]
    }
)
