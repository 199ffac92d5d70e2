"""What providers commonly say in a callback without a usable code (RFC 6749 §4.1.2.1). Data, as in `default_rules`.

In the order of preference. The parameters come by way of a browser, so nothing here is proof of anything.
"""

from typing import Any

from foundation.oauth_client import error_codes
from foundation.oauth_client.default_translated_words import LANGUAGES

# Where the parameters of a callback hold a code and a text.
CALLBACK_CODES = (
    "/error", "/error_code", "/error_type", "/errcode", "/error_reason", "/error_subcode", "/err", "/errorcode",
    "/err_code", "/errors", "/oauth_error", "/oauth_problem", "/error_subtype", "/reason",
)  # fmt: skip
CALLBACK_TEXTS = (
    "/error_description", "/error_message", "/error_msg", "/errmsg", "/err_msg", "/message", "/hint", "/reason",
    "/error_reason", "/error_subcode", "/error_code", "/error",
)  # fmt: skip
# Parameters that say, without any error, that the person said no: denied=…, cancelled=1.
CALLBACK_DENIALS = (
    "/denied", "/cancelled", "/canceled", "/cancel", "/user_denied", "/usercancel", "/user_cancel",
)  # fmt: skip
# Parameters that say how the page ended, if there is neither a code nor an error.
CALLBACK_OUTCOMES = (
    "/status", "/result", "/action", "/outcome", "/auth_status", "/access", "/authorization", "/decision", "/consent",
)  # fmt: skip
_ADMIN_CODES = (
    r"admin.?(consent|approval)|approval.?required|not.?approved|install(ation)?.?required"
    r"|(app|application).?not.?installed"
)
_ADMIN_TEXTS = (
    r"(?<!or )\badmin(istrator)?s?\b.{0,40}\b(consent|approv|permission|authori[sz])",
    r"\b(consent|approval|approve|permission|authori[sz]\w*)\b.{0,40}\badmin(istrator)?\b",
    r"\bAADSTS(90094|90095|900941)\b",
    r"\b(app|application) must be installed\b",  # Salesforce: by an administrator of the organization
    r"\bAADSTS(650052|650053)\b",
    r"\bpermission (of|from) (your|an?|the) (\w+ )?(owner|manager)\b",
    r"\b(only|must be|(have|need) to be)\b.{0,20}\b(admin(istrator)?s?|owners?)\b.{0,20}\b(can|may|to)\b",
    r"\b(app|application)( (is|has))? not (been )?approved (for|by|in)\b",
)
# Said of a policy as well, which then comes first.
_ASK_AN_ADMINISTRATOR = r"\b(contact|ask) (your|an|the) (\w+ )?admin(istrator)?\b"
# Of this person's account, with the code of a wrong request (Cognito, Sage).
_ACCOUNT_TEXTS = (
    r"\b(e-?mail|user ?name|account)\b.{0,20}\balready (in use|registered|exists|taken|linked)\b"
    r"|\balready found an entry for username\b|\buser is (not enabled|disabled|not confirmed)\b"
    r"|^(pre|post)(signup|authentication|confirmation)\w* failed with error\b",
)
_WRONG_PARTS = r"(client|app|redirect|scope|response|code.?challenge|callback)"
_SET_UP_CODES = (
    rf"^(invalid|bad|unknown|unsupported|unauthorized|unapproved|missing|mismatch\w*)[ _.-]?{_WRONG_PARTS}",
    rf"^(wrong|disabled|deleted|suspended|inactive)[ _.-]?{_WRONG_PARTS}",
    r"(client|app|application).?(id.?)?(not.?(found|registered|verified|published)|disabled|suspended|deleted)",
    r"(client|app|application).?(id.?)?(unknown|invalid|inactive)|OAUTH_EC_APP",
    r"redirect.?ur[il]|redirect.?mismatch|scope.?(not.?(allowed|found|authorized|permitted|supported)|mismatch|error)",
    r"non.?distributed.?app|\b(app|application|client).?(is.?)?(in|pending|under).?(review|development|approval)",
    r"(pkce|code.?challenge).?(is.?)?(required|missing)",
)
# The provider speaks of our application or of what it asks for, whatever code it says that with.
_SET_UP_TEXTS = (
    r"\bservice not (found|enabled)\b|^invalid (scopes?|redirect)\b",  # Auth0, Facebook
    r"\bredirect.?ur[il]\b.{0,30}\b(not|mismatch|invalid|doesn.t)\b|\bdomain of this URL isn.t included\b",
    r"\bredirect.?ur[il].{0,20}(不一致|不匹配|错误|无效|一致しません)",
    r"\b(app|application) is (still )?(in|under) (\w+ )?(development|review|sandbox|test)",
    r"^(the |this )?(client|app|application)\b(?!.*\b(your|organi[sz]ation|account|users?|tenant|workspace)\b).{0,80}"
    r"\b(not (authori[sz]ed|allowed|permitted|enabled|active|available|found|set ?up|configured|published)|inactive)\b",
)
_SPELLED_SET_UP_CODES = [f"^{code.replace('_', '[ _-]?')}$" for code in sorted(error_codes.MISCONFIGURED)]
_POLICY_CODES = (
    r"polic(y|ies)|org.?internal|blocked|not.?(allowed|assigned|permitted|entitled)|restricted|forbidden",
    r"(user|account).?(disabled|suspended|locked|inactive|unauthori[sz]ed|not.?authori[sz]ed)"
    r"|(unauthori[sz]ed|inactive|disabled|suspended).?(user|account)|app.?access.?denied",
)
_POLICY_TEXTS = (
    r"\bpolic(y|ies)\b|conditional access|\b(blocked|restricted|forbidden)\b|not assigned\b",
    r"\bnot (allowed|permitted|entitled|authori[sz]ed|available)\b.{0,20}\b(to|for|in|by)\b",
    r"\badmin(istrator)?s?( (has|have|was|is))* (disabled|blocked|restricted|denied)\b|\bdenied by .{0,20}\badmin",
    r"\boutside (of )?(your|the|this) organi[sz]ation|only (available|allowed) (to|for|within|in)\b",
    r"\baccount\b.{0,20}\b(disabled|suspended|locked)\b",
)
# Numbers of Entra ID about this person's account. The code beside them differs.
_POLICY_NUMBERS = r"\bAADSTS(50020|50034|50105|53\d{3,4}|90072)\b"
_PAGE_OVER_CODES = (
    r"^login.?required$|(session|login|authentication|interaction|flow|request).?(expired|time.?out|timed.?out)",
    r"expired.?(session|login|flow|request)|invalid.?session|session.?(invalid|not.?found|lost)",
)
_PAGE_OVER_TEXTS = (
    r"\b(session|login|log.?in|sign.?in|authentication|flow|page)\b.{0,30}\b(expired|timed.?out|timeout)\b",
    r"(authentication|login|session)_expired|took too long|\bAADSTS(50089|50196)\b",
    r"\bCSRF (value|token|cookie)\b|\b(session|login) cookie\b.{0,40}\b(missing|not found|invalid)\b",  # Ory
)
_DECLINED_CODES = (
    r"(user|consent|owner|permissions?|authori[sz]ation|request|login).?(den(y|ied)|declin|cancel|reject|refus|abort)",
    r"(consent|permissions?).?not.?granted|cancel(l?ed)?.?on.?login",
    r"(denied|declined|cancell?ed|rejected|refused|aborted|closed).?by.?(the.?)?(user|owner|person)",
    r"^user.?closed",
    r"^(den(y|ied)|declined?|cancell?ed|cancel|rejected?|refused?|abort(ed)?)$|(popup|window).?closed",
)
_DECLINED_TEXTS = (
    r"\b(user|person|customer|member|owner)\b.{0,30}\b(cancel|den(y|ied)|declin|reject|refus|abort|closed)",
    r"\b(user|person|customer|member|owner) did(n.t| not) (allow|consent|approve|grant|authori[sz]e)",
    r"\b(cancell?ed|denied|declined|rejected|refused|aborted) by (the )?(user|person|customer|member|resource owner)",
    r"\bAADSTS65004\b",
)
_OUTCOME_DECLINED = r"^(the )?(user )?(den(y|ied)|declined?|cancel(l?ed)?|rejected?|refused?|abort(ed)?)[.!]?$"
_CHECKPOINT_CODES = r"checkpoint|(mfa|verification).?required|not.?verified|unverified.?(user|e.?mail|account)"
_CHECKPOINT_TEXTS = (
    r"\bverify your (e-?mail|account|identity|phone)\b|\b(e-?mail|account|user)\b.{0,30}\bnot (been )?verified\b",
    r"\bfailed during strong authentication\b|\bAADSTS(500121|50097)\b",
    r"\bforgotten (their|the|his or her) password\b|\bpassword (reset|change) (is )?required\b",  # Azure AD B2C
)
# Trouble at the provider, which passes, also with the code of a person who says no.
_TROUBLE_CODES = (
    r"temporar(y|ily).?(unavailable|error|failure)|internal.?(server.?)?error|bad.?gateway|gateway.?time.?out"
    r"|service.?unavailable|^50[0-4]$"
)
_TROUBLE_TEXTS = (
    r"\btemporar(y|ily)\b.{0,20}\b(unavailable|error|problem|trouble)|\btransient error\b"
    r"|\b(under|for) maintenance\b|\binternal (server )?error\b|\bservice( is)? unavailable\b"
)
# Beside that code this may be said to the person who said no, or who tried too often.
_IT_PASSES_CODES = r"temporar(y|ily)|too.?many.?(requests|attempts)|rate.?limit|maintenance"
_IT_PASSES_TEXTS = r"\b(try|retry) again (later|in a (few|moment|minute))\b|\btoo many requests\b"
_NO_DENIAL = {"at": CALLBACK_CODES, "matches": r"^(access.?denied|consent.?required)$", "absent": True}

CALLBACK_RULES: tuple[dict[str, Any], ...] = (
    *(
        {"request": "callback", "when": [{"at": places, "matches": pattern}], "means": meaning}
        for places, patterns, meaning in (
            (CALLBACK_CODES, (_ADMIN_CODES,), "administrator_must_consent"),
            (CALLBACK_TEXTS, _ADMIN_TEXTS, "administrator_must_consent"),
            (CALLBACK_TEXTS, (_POLICY_NUMBERS, *_ACCOUNT_TEXTS), "refused_by_policy"),
            ("/error", _SPELLED_SET_UP_CODES, "registration_wrong"),
            (CALLBACK_CODES, _SET_UP_CODES, "registration_wrong"),
            (CALLBACK_TEXTS, _SET_UP_TEXTS, "registration_wrong"),
            (CALLBACK_TEXTS, _PAGE_OVER_TEXTS[-1:], "sign_in_page_over"),
            (CALLBACK_CODES, _POLICY_CODES, "refused_by_policy"),
            (CALLBACK_CODES, _DECLINED_CODES, "declined"),
            (CALLBACK_TEXTS, (*_DECLINED_TEXTS, *(words.declined for words in LANGUAGES)), "declined"),
            (CALLBACK_TEXTS, _POLICY_TEXTS, "refused_by_policy"),
            (CALLBACK_TEXTS, (_ASK_AN_ADMINISTRATOR,), "administrator_must_consent"),
            (CALLBACK_CODES, _PAGE_OVER_CODES, "sign_in_page_over"),
            (CALLBACK_TEXTS, _PAGE_OVER_TEXTS, "sign_in_page_over"),
            (CALLBACK_CODES, (_CHECKPOINT_CODES,), "person_must_act"),
            (CALLBACK_TEXTS, _CHECKPOINT_TEXTS, "person_must_act"),
            (CALLBACK_CODES, (_TROUBLE_CODES,), "temporary"),
            (CALLBACK_TEXTS, (_TROUBLE_TEXTS,), "temporary"),
        )
        for pattern in patterns
    ),
    *(
        {"request": "callback", "when": [_NO_DENIAL, {"at": places, "matches": pattern}], "means": "temporary"}
        for places, pattern in ((CALLBACK_CODES, _IT_PASSES_CODES), (CALLBACK_TEXTS, _IT_PASSES_TEXTS))
    ),
    {
        # The person may only ask for an installation; the owner of the organization approves it (GitHub Apps).
        "request": "callback",
        "when": [{"at": "/code", "absent": True}, {"at": "/setup_action", "equals": "request"}],
        "means": "administrator_must_consent",
    },
    {
        "request": "callback",
        "when": [{"at": "/code", "absent": True}, {"at": CALLBACK_DENIALS}],
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
        "request": "callback",
        "when": [
            {"at": ("/code", "/error"), "absent": True},
            {"at": ("/authorized", "/granted", "/approved", "/allowed", "/allow"), "matches": r"^(false|0|no)$"},
        ],
        "means": "declined",
    },
)
