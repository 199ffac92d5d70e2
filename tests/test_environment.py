"""A renamed variable works by its old name, and the check says what it is called today. Sites share no cache keys."""

import pytest
from django.conf import settings as site
from django.core.cache import cache
from django.core.checks import run_checks
from pytest_django import Settings

from config.environment import use_new_names

RENAMED = {"OLD_WORDS": "NEW_WORDS"}


@pytest.mark.parametrize(
    ("before", "set_now", "outdated"),
    [
        ({}, {}, {}),
        ({"OLD_WORDS": "a"}, {"NEW_WORDS": "a"}, {"OLD_WORDS": "NEW_WORDS"}),
        ({"OLD_WORDS_FILE": "/a"}, {"NEW_WORDS_FILE": "/a"}, {"OLD_WORDS_FILE": "NEW_WORDS_FILE"}),
        ({"OLD_WORDS": "a", "NEW_WORDS": "b"}, {"NEW_WORDS": "b"}, {"OLD_WORDS": "NEW_WORDS"}),
        ({"OLD_WORDS": "a", "NEW_WORDS_FILE": "/b"}, {"NEW_WORDS_FILE": "/b"}, {"OLD_WORDS": "NEW_WORDS"}),
        ({"OLD_WORDS": ""}, {}, {}),
    ],
)
def test_an_old_name_gives_its_value_to_the_new_one(
    before: dict[str, str], set_now: dict[str, str], outdated: dict[str, str]
) -> None:
    variables = dict(before)
    assert use_new_names(variables, RENAMED) == outdated
    assert {name: value for name, value in variables.items() if name.startswith("NEW")} == set_now


def test_the_check_names_the_new_name(settings: Settings) -> None:
    settings.OUTDATED_VARIABLES = {"OLD_WORDS": "NEW_WORDS"}
    [message] = [each for each in run_checks() if each.id == "keyrack.W006"]
    assert message.msg == "OLD_WORDS is now called NEW_WORDS."
    settings.OUTDATED_VARIABLES = {}
    assert "keyrack.W006" not in {each.id for each in run_checks()}


def test_two_sites_with_one_redis_count_apart() -> None:
    assert cache.make_key("throttle_known_1").startswith(site.SITE_URL)
