"""What any API's answer says of the token that it was called with. Data, as in `default_rules`."""

from foundation.oauth_client import default_good_answer_rules, default_translated_words
from foundation.oauth_client.default_call_words import (
    ANOTHER_KEY,
    ANOTHER_KEY_CODE,
    APPLICATION_REFUSED,
    CODES_OF_DEAD_ACCESS,
    FOR_SOMEBODY_ELSE,
    LIMIT_CODES,
    LIMIT_TEXTS,
    NAMED_SCOPES,
    NO_SCOPE_CODE,
    NO_SCOPE_CODE_OF_BAD_REQUEST,
    NO_SCOPE_TEXTS,
    NOT_KNOWN_WHO,
    NOT_KNOWN_WHO_TEXT,
    OF_ITS_AGE,
    PERSON_MUST_ACT_CODES,
    PERSON_MUST_ACT_TEXT,
    TEXTS_OF_DEAD_ACCESS,
)
from foundation.oauth_client.error_documents import CODE_PLACES, TEXT_PLACES
from foundation.oauth_client.provider_profile.parsing import convert_profile
from foundation.oauth_client.provider_profile.rule_format import Place

# Members of the objects in an answer (`error_documents.views_of`), at APIs.
CALL_CODE_PLACES = (*CODE_PLACES, "/response_code", "/faultcode", "/exception_code")
CALL_TEXT_PLACES = (*TEXT_PLACES, "/text", "/diagnostics", "/response_message")
SCOPE_PLACES = (
    "/scope", "/needed", "/required_scopes", "/required_scope", "/required", "/required_granular_scopes",
)  # fmt: skip
_CHALLENGE = "WWW-Authenticate"
_DEAD_BY_CHALLENGE = r"\berror=[\"']?((invalid|expired|revoked)_token|token_(expired|revoked|invalid))\b"
# Whom a challenge is for: a client that proves its key (RFC 9449 §7.1), or one with another key than the token. One
# that offers Bearer as well takes another token.
_OTHER_SCHEMES = (
    r"^(?!.*\bbearer\b)"
    r"(.*(\bdpop\b|\berror=\"?(use_dpop_nonce|invalid_dpop_proof)\b)|(AzureApiManagementKey|Key)\b)"
)
# Statuses of an access token that is over, as some APIs have them instead of 401, if their words say so.
_REFUSING = (400, 401, 403, 406, 409, 410, 419, 422, 440, 498)

_SIGN_IN_PAGE = (
    r"^[^?#]*[/_](sign-?_?in|log-?_?in|service-?login|sessions?/new|oauth/authorize|oauth2/(v2\.0/)?authorize|saml2?/(sso|login))"
    r"(\.\w{2,5})?/?([?#].*)?$"
)

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
            *(
                {
                    # Before 402, which is said of a second step for one call, too (Coinbase).
                    "request": "call",
                    "status": (400, 401, 402, 403),
                    "when": [{"at": CALL_CODE_PLACES, "matches": pattern}],
                    "means": "person_must_act",
                    "renewing_helps": False,
                }
                for pattern in PERSON_MUST_ACT_CODES
            ),
            *(
                {
                    "request": "call",
                    "status": (401, 403),
                    "when": [condition],
                    "means": "person_must_act",
                    "renewing_helps": False,
                }
                for condition in (
                    {"header": "X-GitHub-SSO", "matches": r"^required\b"},
                    {"at": CALL_TEXT_PLACES, "matches": PERSON_MUST_ACT_TEXT},
                )
            ),
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
            *(
                {
                    "request": "call",
                    "status": 401,  # elsewhere these words may be about an argument of the call
                    "when": [
                        condition,
                        {"header": _CHALLENGE, "matches": OF_ITS_AGE, "absent": True},
                        {"at": (*CALL_CODE_PLACES, *CALL_TEXT_PLACES), "matches": OF_ITS_AGE, "absent": True},
                    ],
                    "means": "registration_wrong",
                    "renewing_helps": False,
                }
                for condition in (
                    {"header": _CHALLENGE, "matches": _OTHER_SCHEMES},
                    {"header": _CHALLENGE, "matches": FOR_SOMEBODY_ELSE},
                    {"at": CALL_TEXT_PLACES, "matches": FOR_SOMEBODY_ELSE},
                    {"at": CALL_TEXT_PLACES, "matches": ANOTHER_KEY},
                    {"at": CALL_CODE_PLACES, "matches": ANOTHER_KEY_CODE},
                )
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
            *default_translated_words.CALL_RULES,
            {
                # Vercel has a boolean beside the code that it uses for missing rights, too.
                "request": "call",
                "status": (400, 403),
                "when": [{"at": "/invalid_token", "equals": True}],
                "means": "token_over",
            },
            {
                "request": "call",
                "status": (400, 403),
                "when": [{"at": (*CALL_CODE_PLACES, "/detail"), "matches": NOT_KNOWN_WHO}],
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
                "when": [{"at": "/severity"}, {"at": "/code", "matches": r"^(login|expired)$"}],  # FHIR
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
            *default_good_answer_rules.RULES,
        ]
    }
)
