"""`manage.py check` says in words what is half set up, and refuses what would let tokens travel unprotected."""

from collections.abc import Callable

import pytest
from django.core import checks
from django.core.management import call_command
from pytest_django import Settings

from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, OAuthEntityProfile
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
        ("keyrack.W012", lambda: ApplicationRegistry.objects.update(client_secret=None)),
        ("keyrack.W013", public_without_pkce),
        ("keyrack.W014", lambda: ApplicationRegistry.objects.update(token_revocation_url="")),
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
