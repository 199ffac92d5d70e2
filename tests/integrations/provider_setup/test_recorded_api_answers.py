"""What a provider's API answers is understood by its template's profile, or by the rules for any provider."""

import pytest

from foundation.oauth_client.provider_profile import ProviderProfile, parse_profile
from integrations.calls.meanings import AnswerMeaning, read_meaning
from tests.foundation.oauth_client.responses import response
from tests.integrations.provider_setup import recorded_answers as recorded


def profile_of(key: str) -> ProviderProfile:
    return parse_profile(recorded.read_recording(key).definition.registry.get("provider_profile", {}))


def meaning_of(key: str, kind: str, index: int) -> AnswerMeaning:
    answer = recorded.played(recorded.read_recording(key).answers("api", kind)[index])
    content_type, body = answer.content()
    reply = response(
        answer.status or 200, body, {"Content-Type": content_type, "Content-Length": str(len(body)), **answer.headers}
    )
    return read_meaning(profile_of(key), reply, lambda: body)


@pytest.mark.parametrize(("key", "index"), list(recorded.each("api", "good")))
def test_a_good_answer_means_nothing_special(key: str, index: int) -> None:
    assert meaning_of(key, "good", index).code in {None, "success"}


@pytest.mark.parametrize(("key", "index"), list(recorded.each("api", "token_over")))
def test_a_refused_token_is_known(key: str, index: int) -> None:
    assert meaning_of(key, "token_over", index).is_about_the_token


@pytest.mark.parametrize(("key", "index"), list(recorded.each("api", "scope_missing")))
def test_a_missing_scope_is_no_dead_token(key: str, index: int) -> None:
    assert meaning_of(key, "scope_missing", index).code == "scope_missing"


@pytest.mark.parametrize(("key", "index"), list(recorded.each("api", "rate_limited")))
def test_a_limit_is_known_with_its_wait(key: str, index: int) -> None:
    meaning = meaning_of(key, "rate_limited", index)
    assert meaning.code == "wait"
    if seconds := recorded.read_recording(key).answers("api", "rate_limited")[index].get("seconds"):
        assert meaning.wait == pytest.approx(seconds, abs=3)


@pytest.mark.parametrize(("key", "index"), list(recorded.each("api", "other")))
def test_other_answers_mean_what_the_provider_says(key: str, index: int) -> None:
    expected = recorded.read_recording(key).answers("api", "other")[index].get("means")
    assert meaning_of(key, "other", index).code == expected
