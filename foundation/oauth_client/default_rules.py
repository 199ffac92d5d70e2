"""What providers commonly answer beside RFC 6749: where codes and texts stand, and rules that hold for any provider.

Data in the format of a provider profile. A profile's own rules come first, and `"default_rules": false` turns the rules
here off. They act on a provider's own words only; nothing here ends a sign-in because a status or a word is unknown.
"""

from collections.abc import Mapping

from foundation.oauth_client import default_translated_words, error_documents, json_pointers
from foundation.oauth_client.default_callback_rules import CALLBACK_RULES
from foundation.oauth_client.error_documents import CODE_PLACES, TEXT_PLACES
from foundation.oauth_client.provider_profile.format import ProviderProfile
from foundation.oauth_client.provider_profile.parsing import convert_profile
from foundation.oauth_client.provider_profile.rule_format import texts

# Only these words may stand between "refresh token" and "invalid": the client, the grant type or the scope may be
# what is invalid otherwise. A parameter that was not found is no token that was not found.
_THE_GRANT = (
    r"(?<!parameter )(?<!parameter .)\brefresh[ _]?token\b['\"’”`]?"
    r"( (you|specified|provided|supplied|given|passed|presented|sent|submitted|is|was|has|have|been|already|either))*"
)
_DEAD_GRANTS = (
    r"\b(invalid|expired|revoked|unknown|unrecogni[sz]ed|inactive|bad|incorrect)[ _]+['\"’”`]?refresh[ _]?token\b"
    r"['\"’”`]?(?! (request|grant|client|scope|type|flow|parameter|format|endpoint))",
    rf"{_THE_GRANT} (invalid|expired|revoked|inactive|incorrect|unknown|no longer (valid|active)"
    r"|not (found|valid|active))\b(?! in the request)",
    rf"{_THE_GRANT} (deleted|evicted|superseded|rotated|black-?listed|not recogni[sz]ed)\b",
    rf"{_THE_GRANT} exceeded (its |the )?(inactivity|idle|maximum|max|absolute|lifetime)\b",
    r"\brefresh_?token(invalid|expired|revoked|not_?found)\b",  # in one word: Errors.OIDCSession.RefreshTokenInvalid
    r"\brefresh[ _]?token\b['\"’”`]?( (is|was|has|have))? ((already|been) (been )?((re)?used|exchanged)"
    r"|does(n.t| not) exist)\b|\b(previously|already) used refresh[ _]?token\b",
    r"\b(no such|(could|can)( ?not|n.t) find( the| this| a)?) refresh[ _]?token\b",
    r"\brequires an? (active|valid|unexpired) refresh[ _]?token\b",  # Shopify
    # Of no other token than the one that was sent.
    r"^(the |this |your |provided )*token( (you|provided|passed|sent|is|was|has|been|already))* "
    r"(expired|revoked|(re)?used|invalid|black-?listed|no longer valid|not (valid|active))\b(?! (for|in|scope|type))",
    r"^(authori[sz]ation|auth) token ((has|is|was) )?(expired|revoked)\b",  # Fastify's JWT plugin
    r"^(invalid|expired|revoked) token\b(?! (type|request|endpoint|exchange|format))",
    r"\bvalue passed for the token was invalid\b",  # X
    r"\b(user|owner|customer|merchant|member) (has )?(revoked|withdrawn|removed)\b.{0,30}"
    r"\b(access|authori[sz]ation|permission|consent|grant)\b",
    r"\b(access|permission)( (has|was|is|been))* (revoked|withdrawn|removed) by (the )?(user|owner|customer|member)\b",
    r"\b(authori[sz]ation grant|provided grant|this grant|consent|authori[sz]ation)( (has|was|is|been|already))* "
    r"(revoked|withdrawn|expired)\b",
    r"\b(user |login |sign-?in |sso )?session( (has|was|is|already))* (expired|ended|been (revoked|terminated))\b",
)
TOO_MANY = (
    r"\b(too many (requests|attempts|calls|refresh)|rate.?limit|throttl|quota (is )?exceeded|made too many)"
    r"|\bclient request loop\b|\bAADSTS(50196|90055)\b"
)
# Another request with the same token is under way, and may have brought new ones (Hydra).
_RACE = (
    r"\b(multiple |other )?concurrent (requests?|refresh\w*|renewals?)\b|\b(please )?retry (the|your|this) request\b"
    r"|\brequest is (already |currently )?being processed\b"  # Salesforce
)
# A temporary failure, even with a code of RFC 6749. A mere “try again” is also said of an expired code.
_PASSING = (
    r"\btransient (error|failure|problem)\b|\bAADSTS(90033|90024)\b",
    r"\btemporar(y|ily) (un)?(available|error|failure|problem|issue|disabled)\b",
    r"\btry(ing)? again (later|in (a|some) (few |little )?(moments?|minutes?|seconds?|while|time))\b",
    r"\b(server|service|system) is (too )?(busy|overloaded|(down|closed) for maintenance)\b",
)
# An expired or invalid token, code or grant is no temporary failure, even if the sentence ends in “try again later”.
_OVER = (
    r"\b(token|code|grant|session|consent)\b.{0,40}\b(expired|invalid|revoked|used|not (found|valid))\b"
    r"|\b(expired|invalid|revoked) (\w+ )?(token|code|grant)\b"
)
# Of our credentials, whatever code stands beside them: some servers answer invalid_grant to a wrong secret.
_CLIENT_PART = r"client[ _]?(secret|id|identifier|credentials?)"
_WRONG_CLIENT = (
    rf"\b(invalid|incorrect|wrong|bad|expired) {_CLIENT_PART}\b(?! (or|and) (code|refresh|grant))",
    rf"(?<!or )\b{_CLIENT_PART}\b( (is|was|are|has|supplied|provided))* (invalid|incorrect|wrong|expired|not valid)\b",
    r"\berror validating client secret\b|^(client not found|unknown client)\b|\bclient authentication failed\b",
    rf"\b(unknown|unrecogni[sz]ed|unregistered) {_CLIENT_PART}\b",
    r"^(the |this )?(oauth2? |your )?(client|app|application)( (is|was|has|been))* "
    r"(deleted|disabled|suspended|deactivated)\b(?!.*\b(users?|owners?|customers?|members?|organi[sz]ations?|company|teams?|accounts?|tenants?|workspaces?|shops?"
    r"|stores?|sites?|domains?|directory)\b)",
    # Of the server or the tenant that we call, or the kind of application that we are registered as (Keycloak, Entra)
    r"\brealm (is )?(not enabled|disabled|does not exist)\b|^https required\b|^tenant\b.{0,60}\bnot found\b",
    r"\bclient secret keys?\b.{0,60}\bexpired\b|\bmay only be redeemed via cross-origin requests\b",
    r"\bAADSTS(70002(15|18|22)|700016|90002|900023|50194|9002327)\b",
)
# Of the redirect URL alone. A list of what may be wrong (“is invalid, expired, revoked, or does not match …”) is not.
_WRONG_REDIRECT = (
    r"^(?!.*\b(expired|revoked|(already|been) used)\b)(.*\b(incorrect|wrong|invalid|mismatch\w*) redirect[ _]?ur[il]\b"
    r"|.*\bredirect[ _]?ur[il]\b.{0,40}\b(mismatch|incorrect|invalid|does(n.t| not) match|is (not )?identical)\b)"
)
# The person took too long, or went back and forth: they sign in once more.
_DEAD_CODES = (
    r"\b(authori[sz]ation|verification|auth|matching|temporary)[ _]code( (you|provided|has|is|was|been|already|or))* "
    r"(expired|invalid|(re)?used|redeemed|consumed|unknown|incorrect|revoked|not (found|valid))\b",
    r"\bmatching code (was|is) not found\b",  # Instagram
    r"\b(invalid|expired|unknown|used|incorrect|bad) (or \w+ )?(authori[sz]ation|verification|auth)[ _]code\b",
    r"^(invalid|expired|wrong|bad|incorrect|unknown) code\b(?! (challenge|verifier))"
    r"|^(the |this )?code (has |is |was )?(been )?(already )?(expired|invalid|used|not found)\b",
)
# The client is known, but may not use this grant: nobody's token is meant (RFC 6749 §5.2, unauthorized_client).
_GRANT_NOT_ALLOWED = (
    r"\bgrant[_ ]?types?\b.{0,40}\bnot (allowed|enabled|permitted|authori[sz]ed|supported|registered)\b",
    r"\bclient\b.{0,40}\bnot (allowed|enabled|permitted|authori[sz]ed)\b.{0,60}\b(grants?|grant_type|method|flow)\b",
)
_FIELD = ("/field", "/param", "/parameter", "/name", "/source/parameter", "/source/pointer", "/loc/1")
_SAID_OF_A_FIELD = ("/code", "/message", "/reason", "/type", "/detail", "/msg")
# Errors of a form by field, as Django, Rails and Laravel have them: {"refresh_token": ["is invalid or expired"]}.
_FIELD_OF_THE_TOKEN = ("/errors/refresh_token", "/errors/refresh_token/0", "/refresh_token/0")
_DEAD = r"\b(invalid|expired|revoked|not valid|not found|does(n.t| not) exist)\b"
_TOO_EARLY = r"\b(access[ _]?token|token) (has |is )?(not|n't) (yet )?expired\b"

_ALREADY_GONE = r"(?<![a-z])already[ _](been[ _])?(revoked|invalidated|deauthori[sz]ed)\b"

_SECOND_STEP_CODES = r"mfa|multi.?factor|two.?factor|second.?factor|2fa|otp.?required|^interaction_required$"
_SECOND_STEP_TEXTS = (
    r"\b(multi|two|2|second)[ -]?(factor|step)|\bMFA\b|\bone[ -]?time (password|code|passcode)",
    r"\bAADSTS(50072|50074|50076|50079|50158)\b",
)
_WRONG_PASSWORD = r"\b(invalid|incorrect|wrong|bad)\b.{0,30}\b(user\w*|password|credentials?|login)\b"  # noqa: S105
# A right password that isn't enough, with the code of a wrong one (Entra ID).
_NO_CONSENT = r"\badministrator has not consented\b|\bAADSTS(65001|90094|90095)\b"
_POLICY = r"\bconditional access\b|\bblocked by \w{0,20} ?polic(y|ies)\b|\bAADSTS(50105|53\d{3,4}|90072)\b"
_ACCOUNT_STOPPED = (
    r"\b(account|user)\b.{0,40}\b(locked|disabled|suspended|deactivated|blocked)\b",
    r"\b(account|user)[_.-](is[_.-])?(locked|disabled|suspended|deactivated|blocked)\b",
    r"\bpassword\b.{0,30}\b(expired|must be (changed|reset))\b|\bAADSTS(50053|50055|50057)\b",
    r"\baccount is not fully set up\b",  # Keycloak: a required action
)

RULES = convert_profile(
    {
        "rules": [
            *CALLBACK_RULES,
            {
                "request": "refresh",
                "when": [{"at": TEXT_PLACES, "matches": _TOO_EARLY}],
                "status": (400, 401, 403, 409),
                "means": "keep_token",
            },
            *(
                {
                    "when": [{"at": TEXT_PLACES, "matches": pattern}],
                    "status": (200, 400, 401, 403),
                    "means": "registration_wrong",
                }
                for pattern in (*_GRANT_NOT_ALLOWED, *_WRONG_CLIENT)
            ),
            {
                "status": (400, 401, 403, 422),
                "when": [
                    {"at": _FIELD, "matches": r"(^|/)client_?(id|secret)$"},
                    {"at": _SAID_OF_A_FIELD, "matches": _DEAD},
                ],
                "means": "registration_wrong",
            },
            {
                "request": "refresh",
                "when": [{"at": TEXT_PLACES, "matches": _RACE}],
                "status": (400, 401, 403, 409),
                "means": "temporary",
            },
            *(
                {
                    "request": ("code", "refresh", "client_credentials", "exchange", "revocation"),
                    "when": [
                        {"at": TEXT_PLACES, "matches": pattern},
                        {"at": TEXT_PLACES, "matches": _OVER, "absent": True},
                    ],
                    "status": (400, 401, 403, 409),
                    "means": "temporary",
                }
                for pattern in _PASSING
            ),
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
                for patterns, meaning in (
                    (_SECOND_STEP_TEXTS, "second_step"),
                    ((_NO_CONSENT,), "administrator_must_consent"),
                    ((_POLICY,), "refused_by_policy"),
                    (_ACCOUNT_STOPPED, "person_must_act"),
                )
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
            {
                # A list of faults by field: {"errors": [{"field": "refresh_token", "code": "invalid"}]} (Strava).
                "request": "refresh",
                "status": (400, 401, 403, 409, 422),
                "when": [
                    {"at": _FIELD, "matches": r"(^|/)refresh_?token$"},
                    {"at": _SAID_OF_A_FIELD, "matches": _DEAD},
                ],
                "means": "sign_in_over",
                "ambiguous": True,
            },
            {
                "request": "code",
                "when": [{"at": TEXT_PLACES, "matches": _WRONG_REDIRECT}],
                "means": "registration_wrong",
            },
            *(
                {
                    "request": "code",
                    "status": (200, 400, 401, 403, 410, 422),
                    "when": [{"at": TEXT_PLACES, "matches": pattern}],
                    "means": "sign_in_over",
                }
                for pattern in _DEAD_CODES
            ),
            *default_translated_words.RULES,
            {
                # RFC 7009 §2.2 has a 200 for this.
                "request": "revocation",
                "status": (400, 404, 409, 410, 422),
                "when": [{"at": TEXT_PLACES, "matches": _ALREADY_GONE}],
                "means": "already_gone",
            },
        ]
    }
)


def text_in(document: object, profile: ProviderProfile, headers: Mapping[str, str]) -> str:
    """The provider's own sentence in an error, or else a word; "" if there is none.

    Not masked: never to be shown or logged.
    """
    own = (json_pointers.resolve(document, pointer) for pointer in texts(profile.error.text))
    common = [
        json_pointers.resolve(view, place) for view in error_documents.views_of(document) for place in TEXT_PLACES
    ]
    words = [text for text in common if isinstance(text, str) and text.strip()]
    sentences = (text for text in words if " " in text.strip())
    by_profile = next((text for text in own if isinstance(text, str) and text.strip()), "")
    header = headers.get(profile.error.text_header, "") if profile.error.text_header else ""
    return by_profile or next(sentences, "") or next(iter(words), "") or header
