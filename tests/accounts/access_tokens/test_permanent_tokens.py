"""Permanent tokens: format, storage, scopes and end."""

import base64
import io
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts import scopes
from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from foundation import secrets_at_rest
from integrations.models import Alias
from tests import cast, walks
from tests.accounts.tokens import BASE, DAY, caller, make_token, status
from tests.servers.hostile import HostileServer
from tests.test_house import OPEN, SITE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_has_been_refused() -> None:
    cache.clear()


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    alias = walks.northwind(server)
    Alias.objects.update(allow_token_export=True)
    cast.signed_in(amira, alias)
    return alias


# What it looks like, and what is stored -------------------------------------------------------------------------------


def test_no_two_are_alike_and_a_scanner_knows_one_when_it_sees_it(amira: User) -> None:
    tokens = {operations.new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(operations.TOKEN_PATTERN.fullmatch(token) and operations.public_part(token) for token in tokens)
    assert len(operations.DIGITS) ** operations.SECRET > 2**160  # beyond what the database shows


@pytest.mark.parametrize("wrong", ["", "krk_pt_", "krk_pt_" + "a" * 36, "krk_pt_" + "a" * 36 + "_000000", "é" * 50])
def test_what_cannot_be_one_is_refused_without_asking_the_database(
    wrong: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert operations.verify_token(wrong) is None
        assert not wrong.startswith(operations.TOKEN_PREFIX) or status(wrong) == 401


def test_every_letter_counts(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira)
    for place in (8, 20, 44, 49):
        other = secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
        assert operations.public_part(other) == ""
    forged = secret[:20] + "".join(secrets.choice("abc") for _ in range(23))
    forged += "_" + operations.token_checksum(forged)
    assert operations.public_part(forged) == operations.public_part(secret)  # the same row is found
    assert (status(secret), status(forged)) == (200, 401)


def test_neither_the_token_nor_a_hash_without_the_key_is_in_the_database(amira: User) -> None:
    token, token_text = make_token(amira)
    with connection.cursor() as cursor:
        cursor.execute("select * from accounts_permanenttoken")
        stored = str(cursor.fetchall())
    secret = token_text[len("krk_pt_") + operations.PUBLIC :]
    assert secret not in stored
    assert token.pepper_id == "test"
    other = secrets_at_rest.keyed_hash(token_text, key_id="test", purpose="accounts:application-password")
    assert token.keyed_hash not in {"", other, token_text}
    assert token_text not in f"{token!r}{Event.objects.values()}"


def test_no_log_has_it(amira: User, northwind: Alias, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _token, secret = make_token(amira)
    assert (status(secret), status(secret[:-1]), status(f"{secret} x")) == (200, 401, 401)
    assert caplog.records
    assert secret[20:40] not in caplog.text


def test_a_token_outlives_the_change_of_keys_while_its_own_is_listed(
    amira: User, northwind: Alias, settings: Settings
) -> None:
    unused, used = make_token(amira, name="unused")[1], make_token(amira, name="used")[1]
    new = "new:" + base64.b64encode(secrets.token_bytes(32)).decode()
    old = list(settings.TOKEN_ENCRYPTION_KEYS)
    settings.TOKEN_ENCRYPTION_KEYS = [new, *old]
    assert status(used) == 200
    assert PermanentToken.objects.get(name="used").pepper_id == "new"  # moved by being used
    output = io.StringIO()
    call_command("rotate_token_keys", stdout=output)
    assert "1 permanent tokens or application passwords are hashed with test." in output.getvalue()
    assert "may be removed" not in output.getvalue()
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    operations.verify_token(used)
    assert operations.verify_token(used) is not None
    assert operations.verify_token(unused) is None


# What it may do -------------------------------------------------------------------------------------------------------


def test_it_may_what_its_scopes_say(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira, "tokens:read", "service:northwind")
    assert caller(secret).get(f"{BASE}northwind/token/").json()["access_token"] == "CANARY-access-1"
    assert caller(secret).get(BASE).json()["error"] == "insufficient_scope"
    assert caller(secret).post(f"{BASE}northwind/revoke/").status_code == 403


@pytest.mark.slow
def test_a_narrow_token_opens_no_other_address_of_the_site(admin: User, northwind: Alias) -> None:
    """The owner is a superuser, but the token has one scope."""
    _token, secret = make_token(admin)
    client = caller(secret)
    for address, pattern in sorted(SITE.items()):
        for method in ("get", "post"):
            response = getattr(client, method)(address)
            assert settings.SESSION_COOKIE_NAME not in response.cookies, address
            may = may_integrations_read(getattr(pattern.callback, "view_class", None), method.upper())
            assert response.status_code != 200 or may or address in {*OPEN, "/api/v1/schema/"}, address
    assert PermanentToken.objects.count() == 1


def may_integrations_read(view: Any, method: str) -> bool:
    return getattr(view, "scopes", {}).get(method) == ["integrations:read"]


def test_no_token_makes_ends_or_sees_tokens(admin: User) -> None:
    token, secret = make_token(admin, *scopes.FIXED)
    client = caller(secret)
    pages = ["/accounts/security/", "/accounts/security/tokens/new/", f"/accounts/users/{admin.pk}/security/"]
    pages += [f"/accounts/security/tokens/{token.hex}/delete/", "/admin/accounts/permanenttoken/", "/o/authorize/"]
    for page in pages:
        for answer in (client.get(page), client.post(page, {"name": "x", "scopes": ["integrations:read"]})):
            assert answer.status_code in (302, 403, 405), page
            assert answer.status_code != 302 or "/login/" in answer["Location"], page
    assert PermanentToken.objects.alive().count() == 1


def test_only_the_header_carries_it(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira)
    assert Client().get(BASE, {"access_token": secret}).status_code == 401
    assert Client().get(BASE, headers={"Cookie": f"Authorization={secret}"}).status_code == 401
    assert Client().post(BASE, {"access_token": secret}).status_code == 401


@pytest.mark.slow
def test_what_its_owner_loses_it_loses_at_once(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira, "integrations:read", "tokens:read", "service:northwind")
    assert status(secret, f"{BASE}northwind/token/") == 200
    northwind.groups.add(Group.objects.create(name="Finance"))
    assert status(secret, f"{BASE}northwind/token/") in (403, 404)
    assert status(secret) == 200
    amira.groups.clear()
    assert status(secret) == 403
    amira.groups.add(Group.objects.get(name="Personal Auth User"))
    User.objects.update(is_active=False)
    assert status(secret) == 401


def test_what_its_owner_gains_it_does_not(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira)
    User.objects.filter(pk=amira.pk).update(is_superuser=True, is_staff=True)
    assert status(secret) == 200
    assert status(secret, f"{BASE}northwind/token/") == 403
    assert status(secret, "/admin/") == 302


def test_nobody_gives_away_what_they_do_not_have(amira: User, northwind: Alias) -> None:
    northwind.groups.add(Group.objects.create(name="Finance"))
    for scope in ("service:northwind", "service:nowhere", "made-up"):
        with pytest.raises(PermissionDenied):
            make_token(amira, scope)
    with pytest.raises(PermissionDenied):
        make_token(cast.person("guest", role=False), "integrations:read")
    assert not PermanentToken.objects.exists()


# When it ends, and when it was used -----------------------------------------------------------------------------------


def test_expired_deleted_and_never_made_are_the_same_401(amira: User, northwind: Alias) -> None:
    expired, (gone, deleted) = make_token(amira, expires_at=timezone.now() - DAY)[1], make_token(amira)
    assert operations.end_secret(gone, who=amira)
    assert not operations.end_secret(gone, who=amira)  # safe to repeat
    answers = [caller(secret).get(BASE) for secret in (expired, deleted, operations.new_token(), "made-up")]
    assert {answer.status_code for answer in answers} == {401}
    (challenge,) = {answer["WWW-Authenticate"] for answer in answers}
    assert challenge.startswith('Bearer realm="keyrack", error="invalid_token"')
    assert len({answer.content for answer in answers}) == 1
    assert PermanentToken.objects.get(pk=gone.pk).keyed_hash == ""
    assert Event.objects.filter(kind="token_deleted").count() == 1


def test_it_ends_at_its_moment(amira: User, northwind: Alias) -> None:
    token, secret = make_token(amira)
    assert token.expires_at
    with time_machine.travel(token.expires_at - timedelta(seconds=10)):
        assert status(secret) == 200
    with time_machine.travel(token.expires_at):
        assert status(secret) == 401


def test_what_ended_stays_listed_for_thirty_days_and_is_forgotten_then(amira: User) -> None:
    expiring, deleted = make_token(amira, expires_at=timezone.now() + DAY)[0], make_token(amira, expires_at=None)[0]
    operations.end_secret(deleted, who=amira)
    everything = PermanentToken.objects.all()
    with time_machine.travel(timezone.now() + 29 * DAY):
        assert set(everything.listed()) == {expiring, deleted}
        assert not everything.long_ended().exists()
    with time_machine.travel(timezone.now() + 32 * DAY):
        assert not everything.listed().exists()
        assert everything.long_ended().count() == 2


@pytest.mark.slow
def test_the_last_use_is_written_once_a_minute_with_its_address(amira: User, northwind: Alias) -> None:
    token, secret = make_token(amira)
    now = timezone.now()
    for seconds, written in ((0, 0), (20, 0), (59, 0), (70, 70), (125, 70), (131, 131)):
        with time_machine.travel(now + timedelta(seconds=seconds), tick=False):
            assert status(secret, REMOTE_ADDR="198.51.100.7") == 200
        token.refresh_from_db()
        assert token.last_used_at == now + timedelta(seconds=written)
    assert token.last_used_from == "198.51.100.7"
    assert Event.objects.filter(kind="token_first_used", whose=amira).count() == 1


def test_a_use_costs_few_queries(
    amira: User, northwind: Alias, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    _token, secret = make_token(amira, "integrations:read", "service:northwind")
    operations.verify_token(secret)
    with django_assert_max_num_queries(4):
        token = operations.verify_token(secret)
        assert token
        assert len(operations.effective_scopes(token)) == 2


# Guessing -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@time_machine.travel(datetime(2030, 1, 1, 0, 1, 40, tzinfo=UTC), tick=False)  # a limit's period began 100 s ago
def test_who_tries_many_is_told_to_wait_and_others_are_not(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira)
    answers = [caller(operations.new_token()).get(BASE) for _ in range(110)]
    assert [answer.status_code for answer in answers] == [401] * 100 + [429] * 10
    assert int(answers[-1]["Retry-After"]) == 500
    assert answers[-1].json()["error"] == "too_many_requests"
    assert status(operations.new_token(), headers={"X-Forwarded-For": "203.0.113.4"}) == 429
    assert status(operations.new_token(), REMOTE_ADDR="198.51.100.7") == 401
    assert status(secret) == 200  # what is alive is no guess
    network = [status(operations.new_token(), REMOTE_ADDR=f"2001:db8::{number:x}") for number in range(110)]
    assert network[-1] == 429  # whoever has one address of it has as many as they like


def test_every_scope_has_words() -> None:
    assert all(str(words) for words in scopes.all_scopes().values())
    assert settings.PERMANENT_TOKEN_DEFAULT_DAYS == 90
