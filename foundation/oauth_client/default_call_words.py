"""Codes and sentences in answers of APIs, as patterns: a missing scope, a dead access token, a limit, and who calls."""

# oauth.v2.InvalidAccessToken, auth/token-expired, urn:…:invalid_token, ERR_INVALID_TOKEN
_NAME_SPACES, _ENDINGS = r"^(\S{0,120}[.#/:])?(e(rr)?_)?", r"(_?(exception|error))?$"
NO_SCOPE_CODE = (
    rf"{_NAME_SPACES}(insufficient|missing|invalid)[_-]?(oauth_?)?scopes?(_error)?\b"
    r"|^scopes?_(are_)?(not_(authori[sz]ed|granted|allowed)|permission_missed|missing|required)$"
    r"|^(access_token_scope_insufficient|oauth_scope_mismatch|insufficientPermissions|missing_?required_?permissions)$"
)
# At a 400 a scope may be an argument of the call, which is invalid for another reason.
NO_SCOPE_CODE_OF_BAD_REQUEST = r"^(insufficient|missing)_?scopes?\b|^access_token_scope_insufficient$"
NO_SCOPE_TEXTS = (
    r"\b(insufficient|missing)( \w+)? scopes?\b|\bmissing the following scopes?\b|\bscopes? (does|do) not match\b"
    r"|\bdoes not contain scopes?\b|\binvalid scope\b|\boutside the authorized scopes\b|\brequired (\w+ )?scopes\b"
    r"|\bscope and url mismatch\b|^insufficient_scopes?\b",
    r"\brequires (the|\w+ approval for) \S{1,99} scope\b|\brequired scope\(s\)|\bscope validation failed\b"
    r"|\brequires (the following|one of the|these) (\w+ )?scopes\b|\bnot valid for scopes?\b"
    r"|\b(token|application|app|client|you) (does not|doesn.t|do not|don.t) have (the|a|any) \S{1,60} scopes?\b",
    r"\b(does not|doesn.t|do not|don.t) have the required (\w+ )?scopes?\b|\brequires extended permission\b"
    r"|\b(following|these) scopes (is|are) required\b|\brequired one of these privileges\b"
    r"|\b(requires?|needs?) (the following )?scopes?\b|\brequired scope:"
    r"|\brequired access: \S{1,60} access scope\b",
    r"^permissions missing\b",  # Spotify
)
NAMED_SCOPES = (
    r"(?:have the \"|missing scopes |scopes?(?:\(s\))? ?[:-] ?['\[]?|requires the (?!following|necessary)"
    r"|approval for |any of: |privileges: \[|scopes? is required: \[|required access: `|require[sd] scopes? '"
    r"|extended permission: )"
    r"([A-Za-z0-9_.:/-]+(?:,? (?!scopes?\b)[A-Za-z0-9_:/-]*[.:_/][A-Za-z0-9_.:/-]*)*)"
)
# Also with a name space before them, as in oauth.v2.InvalidAccessToken (Apigee).
CODES_OF_DEAD_ACCESS = (
    rf"{_NAME_SPACES}(authorization_)?(invalid|expired|revoked|bad)[_-]?((access|auth|authentication|oauth|user)[_-]?)?token"
    r"(_?(error|exception))?\b",
    rf"{_NAME_SPACES}((access|auth|authentication|oauth|user)[_-]?)?token[._-]?((is|has)[_-]?)?"
    r"((not[_-])?valid|invalid|inactive|expired|revoked)(_?(error|exception))?\b",
    rf"^oauth_?access_?token_?exception$|{_NAME_SPACES}([\w-]+[.#])*(invalid|expired)[_-]?session([_-]?(id|key))?$",
    r"^(session_expired|((invalid|expired)[_-]?jwt|jwt[_-]?(is[_-])?expired)(_?(error|exception))?)$",
)
_OF_ACCESS = r"(access|oauth2?|bearer|security|incoming|auth|authentication|authorization|session|user|jwt)"
TEXTS_OF_DEAD_ACCESS = (
    r"\bbad credentials\b|^(invalid|expired|revoked) token\b|\bjwt (is |has )?expired\b|\bexpired jwt\b"
    r"|\b(access|auth) ?token does not exist\b|\b(login )?session (has )?expired\b|\b(login|authentication) timeout\b",
    rf"\b(invalid|expired|revoked|unknown|inactive|malformed) {_OF_ACCESS}[ _-]?(access[ _-]?)?token\b",
    rf"(^|\bthe |\bgiven |\b{_OF_ACCESS}[ _-]?)token"
    r"( (has|is|was|been|provided|included|used|in|the|request|you|incorrect|or|already))* "
    r"(expired|revoked|invalid|incorrect|not valid|inactive|not active|black-?listed)\b(?! for)",
    r"\baccess token (was |is )?(not found|unknown|malformed)\b(?! in)",
    r"\bgiven token not valid for any token type\b|\binvalid value passed for authtoken\b|^bad_oauth_token\b",
    r"\berror validating access token\b",  # Facebook
    r"\bexpired credentials\b|\baccess[-_]?token['’]? header is invalid\b",  # TikTok Shop
)
# Of a limit that is used up, not of one that the call was about.
LIMIT_TEXTS = (
    r"\btoo many (requests|attempts|calls)\b|\bmade too many\b|\bquota (is |was |has been )?exceeded\b|\bthrottled\b"
    r"|\brate.?limit\w* (is |was |has been |have been )?(exceeded|reached|hit)\b|\bexceeded \S* ?\S* ?rate.?limit"
    r"|\b(is|are|being|been|was|were) rate.?limited\b",
    r"\brate.?limit\W{1,3}\d{1,9}\W{1,3}exceeded\b|\bthrottle ?exceeded\b",
    r"(?<!storage )(?<!disk )(?<!mailbox )\bquota (is |was |has been )?(reached|exhausted|used up)\b"
    r"|\bexceeded the (maximum|max|allowed) (number of )?(api )?(requests|calls)\b|\b(request|call) count exceeded\b"
    r"|\b(app|api) calls? limited\b",
    r"\b(requests?|api|quota|frequency) limit( (is|was|has been))?( (exceeded|reached)|$)"
    r"|\bcomplexity budget exhausted\b|\breach(ed)? (the )?max(imum)? .{0,30}\b(quota|limit)\b"
    r"|\bquota reach(ed)? (the )?limit\b",
    r"\bout of ((?!storage|disk|space|file|mail)\w+ ){0,3}(quota|rate ?limit)|\bfreq(uency)? out of limit\b"
    r"|(?<!storage )(?<!disk )\busage (limit )?reached\b"
    r"|\b(quota|spike arrest|rate ?limit) violation\b|\bdeveloper over (qps|rate)\b",
)
# Of these there may be a limit, too, which no wait changes: storage_limit_exceeded, X-Seat-Limit-Remaining.
OTHER_LIMITS = r"(storage|size|disk|space|file|item|record|seat|member)s?"
# Limits by time or of calls at once.
_A_LIMIT_OF_CALLS = (
    r"(rate|quota|hourly|daily|per_?(second|minute|hour|day)|burst|concurren(cy|t)|requests?|calls?|api|usage"
    r"|(api_?)?invocation)"
)
LIMIT_CODES = (
    rf"{_NAME_SPACES}((user_?)?rate[_-]?limit(ed|[_-]?exceeded|[_-]?reached)?|too[_-]?many[_-]?requests|throttl(ed|ing)"
    rf"|throttle_?(violation|exceeded)|(quota|spike_?arrest)_?violation|\w{{0,40}}rate_?limit_?(exceeded|reached)|complexity(_budget_exhausted|_?exception)){_ENDINGS}",
    rf"^(?!\w{{0,40}}{OTHER_LIMITS}_)(\w{{0,40}}[_-])?{_A_LIMIT_OF_CALLS}"
    r"_?((requests?|calls?)_?)?(limits?_?)?(exceeded|reached|exhausted)$",
    rf"{_NAME_SPACES}(api_?)?call_?limit(ed|_?exceeded)?$|^([\w-]+\.)*limited-by-api-access-count$",
    r"^exceeded_\w{0,40}(request|concurren\w{1,10}|rate)\w{0,40}limit\w{0,40}$",
)

APPLICATION_REFUSED = (
    r"^(access_?not_?configured|service_disabled|api_disabled(_for_org)?|(client|app|application)_disabled|consumer_(suspended|invalid)"
    r"|client-not-enrolled)$|\bnot registered in the developer dashboard\b|^application deactivated\b"
)

# The token is for another audience or issuer, or the API wants a key beside it: a new sign-in changes neither.
FOR_SOMEBODY_ELSE = (
    r"\b(invalid|wrong|incorrect|unexpected)( \w+){0,2} (audience|issuer)\b"
    r"|\b(audience|issuer)\b.{0,200}\b(is invalid|not (valid|match|allowed|accepted))\b"
    r"|\b(audience|issuer) (validation failed|mismatch)\b"
)
ANOTHER_KEY = (
    r"\b(missing|invalid|required) subscription key\b|\bclient[ _-]?id and (the )?(oauth|access) token do not match\b"
    r"|\b(missing|invalid) client[ _-]?id header\b|\bclient[ _-]?id (header )?is missing\b"
)
ANOTHER_KEY_CODE = (  # Apigee; RFC 9449
    r"^oauth\.v2\.(FailedToResolveApiKey|InvalidApiKey(ForGivenResource)?)$|^(use_dpop_nonce|invalid_dpop_proof)$"
)
# Beside these words it may as well be the token's age, which a renewal cures.
OF_ITS_AGE = r"expir|revo[ck]|\blifetime\b|\btoo old\b"

REFUSED_CODE = (
    r"^(not_?authed|invalid_?auth(entication)?|un_?authenticated|un_?authori[sz]ed|(not_?)?authenticat(ed|ion)"
    r"(_(required|error|failed|expired))?|not authenticated|account_inactive|401)$"
)
REFUSED_NUMBER = r"^(440|498|499)$"  # Esri and others; elsewhere a number like any other
# Of the access token, or of one that the caller entered: a reCAPTCHA, a voucher.
SOMETHING_INVALID = (
    r"^(e(rr)?_)?((invalid|bad)[_-]?token|token[._-]?((is|has)[_-]?)?((not[_-])?valid|invalid))(_?(error|exception))?$"
)
# A status that speaks of rights, and a code that speaks of who calls: worth a renewal, as a 401 is.
NOT_KNOWN_WHO = (
    r"^(un_?authenticated|not_?authenticated|invalid_?authentication|(user_?)?authentication_?(failed|failure|error"
    r"|required|unsuccessful|expired))$"
)
NOT_KNOWN_WHO_TEXT = (
    r"\bauthentication credentials were not provided\b|^(you are )?(not logged in|unauthenticated|not authenticated)\b"
    r"|^(please )?(log ?in|sign ?in|login|authentication|authorization)( is)? required\b|^authorization_required$"
    r"|\bactive access token must be used\b|^please (log|sign) ?in( again)?\b"
)
# This person has to confirm something at the provider, sign in once more or in a stronger way.
PERSON_MUST_ACT_CODES = (
    rf"{_NAME_SPACES}((two|second|multi)_?factor|2fa|mfa|sca)_?(authentication_?)?(is_?)?(required|needed|exceeded|expired)$"
    rf"|{_NAME_SPACES}consent_?(is_?)?(expired|revoked|required)$",
    rf"{_NAME_SPACES}(re_?auth(enticat(e|ion))?(_?required)?|insufficient_user_authentication|interaction_?required)$",
)
PERSON_MUST_ACT_TEXT = r"\bSAML (SSO )?enforcement\b|\bgrant your .{0,30}token access to this organi[sz]ation\b"
