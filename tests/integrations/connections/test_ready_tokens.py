"""One statement finds what the long way finds, or leaves it to the long way; it never finds more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.api import authentication
from accounts.models import User
from foundation.oauth_client.errors import OAuthError
from integrations import circuit_breaker
from integrations.connections import renewal
from integrations.connections.renewal import ready_calls
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, Token, admission
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast
from tests.integrations.renewing import ASKED, credential_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db]

OTHER_KEY = "other:" + "A" * 43 + "="


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Where no token can be renewed, so that asking changes nothing."""
    server.on(ASKED).always(status=503)
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def everywhere(model: type[models.Model], **fields: Any) -> Callable[[], object]:
    return lambda: model._default_manager.update(**fields)


def expires(seconds: float) -> Callable[[], object]:
    return lambda: Token.objects.update(expires_at=timezone.now() + timedelta(seconds=seconds))


def share(*, with_amira: bool) -> None:
    friends = Group.objects.create(name="friends")
    Alias.objects.get().groups.add(friends)
    if with_amira:
        User.objects.get(username="amira").groups.add(friends)


def into_a_credential_alias() -> None:
    """It names the credential itself; its connection, to another credential, says nothing any more."""
    alias = Alias.objects.get()
    other = OAuth2Credential.objects.create(
        name="other", profile=credential_of(alias).profile, integration_type="personal"
    )
    Alias.objects.update(type="credential", credential=credential_of(alias))
    HttpConnection.objects.update(credential=other)


def hand_to_bob() -> None:
    Token.objects.update(user=cast.person("bob"))


def swap_with_bobs() -> None:
    """Whoever can write into the table still cannot use another's token."""
    theirs = cast.signed_in(cast.person("bob"), Alias.objects.get(), access_token="CANARY-bob")
    mine = Token.objects.exclude(pk=theirs.pk)
    mine.update(access_token=Token.objects.filter(pk=theirs.pk).values("access_token")[:1])


def lose_the_role() -> None:
    User.objects.get(username="amira").groups.clear()


ORDINARY: dict[str, Callable[[], object]] = {
    "as it is": lambda: None,
    "no expiry": everywhere(Token, expires_at=None),
    "nothing to renew it with": everywhere(Token, refresh_token=None),
    "cannot be renewed, lives": everywhere(Token, failure_code="renewal_interrupted"),
    "an alias for a group of hers": lambda: share(with_amira=True),
    "an alias that names its credential": into_a_credential_alias,
}
NOT_ORDINARY: dict[str, Callable[[], object]] = {
    "due": expires(100),
    "expired": expires(-1),
    "refused": everywhere(Token, state="needs_reauth", failure_code="invalid_grant"),
    "signed out": lambda: Token.objects.all().delete(),
    "somebody else's": hand_to_bob,
    "no bytes": everywhere(Token, access_token=None),
    "planted bytes": everywhere(Token, access_token=b"CANARY-planted"),
    "another's bytes": swap_with_bobs,
    "alias off": everywhere(Alias, active=False),
    "credential off": everywhere(OAuth2Credential, active=False),
    "registry off": everywhere(ApplicationRegistry, active=False),
    "connection off": everywhere(HttpConnection, active=False),
    "connection gone": lambda: HttpConnection.objects.all().delete(),
    "connection without a credential": everywhere(HttpConnection, credential=None),
    "credential for the system": everywhere(OAuth2Credential, integration_type="system"),
    "deactivated": everywhere(User, is_active=False),
    "without the role": lose_the_role,
    "an alias for another group": lambda: share(with_amira=False),
}


Outcome = tuple[object, ...]


def outcome(user: User, reference: str) -> Outcome:
    api = PersonalAuthAPI(user)
    Token.objects.update(lease_owner="", lease_expires_at=None)
    ApplicationRegistry.objects.update(**circuit_breaker.WELL)
    valid = api.is_token_valid(reference)
    try:
        held = api.get_token(reference)
        return (valid, held.access_token, held.token_type, held.scopes, held.expires_in is None)
    except (NotAuthenticated, OAuthError) as error:
        return (valid, type(error), error.code)


def both_ways(
    user: User, reference: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[tuple[object, ...], tuple[object, ...]]:
    short = outcome(user, reference)
    with monkeypatch.context() as patch:
        patch.setattr(renewal, "ready_call", lambda *_words, **_fields: None)
        return short, outcome(user, reference)


@pytest.mark.parametrize(
    ("change", "is_ordinary"),
    [*((each, True) for each in ORDINARY.values()), *((each, False) for each in NOT_ORDINARY.values())],
    ids=[*ORDINARY, *NOT_ORDINARY],
)
def test_both_ways_lead_to_the_same(
    change: Callable[[], object], is_ordinary: bool, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a caller who has read the user just now, and for one who did so long before."""
    before = User.objects.get(username="amira")
    change()
    for user in (before, User.objects.get(pk=before.pk)):
        short, long = both_ways(user, "northwind", monkeypatch)
        assert short == long
        assert bool(renewal.ready_call(user, "northwind")) is is_ordinary
        if is_ordinary:
            assert short[:2] == (True, "CANARY-access-1")


@pytest.mark.parametrize("keys", [[OTHER_KEY], []], ids=["another key", "no key"])
def test_without_its_key_the_long_way_says_why(
    keys: list[str], amira: User, northwind: Alias, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    short, long = both_ways(amira, "northwind", monkeypatch)
    assert short == long == (False, NotAuthenticated, "unreadable")


def test_an_alias_is_found_by_all_its_names(amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    for reference in ("northwind", northwind.hex, northwind.hex.upper(), str(northwind.pk)):
        assert renewal.ready_call(amira, reference), reference
    for reference in ("Northwind", "south", "", "a\0b", credential_of(northwind).hex, "%s", "%(name)s", "' OR 1=1 --"):
        assert renewal.ready_call(amira, reference) is None, reference
        short, long = both_ways(amira, reference, monkeypatch)
        assert short == long == (False, NotAuthenticated, "not_available")


def test_how_long_it_is_needed_counts(amira: User, northwind: Alias) -> None:
    assert renewal.ready_call(amira, "northwind", minimum_seconds=3000)
    assert renewal.ready_call(amira, "northwind", minimum_seconds=5000) is None


@pytest.mark.parametrize(
    "fields",
    [{"failure_code": "invalid_grant"}, {"refresh_expiry": "known", "refresh_expires_at": timezone.now()}],
    ids=["a renewal was refused", "the refresh token has ended"],
)
def test_an_old_token_without_a_known_end_is_not_due_if_nothing_renews_it(
    fields: dict[str, Any], amira: User, northwind: Alias
) -> None:
    Token.objects.update(expires_at=None, refreshed_at=None, signed_in_at=timezone.now() - timedelta(hours=3))
    assert renewal.ready_call(amira, "northwind", minimum_seconds=60) is None
    Token.objects.update(**fields)
    assert not Token.objects.get().renews_itself
    assert renewal.ready_call(amira, "northwind", minimum_seconds=60)


def test_it_is_one_statement(amira: User, northwind: Alias, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    api = PersonalAuthAPI(amira)
    api.get_token("northwind")  # the person's rights are known afterwards
    for reference in ("northwind", northwind.hex):
        with django_assert_num_queries(1):
            assert api.get_token(reference).access_token == "CANARY-access-1"
        with django_assert_num_queries(1):
            assert api.is_token_valid(reference)


def test_what_programs_ask_by_name_is_short_enough_to_be_read_once(amira: User, northwind: Alias) -> None:
    """psycopg takes a statement of more bytes apart at each call, which costs a quarter of the answer."""
    renewal.prepare()
    for kind in (None, *authentication.TOKEN_KINDS):
        statement = ready_calls.statement_for(kind, False, tuple(admission.RULES))
        assert max(len(each.sql.encode()) for each in statement.statements.values()) <= 4096
        assert not any(each.constants for each in statement.statements.values()), "each costs time in every call"


def test_its_repr_is_harmless(amira: User, northwind: Alias) -> None:
    assert "CANARY" not in repr(renewal.ready_call(amira, "northwind"))
