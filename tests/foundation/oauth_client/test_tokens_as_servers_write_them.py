"""Token responses with units, objects and other names: nothing that a server has issued is lost for its spelling."""

import json
import time

import pytest

from foundation.oauth_client import answers
from foundation.oauth_client.errors import Unusable
from tests.foundation.oauth_client.responses import response


def soon() -> int:
    return int(time.time()) + 3600


def granted(body: object) -> answers.TokenAnswer:
    return answers.parse_token_answer(response(200, json.dumps(body).encode()), grant_type="authorization_code")


@pytest.mark.parametrize(
    ("figure", "seconds"),
    [
        ("1h", 3600), ("1 hour", 3600), ("60 minutes", 3600), ("7d", 604800), ("2 weeks", 1209600),
        ("3600s", 3600), ("01:00:00", 3600), ("1.02:00:00", 93600),
    ],
)  # fmt: skip
def test_a_lifetime_may_have_a_unit(figure: str, seconds: int) -> None:
    assert granted({"access_token": "a", "expires_in": figure}).expires_in == seconds


@pytest.mark.parametrize("figure", ["3,600", "1 month", "1y", "15m", "soon", "1:00", {"seconds": 3600}])
def test_a_lifetime_that_can_be_read_in_two_ways_is_none(figure: object) -> None:
    assert granted({"access_token": "a", "expires_in": figure}).expires_in is None


@pytest.mark.parametrize("name", ["access_token_expire_in", "accessTokenExpireIn", "access_expires_in", "expire"])
def test_the_end_of_an_access_token_has_many_names(name: str) -> None:
    """TikTok Shop writes a moment there."""
    for figure in (3600, soon()):
        seconds = granted({"access_token": "a", name: figure}).expires_in
        assert seconds == pytest.approx(3600, abs=120)


@pytest.mark.parametrize(
    "name", ["refresh_expire_in", "re_expires_in", "refreshTokenExpireIn", "refresh_token_expires"]
)
def test_so_has_that_of_a_refresh_token(name: str) -> None:
    assert granted({"access_token": "a", "refresh_token": "r", name: 86_400}).refresh_expires_in == 86_400


def test_a_moment_may_be_one_of_microsofts_older_servers() -> None:
    seconds = granted({"access_token": "a", "expires_at": f"/Date({soon() * 1000})/"}).expires_in
    assert seconds == pytest.approx(3600, abs=120)


@pytest.mark.parametrize("name", ["granted_scopes", "grantedScope"])
def test_what_was_granted_has_other_names(name: str) -> None:
    assert granted({"access_token": "a", name: "x y"}).scopes == ("x", "y")


def test_tokens_may_be_objects() -> None:
    """Heroku's Platform API."""
    answer = granted({"access_token": {"token": "a", "id": "1", "expires_in": 28_800}, "refresh_token": {"token": "r"}})
    assert (answer.access_token, answer.refresh_token, answer.expires_in) == ("a", "r", 28_800)


@pytest.mark.parametrize("odd", [{"expires_in": 3600}, {}])
def test_an_object_without_a_token_is_none(odd: object) -> None:
    """FrankHassanabad/Oauth2orizeRecipes#2: the code is spent, so the access token must not be lost."""
    assert granted({"access_token": "a", "refresh_token": odd}).refresh_token == ""


def test_token_alone_is_the_access_token_beside_what_says_so() -> None:
    """Integrations of Sentry: {"token": …, "refreshToken": …, "expiresAt": …}."""
    answer = granted({"token": "a", "refreshToken": "r", "expiresAt": soon()})
    assert (answer.access_token, answer.refresh_token) == ("a", "r")
    for other in ({"token": "a"}, {"token": {"id": 1}, "expires_in": 60}, {"id_token": "x", "expires_in": 60}):
        with pytest.raises(Unusable, match="no_access_token"):
            granted(other)
