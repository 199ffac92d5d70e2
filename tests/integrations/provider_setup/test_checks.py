"""`manage.py check` says in words what is half set up, and refuses what would let tokens travel unprotected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from pytest_django import Settings

from config.celery_settings import broker_options
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, OAuthEntityProfile
from integrations.provider_setup.checks import connections_suffice
from tests import cast


def told(*, include_deployment_checks: bool = False) -> set[str]:
    """The codes of what is said about the rows that are there."""
    tags = [checks.Tags.database, checks.Tags.security]
    found = checks.run_checks(tags=tags, databases=["default"], include_deployment_checks=include_deployment_checks)
    return {str(message.id) for message in found if str(message.id).startswith("keyrack.")}


@pytest.fixture
def alias(db: None) -> Alias:
    return cast.integration_at(cast.registry_at("https://northwind.example"))


def test_a_whole_set_up_is_not_spoken_of(alias: Alias) -> None:
    assert told() == set()


def without_profile() -> None:
    HttpConnection.objects.all().delete()
    Alias.objects.all().delete()
    OAuth2Credential.objects.all().delete()
    OAuthEntityProfile.objects.all().delete()


def public_without_pkce() -> None:
    ApplicationRegistry.objects.update(send_credentials="none", pkce_required=False)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("keyrack.W010", without_profile),
        ("keyrack.W011", lambda: ApplicationRegistry.objects.update(authorization_url="")),
        ("keyrack.W017", lambda: ApplicationRegistry.objects.update(token_url=F("authorization_url"))),
        (
            "keyrack.W017",
            lambda: ApplicationRegistry.objects.update(
                token_url=F("authorization_url"), authorization_url=F("token_url")
            ),
        ),
        ("keyrack.W012", lambda: ApplicationRegistry.objects.update(client_secret=None)),
        ("keyrack.W013", public_without_pkce),
        ("keyrack.W014", lambda: ApplicationRegistry.objects.update(token_revocation_url="")),
        ("keyrack.W015", lambda: ApplicationRegistry.objects.update(revocation_request={"verb": "DELETE"})),
        ("keyrack.W015", lambda: ApplicationRegistry.objects.update(revocation_request={"body": "none"})),
        ("keyrack.W020", lambda: HttpConnection.objects.update(active=False)),
        ("keyrack.W020", lambda: HttpConnection.objects.update(credential=None)),
        ("keyrack.W021", lambda: OAuth2Credential.objects.update(active=False)),
    ],
)
def test_what_is_half_configured_is_named(alias: Alias, code: str, spoil: Callable[[], object]) -> None:
    spoil()
    assert told() == {code}


def test_what_is_turned_off_is_left_in_peace(alias: Alias) -> None:
    ApplicationRegistry.objects.update(active=False, authorization_url="")
    Alias.objects.update(active=False)
    assert told() == set()


@pytest.mark.parametrize("name", ["OAUTHLIB_INSECURE_TRANSPORT", "OAUTHLIB_RELAX_TOKEN_SCOPE"])
def test_switches_that_hold_for_the_whole_process_fail_a_deployment(
    name: str, alias: Alias, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_IS_SECURE = True
    assert "keyrack.E001" not in told(include_deployment_checks=True)
    monkeypatch.setenv(name, "1")
    assert "keyrack.E001" in told(include_deployment_checks=True)


def test_a_deployment_without_keys_or_https_is_named(alias: Alias, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS, settings.SITE_IS_SECURE = [], False
    assert {"keyrack.E002", "keyrack.W001"} <= told(include_deployment_checks=True)


def test_the_command_says_it_in_words(alias: Alias, capsys: pytest.CaptureFixture[str]) -> None:
    ApplicationRegistry.objects.update(token_revocation_url="")
    call_command("check", databases=["default"])
    assert "Northwind: (keyrack.W014) The Token Revocation URL is missing" in capsys.readouterr().err


# The queue ------------------------------------------------------------------------------------------------------------


def told_of_the_queue() -> set[str]:
    return {str(message.id) for message in checks.run_checks(tags=["queue"])}


def under(monkeypatch: pytest.MonkeyPatch, conf: dict[str, Any]) -> None:
    """These settings of Celery for one test."""
    for name, value in conf.items():
        monkeypatch.setitem(current_app.conf, name, value)


@pytest.mark.parametrize("url", ["filesystem://localhost//", "redis://queue.example/0", "amqp://queue.example//"])
def test_the_queue_as_it_comes_is_not_spoken_of(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    under(monkeypatch, {"broker_url": url, "broker_transport_options": broker_options(url, tmp_path)})
    assert told_of_the_queue() == set()


@pytest.mark.parametrize(
    ("code", "conf"),
    [
        ("keyrack.E030", {"broker_url": "redis://", "broker_transport_options": {"visibility_timeout": 60}}),
        ("keyrack.E030", {"broker_url": "sentinel://", "broker_transport_options": {"visibility_timeout": 30}}),
        ("keyrack.E031", {"broker_url": "amqp://", "broker_transport_options": {}}),
        ("keyrack.E031", {"broker_url": "amqps://", "broker_transport_options": {"confirm_publish": False}}),
        ("keyrack.E032", {"accept_content": ["json", "pickle"]}),
        ("keyrack.E032", {"task_serializer": "pickle"}),
        ("keyrack.E032", {"result_serializer": "pickle"}),
    ],
)
def test_a_queue_that_could_lose_or_run_what_it_should_not_is_refused(
    code: str, conf: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    under(monkeypatch, conf)
    assert told_of_the_queue() == {code}


def odd() -> None:
    """Does nothing."""


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("keyrack.E033", {"ignore_result": False}),
        ("keyrack.E034", {"time_limit": 601}),
        ("keyrack.E034", {"time_limit": 0}),
        ("keyrack.E035", {"acks_late": True}),
    ],
)
def test_a_task_that_could_hang_or_come_twice_unasked_is_refused(
    code: str, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(lambda: current_app.tasks.pop("odd", None))
    assert told_of_the_queue() == set()
    current_app.task(name="odd", lazy=False, **options)(odd)  # type: ignore[no-untyped-call]  # celery-types'
    assert told_of_the_queue() == {code}


def test_redis_waits_longer_than_the_longest_task(monkeypatch: pytest.MonkeyPatch) -> None:
    under(monkeypatch, {"broker_url": "redis://", "broker_transport_options": {"visibility_timeout": 61}})
    assert told_of_the_queue() == set()
    monkeypatch.setattr(tasks.deliver_revocation, "time_limit", 61)
    assert told_of_the_queue() == {"keyrack.E030", "keyrack.E034"}


@pytest.mark.django_db
@pytest.mark.parametrize("processes", ["", "2"])
def test_limits_that_each_process_counts_for_itself_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", processes)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert "keyrack.W002" in told(include_deployment_checks=True)
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    assert "keyrack.W002" not in told(include_deployment_checks=True)
    monkeypatch.setenv("WEB_CONCURRENCY", processes)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
    assert "keyrack.W002" not in told(include_deployment_checks=True)


@pytest.mark.parametrize(("pool", "is_named"), [(0, True), (16, False), (60, True)])
def test_threads_that_would_take_all_connections_of_postgresql_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, pool: int, is_named: bool
) -> None:
    for name in ("WEB_CONCURRENCY", "GRANIAN_WORKERS", "GRANIAN_BLOCKING_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "vendor", "postgresql")
    settings.DATABASE_POOL = pool
    assert bool(connections_suffice()) is is_named
