"""The provider profile says what the templates of a public catalogue need, and the table that claims so cannot lie."""

import pytest

from benchmarks import census
from benchmarks.census import ANSWERS, UNMET, UnknownPath
from foundation.oauth_client.provider_profile import BadProfile, parse_profile


def test_nearly_all_of_a_public_catalogue_can_be_described() -> None:
    described, templates = census.count_described()
    assert templates == 344
    assert len(census.read_facts()[1]) == 55
    assert described >= 335


@pytest.mark.parametrize("need", ANSWERS)
def test_each_path_is_a_field_and_each_example_uses_it(need: str) -> None:
    profile = parse_profile(ANSWERS[need].example)
    assert ANSWERS[need].paths
    for path in ANSWERS[need].paths:
        census.resolve_path(path)
        assert path.startswith(census.REGISTRATION) or census.is_filled(profile, path)


def test_a_need_is_met_or_not_never_both() -> None:
    needed = {need for needs in census.read_facts()[1].values() for need in needs}
    assert not ANSWERS.keys() & UNMET.keys()
    assert needed == ANSWERS.keys() | UNMET.keys()


@pytest.mark.parametrize(
    "path", ["token_request.bodies", "bodies", "callback.code.name", "lookups.url.host", "registration.scope_joiner"]
)
def test_a_path_that_leads_nowhere_fails(path: str) -> None:
    with pytest.raises(UnknownPath):
        census.resolve_path(path)


@pytest.mark.parametrize("path", ["token_request.body", "callback.keep.pattern", "lookups.url"])
def test_an_example_that_leaves_a_field_out_is_noticed(path: str) -> None:
    assert not census.is_filled(parse_profile({"callback": {"posted": True}}), path)


def test_an_example_that_the_format_refuses_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = census.Answer(paths=("token_request.body",), example={"token_request": {"body": "xml"}})
    monkeypatch.setattr(census, "ANSWERS", {"token request as JSON": wrong})
    with pytest.raises(BadProfile):
        census.check_answers()


def test_it_prints_what_it_counted(capsys: pytest.CaptureFixture[str]) -> None:
    census.main([])
    described, templates = census.count_described()
    printed = capsys.readouterr().out
    assert f"{described} of {templates} templates can be described" in printed
    assert "code by webhook: not met" in printed
