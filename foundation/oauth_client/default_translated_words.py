"""What providers say of tokens, limits and declined requests in other languages than English. Data, as `default_rules`.

Only sentences in which the thing and what is wrong with it stand close together. A sentence about a parameter is left
out: it may be about how the token was sent.
"""

from typing import Any, NamedTuple

from foundation.oauth_client.error_documents import TEXT_PLACES


class Words(NamedTuple):
    """Words of one language, as parts of regular expressions. An English term often stands in their place."""

    over: str  # invalid, expired, revoked
    refresh: str  # the refresh token
    access: str
    code: str
    limit: str
    declined: str
    wrong: str = "(?!)"  # said of credentials, beside `over`


LANGUAGES = (
    Words(  # Chinese
        over="无效|無效|失效|过期|過期|不存在|不合法|非法|已(被)?使用|已撤销|已吊销",
        refresh="(刷新|更新)令牌",
        access="(访问|訪問)令牌|(?<!刷新)(?<!更新)令牌|登录|登錄|会话",
        code="(授权|授權|认可)码",
        limit=r"(请求|調用|调用|访问|操作)(次数|频率|过于|太|過於)?.{0,6}(频繁|超限|超过|超出|上限|限制)"
        r"|(超过|超出|达到).{0,8}(限制|上限|频率|配额)",
        declined="用户.{0,4}(取消|拒绝)|(取消|拒绝).{0,4}授权",
        wrong="错误|不正确|不匹配",
    ),
    Words(  # Japanese
        over="無効|期限(が|は)?切れ|失効|取り消され",
        refresh="(リフレッシュ ?|更新)トークン",
        access="(?<!リフレッシュ)(?<!更新)トークン",
        code="認可コード",
        limit="(リクエスト|アクセス|呼び出し|利用)(数|回数|制限)?.{0,12}(超え|超過|上限|制限)",
        declined="(ユーザー?|利用者).{0,10}(キャンセル|拒否)|キャンセルされ",
        wrong="不正|間違|違い",
    ),
    Words(  # Korean
        over="유효하지|만료",
        refresh="(리프레시|갱신) ?토큰",
        access="(액세스|접근) ?토큰",
        code="인증 ?코드",
        limit="(요청|호출).{0,12}(초과|너무 많)",
        declined="사용자.{0,12}(취소|거부)",
        wrong="잘못|일치하지",
    ),
    Words(  # Russian
        over="недейств|ист[её]к|просроч|отозван",
        refresh="токена? обновления",
        access="токена? доступа",
        code="кода? авторизации",
        limit="слишком много запросов",
        declined="пользовател[а-я]+ (отменил|отклонил|отказал)",
        wrong="неверн",
    ),
    Words(  # German and Dutch
        over=r"ung[uü]ltig|abgelaufen|widerrufen|nicht (mehr )?g[uü]ltig|ongeldig|verlopen\b|ingetrokken",
        refresh="aktualisierungs-?token",
        access="zugriffs-?token|toegangstoken",
        code="autorisierungscode",
        limit="zu viele (anfragen|aufrufe)|te veel (verzoeken|aanvragen)",
        declined=r"(benutzer|nutzer|anwender)\w*.{0,40}(abgebrochen|abgelehnt|verweigert)",
        wrong="falsch",
    ),
    Words(  # French
        over=r"invalide\b|expirée?s?\b|r[ée]voqu[ée]|n['’]est (plus|pas) valide",
        refresh="jeton d['’]actualisation|jeton de rafra[iî]chissement",
        access="jeton d['’]acc[eè]s",
        code="code d['’]autorisation",
        limit="trop de requ[eê]tes",
        declined="l['’]utilisateur a (refus|annul)",
        wrong=r"incorrecte?\b",
    ),
    Words(  # Spanish, Portuguese and Italian
        over=r"inv[aá]lid[oa]\b|no (es )?v[aá]lido|n[aã]o [eé] v[aá]lido|expirad[oa]\b|expirou|caducad[oa]\b"
        r"|vencid[oa]\b|revo[cg]ad[oa]\b|non (è )?valido|scadut[oa]\b|revocato",
        refresh="token de (actualizaci[oó]n|refresco|renovaci[oó]n|atualiza[cç][aã]o)|token di aggiornamento",
        access="token d[ei] acces[so]+",
        code=r"c[oó]dig?[oc]e? d[ei] autori[sz]\w+",
        limit="demasiadas (solicitudes|peticiones)|muitas (solicita|requisi)|troppe richieste",
        declined=r"usu[aá]rio\b.{0,20}\b(ha )?(cancel|rechaz|deneg|neg|recus)|utente (ha )?(annull|rifiut|negat)",
        wrong="incorrect[oa]|errat",
    ),
    Words(  # Polish and Turkish
        over="nieprawid[lł]ow|wygas[lł]|ge[cç]ersiz|s[uü]resi dol",
        refresh="token od[sś]wie[zż]",
        access="token dost[eę]p|eri[sş]im",
        code="kod autoryzac|yetkilendirme kodu",
        limit="zbyt wiele|[cç]ok fazla istek",
        declined="u[zż]ytkownik (odm[oó]wi|anulowa)|kullan[iı]c[iı].{0,10}(iptal|reddet)",
    ),
)
_PARAMETER = r"parameter|param[eè]tre|par[aá]metro|参数|パラメータ|매개변수|grant.?type|scope|client"
_CREDENTIALS = "(client|app)[ _-]?(secret|id|key)|クライアント(シークレット|id)|客户端(密钥|id)|应用密钥"


def _said_of(thing: str, fault: str) -> tuple[str, str]:
    return rf"({thing}).{{0,20}}({fault})", rf"({fault})\w*.{{0,12}}({thing})"


def _when(pattern: str, *, of_no_parameter: bool = False) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = [{"at": TEXT_PLACES, "matches": pattern}]
    return [*conditions, {"at": TEXT_PLACES, "matches": _PARAMETER, "absent": True}] if of_no_parameter else conditions


_REFUSED = (200, 400, 401, 403, 422)


def _rules_in(words: Words) -> list[dict[str, Any]]:
    secrets = _said_of(_CREDENTIALS, f"{words.over}|{words.wrong}")
    refresh_tokens = _said_of(f"refresh[ _-]?tokens?|{words.refresh}", words.over)
    codes = _said_of(f"{words.code}|^code", words.over)
    ambiguous = {"request": "refresh", "status": _REFUSED, "means": "sign_in_over", "ambiguous": True}
    return [
        *({"status": _REFUSED[:-1], "when": _when(each), "means": "registration_wrong"} for each in secrets),
        {"status": _REFUSED[:-1], "when": _when(words.limit), "means": "wait"},
        *({**ambiguous, "when": _when(each, of_no_parameter=True)} for each in refresh_tokens),
        *(
            {
                "request": "code",
                "status": _REFUSED,
                "when": _when(each, of_no_parameter=True),
                "means": "sign_in_over",
            }
            for each in codes
        ),
    ]


def _call_rules_in(words: Words) -> list[dict[str, Any]]:
    access_tokens = _said_of(rf"access[ _-]?token|{words.access}|(?<![\w-])token", words.over)
    over = {"request": "call", "status": (400, 401, 403, 422), "means": "token_over"}
    return [
        {"request": "call", "status": (400, 403), "when": _when(words.limit), "means": "wait"},
        *({**over, "when": _when(each, of_no_parameter=True)} for each in access_tokens),
    ]


RULES = [rule for words in LANGUAGES for rule in _rules_in(words)]
CALL_RULES = [rule for words in LANGUAGES for rule in _call_rules_in(words)]
