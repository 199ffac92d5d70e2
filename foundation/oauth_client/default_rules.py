"""What providers commonly answer beside RFC 6749: where codes and texts stand, and rules that hold for any provider.

Data in the format of a provider profile. A profile's own rules come first, and `"default_rules": false` turns the rules
here off. They act on a provider's own words only; nothing here ends a sign-in because a status or a word is unknown.
"""

from collections.abc import Iterable, Mapping

from foundation.oauth_client import error_codes, json_pointers
from foundation.oauth_client.provider_profile.format import ProviderProfile
from foundation.oauth_client.provider_profile.parsing import parse_profile
from foundation.oauth_client.provider_profile.rule_format import texts

# JSON pointers, in the order of preference. The first place is RFC 6749's; the others count if they hold a known code.
CODE_PLACES = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/error", "/error/reason", "/errors/0/errorType",
    "/errors/0/code", "/errors/0/type", "/errors/0/reason", "/errors/0/extensions/code", "/error_code", "/errorCode",
    "/errcode", "/code", "/status", "/type", "/reason", "/category", "/name", "/error_type", "/0/errorCode",
    "/errors/0/error", "/errors/0/title", "/errors/0", "/0/error", "/0/code", "/err", "/error_name", "/sub_code",
    "/data/error", "/data/error_code", "/result/error", "/fault/detail/errorcode", "/ErrorCode", "/Error", "/Code",
    "/oauth_error", "/error/name",
)  # fmt: skip
TEXT_PLACES = (
    "/error_description", "/message", "/error/message", "/error/error_description", "/errors/0/message",
    "/errors/0/detail", "/errors/0/error_description", "/errmsg", "/error_message", "/errorMessage", "/error_msg",
    "/detail", "/description", "/error/detail", "/msg", "/title", "/Error/Message", "/0/message", "/errors/0",
    "/errorDescription", "/errors/0/title", "/errors/0/details", "/fault/faultstring", "/fault/message",
    "/fault/description", "/Fault/faultstring", "/error/error_msg", "/error/description", "/Error_Description", "/err",
    "/err_msg", "/data/description", "/data/message", "/data/error_description", "/0/error_description",
    "/error_summary", "/Message", "/Error", "/reason", "/error",
)  # fmt: skip

NUMBER_PLACES = (
    "/error_codes/0", "/error_code", "/errorCode", "/error_subcode", "/error/error_subcode", "/error/code", "/errcode",
    "/code", "/errors/0/code",
)  # fmt: skip

# Only these words may stand between "refresh token" and "invalid": the client, the grant type or the scope may be
# what is invalid otherwise. A parameter that was not found is no token that was not found.
_DEAD_GRANTS = (
    r"\b(invalid|expired|revoked|unknown|inactive|bad)[ _]+refresh[ _]?token\b"
    r"(?! (request|grant|client|scope|type|flow|parameter|format|endpoint))",
    r"(?<!parameter )(?<!parameter .)\brefresh[ _]?token\b['\"’”`]?"
    r"( (you|specified|provided|supplied|given|is|was|has|have|been|already|either))* "
    r"(invalid|expired|revoked|inactive|unknown|not (found|valid)|no longer valid)\b(?! in the request)",
    r"\brefresh[ _]?token\b['\"’”`]?( (is|was|has|have))? ((already|been) (been )?(re)?used|does(n.t| not) exist)\b",
    r"\b(no such|could( not|n.t) find( the| this| a)?) refresh[ _]?token\b",
    r"^(the |this |your )?token (has been|was|is) (expired or revoked|revoked)\b",
)
TOO_MANY = r"\b(too many (requests|attempts|calls|refresh)|rate.?limit|throttl|quota (is )?exceeded|made too many)"
# Errors of a form by field, as Django, Rails and Laravel have them: {"refresh_token": ["is invalid or expired"]}.
_FIELD_OF_THE_TOKEN = ("/errors/refresh_token", "/errors/refresh_token/0", "/refresh_token/0")
_DEAD = r"\b(invalid|expired|revoked|not valid|not found|does(n.t| not) exist)\b"
_TOO_EARLY = r"\b(access[ _]?token|token) (has |is )?(not|n't) (yet )?expired\b"

# Where the parameters of a callback hold a code and a text.
CALLBACK_CODES = (
    "/error", "/error_code", "/errorCode", "/error_type", "/errcode", "/error_reason", "/error_subcode", "/err",
    "/errorcode", "/oauth_error", "/oauth_problem", "/error_subtype", "/reason",
)  # fmt: skip
CALLBACK_TEXTS = (
    "/error_description", "/error_message", "/errorMessage", "/error_msg", "/errmsg", "/errorDescription", "/message",
    "/error_reason", "/error_subcode", "/error_code", "/error",
)  # fmt: skip
# Parameters that say how the page ended, if there is neither a code nor an error.
CALLBACK_OUTCOMES = ("/status", "/result", "/action", "/outcome", "/auth_status")
_ADMIN_CODES = r"admin.?(consent|approval)|approval.?required|not.?approved"
_ADMIN_TEXTS = (
    r"(?<!or )\badmin(istrator)?s?\b.{0,40}\b(consent|approv|permission|authori[sz])",
    r"\b(consent|approval|approve|permission|authori[sz]\w*)\b.{0,40}\badmin(istrator)?\b",
    r"\bAADSTS(90094|90095|900941)\b",
)
_WRONG_PARTS = r"(client|app|redirect|scope|response|code.?challenge|callback)"
_SET_UP_CODES = (
    rf"^(invalid|bad|unknown|unsupported|unauthorized|unapproved|missing|mismatch\w*)[ _.-]?{_WRONG_PARTS}",
    rf"^(wrong|disabled|deleted|suspended|inactive)[ _.-]?{_WRONG_PARTS}",
    r"(client|app|application).?(id.?)?(not.?(found|registered|verified|published)|disabled|suspended|deleted)",
    r"(client|app|application).?(id.?)?(unknown|invalid|inactive)|OAUTH_EC_APP",
    r"redirect.?ur[il]|scope.?(not.?(allowed|found|authorized)|mismatch|error)",
)
_POLICY_CODES = (
    r"polic(y|ies)|org.?internal|blocked|not.?(allowed|assigned|permitted|entitled)|restricted|forbidden",
    r"(user|account).?(disabled|suspended|locked|unauthorized|not.?authorized)|unauthorized.?user|app.?access.?denied",
)
_POLICY_TEXTS = (
    r"\bpolic(y|ies)\b|conditional access|\b(blocked|restricted|forbidden)\b|not assigned\b",
    r"\bnot (allowed|permitted|entitled|authori[sz]ed)\b.{0,20}\b(to|for|in|by)\b",
    r"\boutside (of )?(your|the|this) organi[sz]ation|only (available|allowed) (to|for|within|in)\b",
    r"\baccount\b.{0,20}\b(disabled|suspended|locked)\b|\bAADSTS(50020|50034|50105|53\d\d\d|90072)\b",
)
_PAGE_OVER_CODES = (
    r"^login.?required$|(session|login|authentication|interaction|flow|request).?(expired|time.?out|timed.?out)",
    r"expired.?(session|login|flow|request)",
)
_PAGE_OVER_TEXTS = (
    r"\b(session|login|log.?in|sign.?in|authentication|flow|page)\b.{0,30}\b(expired|timed.?out|timeout)\b",
    r"(authentication|login|session)_expired|took too long|\bAADSTS(50089|50196)\b",
)
_DECLINED_CODES = (
    r"(user|consent|owner|permissions?|authori[sz]ation|request|login).?(den(y|ied)|declin|cancel|reject|refus|abort)",
    r"(consent|permissions?).?not.?granted|cancel(l?ed)?.?on.?login",
    r"(denied|declined|cancell?ed|rejected|refused|aborted|closed).?by.?(the.?)?(user|owner|person)",
    r"^(den(y|ied)|declined?|cancell?ed|cancel|rejected?|refused?|abort(ed)?)$|(popup|window).?closed",
)
_DECLINED_TEXTS = (
    r"\b(user|person|customer|member|owner)\b.{0,30}\b(cancel|den(y|ied)|declin|reject|refus|abort|closed)",
    r"\b(user|person|customer|member|owner) did(n.t| not) (allow|consent|approve|grant|authori[sz]e)",
    r"\b(cancell?ed|denied|declined|rejected|refused|aborted) by (the )?(user|person|customer|member|resource owner)",
    r"\bAADSTS65004\b",
)
_OUTCOME_DECLINED = r"^(the )?(user )?(den(y|ied)|declined?|cancel(l?ed)?|rejected?|refused?|abort(ed)?)[.!]?$"
_CHECKPOINT_CODES = r"checkpoint|(mfa|verification).?required|not.?verified"
_SECOND_STEP_CODES = r"mfa|multi.?factor|two.?factor|second.?factor|2fa|otp.?required|^interaction_required$"
_SECOND_STEP_TEXTS = (
    r"\b(multi|two|2|second)[ -]?(factor|step)|\bMFA\b|\bone[ -]?time (password|code|passcode)",
    r"\bAADSTS(50072|50074|50076|50079|50158)\b",
)
_WRONG_PASSWORD = r"\b(invalid|incorrect|wrong|bad)\b.{0,30}\b(user\w*|password|credentials?|login)\b"  # noqa: S105
_ACCOUNT_STOPPED = (
    r"\b(account|user)\b.{0,40}\b(locked|disabled|suspended|deactivated|blocked)\b",
    r"\bpassword\b.{0,30}\b(expired|must be (changed|reset))\b|\bAADSTS(50053|50055|50057)\b",
)

RULES = parse_profile(
    {
        "rules": [
            *(
                {"request": "callback", "when": [{"at": places, "matches": pattern}], "means": meaning}
                for places, patterns, meaning in (
                    (CALLBACK_CODES, (_ADMIN_CODES,), "administrator_must_consent"),
                    (CALLBACK_TEXTS, _ADMIN_TEXTS, "administrator_must_consent"),
                    ("/error", [f"^{code}$" for code in sorted(error_codes.MISCONFIGURED)], "registration_wrong"),
                    (CALLBACK_CODES, _SET_UP_CODES, "registration_wrong"),
                    (CALLBACK_CODES, _POLICY_CODES, "refused_by_policy"),
                    (CALLBACK_CODES, _DECLINED_CODES, "declined"),
                    (CALLBACK_TEXTS, _DECLINED_TEXTS, "declined"),
                    (CALLBACK_TEXTS, _POLICY_TEXTS, "refused_by_policy"),
                    (CALLBACK_CODES, _PAGE_OVER_CODES, "sign_in_page_over"),
                    (CALLBACK_TEXTS, _PAGE_OVER_TEXTS, "sign_in_page_over"),
                    (CALLBACK_CODES, (_CHECKPOINT_CODES,), "person_must_act"),
                )
                for pattern in patterns
            ),
            {
                # Without any error: denied=…, cancelled=1.
                "request": "callback",
                "when": [
                    {"at": "/code", "absent": True},
                    {"at": ("/denied", "/cancelled", "/canceled", "/cancel", "/user_denied")},
                ],
                "means": "declined",
            },
            {
                "request": "callback",
                "when": [
                    {"at": ("/code", "/error"), "absent": True},
                    {"at": (*CALLBACK_OUTCOMES, "/message"), "matches": _OUTCOME_DECLINED},
                ],
                "means": "declined",
            },
            {
                "request": "refresh",
                "when": [{"at": TEXT_PLACES, "matches": _TOO_EARLY}],
                "status": (400, 401, 403, 409),
                "means": "keep_token",
            },
            {
                "when": [{"at": TEXT_PLACES, "matches": TOO_MANY}],
                "status": (200, 400, 401, 403),
                "means": "wait",
            },
            {
                "request": "password",
                "when": [{"at": (*CODE_PLACES, "/suberror"), "matches": _SECOND_STEP_CODES}],
                "means": "second_step",
            },
            *(
                {
                    "request": "password",
                    "status": (400, 401, 403),
                    "when": [
                        {"at": TEXT_PLACES, "matches": pattern},
                        {"at": TEXT_PLACES, "matches": _WRONG_PASSWORD, "absent": True},
                    ],
                    "means": meaning,
                }
                for patterns, meaning in ((_SECOND_STEP_TEXTS, "second_step"), (_ACCOUNT_STOPPED, "person_must_act"))
                for pattern in patterns
            ),
            {
                # A 401 is a refusal, although ServiceNow gives it the code server_error; also of a wrong client secret.
                "request": "refresh",
                "status": 401,
                "when": [{"at": "/error_description", "equals": "access_denied"}],
                "means": "sign_in_over",
                "ambiguous": True,
            },
            {
                "request": "password",
                "status": 401,
                "when": [{"at": "/error_description", "equals": "access_denied"}],
                "means": "wrong_password",
            },
            *(
                {
                    "request": "refresh",
                    "status": (200, 400, 401, 403, 409, 419, 422, 440, 498),
                    "when": [{"at": places, "matches": pattern}],
                    "means": "sign_in_over",
                    "ambiguous": True,
                }
                for places, patterns in ((TEXT_PLACES, _DEAD_GRANTS), (_FIELD_OF_THE_TOKEN, (_DEAD,)))
                for pattern in patterns
            ),
        ]
    }
)


def code_places(profile: ProviderProfile) -> Iterable[str]:
    return (*texts(profile.error.code), *CODE_PLACES)


def text_places(profile: ProviderProfile) -> Iterable[str]:
    return (*texts(profile.error.text), *TEXT_PLACES)


def text_in(document: object, profile: ProviderProfile, headers: Mapping[str, str]) -> str:
    """The provider's own sentence in an error; "" if there is none. Not masked: never to be shown or logged."""
    for pointer in text_places(profile):
        value = json_pointers.resolve(document, pointer)
        if isinstance(value, str) and value.strip():
            return value
    return headers.get(profile.error.text_header, "") if profile.error.text_header else ""
