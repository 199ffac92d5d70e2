"""Refusals in other languages than English, as servers write them that have no code for what they mean."""

import json

import pytest

from foundation.oauth_client import answers
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable
from tests.foundation.oauth_client.responses import response


def error_for(status: int, words: str, grant_type: str = "refresh_token") -> OAuthError:
    body = json.dumps({"code": 10_007, "message": words}).encode()
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(response(status, body), grant_type=grant_type)
    return raised.value


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    "words",
    [
        "refresh_token 过期",  # Douyin
        "refresh_token无效", "refresh token 不存在或已过期", "刷新令牌已失效", "リフレッシュトークンが無効です",
        "リフレッシュトークンの有効期限が切れています", "Refresh-Token ist abgelaufen", "Ungültiges Refresh-Token",
        "Le jeton d'actualisation a expiré", "El token de actualización ha expirado o no es válido",
        "O token de atualização foi revogado", "refresh_token inválido", "Il refresh token è scaduto",
        "유효하지 않은 refresh_token 입니다", "리프레시 토큰이 만료되었습니다", "Недействительный refresh_token",
        "Срок действия токена обновления истёк", "Refresh token verlopen", "Geçersiz refresh token",
    ],
)  # fmt: skip
def test_a_dead_refresh_token_is_known_as_words_are_that_may_mean_us(words: str, status: int) -> None:
    error = error_for(status, words)
    assert (type(error), error.meaning, error.is_ambiguous) == (Refused, "sign_in_over", True)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("client_secret错误", Misconfigured),
        ("Das client_secret ist ungültig", Misconfigured),
        ("client_id无效", Misconfigured),
        ("请求过于频繁，请稍后再试", Unreachable),
        ("リクエスト数が上限を超えました", Unreachable),
        ("Zu viele Anfragen", Unreachable),
        ("Trop de requêtes", Unreachable),
        ("参数refresh_token不合法", Unexplained),
        ("缺少参数 refresh_token", Unexplained),
        ("Paramètre refresh_token invalide", Unexplained),
        ("Der Dienst ist abgelaufen", Unexplained),
        ("The refresh token expires in an hour", Unexplained),
        ("权限不足", Unexplained),
    ],
)
def test_what_else_is_said_ends_nothing(words: str, kind: type[OAuthError]) -> None:
    assert type(error_for(400, words)) is kind


@pytest.mark.parametrize(
    "words", ["授权码无效", "認可コードの有効期限が切れています", "Le code d'autorisation a expiré", "code 已失效"]
)
def test_a_used_code_is_the_persons_matter(words: str) -> None:
    error = error_for(400, words, "authorization_code")
    assert (type(error), error.meaning) == (Refused, "sign_in_over")
