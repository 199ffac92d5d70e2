"""Every stored secret is re-encrypted under the first key; unreadable ones are named, and no write is lost."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone
from pytest_django import Settings

from accounts.access_tokens import operations
from accounts.models import User
from foundation import secrets_at_rest
from foundation.secrets_at_rest import EncryptedField, key_id_of, rotation
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    ProviderDraft,
    Revocation,
    SubflowRun,
    Token,
)
from integrations.models.registry import SysIdModel
from integrations.provider_setup import key_checks
from tests import cast, walks
from tests.accounts import proofs
from tests.foundation.rotating import NEW, OLD, OLDER, binary_columns, key_ids, rotate, run, stored
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _one_key_yet(settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [OLD]


@pytest.fixture
def token(server: HostileServer, amira: User) -> Token:
    return cast.signed_in(amira, walks.northwind(server))


@pytest.fixture
def filled(token: Token, bob: User) -> None:
    """Every column that can hold a secret holds one."""
    credential = token.credential
    token.base_url, token.provider_values = "CANARY-home", "CANARY-values"
    token.save()
    attempt = AuthorizationAttempt(user=bob, credential=credential, registry=credential.registry, state_hash="x")
    attempt.code_verifier, attempt.nonce, attempt.answer = "CANARY-verifier", "CANARY-nonce", "CANARY-answer"
    attempt.choices = "CANARY-choices"
    attempt.save()
    cast.signed_in(bob, Alias.objects.get()).end(reason="revoked")
    sealed = {"sealed_inputs": "CANARY-inputs", "sealed_outputs": "CANARY-outputs"}
    SubflowRun.objects.create(name="weekly", user=bob, run_as="user", ends_by=timezone.now(), **sealed)
    ProviderDraft.objects.create(name="Copper Tickets", definition={}, client_secret="CANARY-draft-secret")


def plain() -> dict[str, str]:
    """Every secret as callers read it."""
    return {
        f"{row.pk}.{column.attname}": getattr(row, column.attname)
        for model, columns in rotation.sealed_models()
        for row in model._base_manager.all()
        for column in columns
    }


def refused(*arguments: str) -> tuple[str, CommandError]:
    """Output and error of the command when it could not do everything."""
    output = StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("rotate_token_keys", *arguments, stdout=output, stderr=output)
    return output.getvalue(), failed.value


# Rotation -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_every_stored_secret_comes_under_the_first_key_and_the_old_one_can_go(settings: Settings) -> None:
    before = plain()
    assert len([value for value in before.values() if value.startswith("CANARY")]) == len(stored()) == 15
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    assert key_ids() == {"2025"}
    assert "15 values sealed anew, 15 are under the key 2026 now.\n" in rotate()
    assert key_ids() == {"2026"}
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    assert plain() == before
    assert len({value for _column, _id, value in stored()}) == 15


@pytest.mark.usefixtures("filled")
def test_no_column_that_holds_bytes_is_forgotten() -> None:
    columns = [
        (model._meta.db_table, str(column.column)) for model, columns in rotation.sealed_models() for column in columns
    ]
    assert sorted(columns) == sorted(binary_columns())
    assert {f"{table}.{column}" for table, column in columns} == {name for name, _id, _value in stored()}


@contextmanager
def one_more_model() -> Iterator[type[Any]]:
    """A model with an encrypted field that exists only within the block."""

    class Unthought(SysIdModel):
        secret = EncryptedField(purpose="unthought")
        remark = models.CharField(max_length=20)

        class Meta:
            app_label = "integrations"

        def sealing_context(self) -> str:
            return self.hex

        def __str__(self) -> str:
            return self.remark

    try:
        with connection.schema_editor() as editor:
            editor.create_model(Unthought)
        yield Unthought
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Unthought)
        del apps.all_models["integrations"]["unthought"]
        apps.clear_cache()


def test_a_new_model_is_included_without_anybody_remembering(settings: Settings) -> None:
    with one_more_model() as model:
        row = model.objects.create(secret="CANARY-unthought")
        settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
        assert "1 values sealed anew" in rotate()
        settings.TOKEN_ENCRYPTION_KEYS = [NEW]
        assert model.objects.get(pk=row.pk).secret == "CANARY-unthought"


def test_what_is_under_the_first_key_is_left_alone_and_not_even_opened(token: Token, settings: Settings) -> None:
    """Other values of the same row are re-encrypted. An unreadable one under the first key is not noticed."""
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    token.access_token = "CANARY-renewed"
    token.save()
    ApplicationRegistry.objects.update(client_secret=b"\x01\x042026" + bytes(40))
    before = set(stored())
    assert rotate().startswith("1 values sealed anew")
    changed = before - set(stored())
    assert [column for column, _id, _value in changed] == ["integrations_token.refresh_token"]


def test_keys_that_nothing_needs_any_more_are_named(token: Token, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD, OLDER]
    assert "may be removed: 2024.\n" in rotate("--dry-run")
    assert "may be removed: 2025, 2024.\n" in rotate()


def test_the_check_names_a_key_that_was_removed_too_early(token: Token, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    (message,) = key_checks.keys_are_complete(databases=["default"])
    assert "sealed with the key 2025," in message.msg
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    assert key_checks.keys_are_complete(databases=["default"]) == []
    rotate()
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    assert key_checks.keys_are_complete(databases=["default"]) == []


def test_the_check_names_a_key_that_only_one_value_of_many_still_needs(
    token: Token, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as after a rotation that was killed: it goes by id, so the first rows are done."""
    for number in range(30):
        cast.signed_in(cast.person(f"person-{number}"), Alias.objects.get())
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    settings.TOKEN_ENCRYPTION_KEYS = [OLD, NEW]
    last = Token.objects.order_by("pk")[15]
    last.access_token = "sealed late"
    last.save()
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    (message,) = key_checks.keys_are_complete(databases=["default"])
    assert "sealed with the key 2025," in message.msg


def test_the_check_names_a_key_that_only_a_hash_needs(amira: User, settings: Settings) -> None:
    operations.make_token(amira, name="A program", scopes=[], expires_at=None, by=amira)
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    (message,) = key_checks.keys_are_complete(databases=["default"])
    assert message.msg.startswith("1 permanent tokens or application passwords are hashed with the key 2025,")
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    assert key_checks.keys_are_complete(databases=["default"]) == []


def test_a_rotation_that_was_stopped_shows_in_the_sample_when_its_key_is_removed(
    token: Token, settings: Settings
) -> None:
    for number in range(30):
        cast.signed_in(cast.person(f"person-{number}"), Alias.objects.get())
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    for row in Token.objects.order_by("pk")[:15]:
        row.access_token, row.refresh_token = "moved", "moved"
        row.save()
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    census = rotation.sample_sealed_values()
    assert census.closed["integrations_token.access_token"]["2025"] == 5


def test_the_check_of_keys_is_part_of_the_check_of_a_database(token: Token, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    output = StringIO()
    call_command("check", databases=["default"], stderr=output, stdout=output)
    assert "keyrack.W009" in output.getvalue()


def test_keys_in_another_order_lose_nothing(token: Token, settings: Settings) -> None:
    before = plain()
    for order in ([NEW, OLD], [OLD, NEW], [OLDER, OLD, NEW], [NEW, OLDER, OLD]):
        settings.TOKEN_ENCRYPTION_KEYS = order
        assert plain() == before
        rotate()
        assert plain() == before
        assert key_ids() == {order[0].partition(":")[0]}


@pytest.mark.slow
def test_another_secret_key_loses_nothing(token: Token, tmp_path: Path) -> None:
    """In a process of its own: in this one, derived keys are remembered."""
    ran = run(tmp_path, "--dry-run", SECRET_KEY="another one, and it is long enough to be taken")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split()[-4:] for line in ran.stdout.splitlines()[1:]] == [["2025", "1", "first", "key"]] * 3


@pytest.mark.parametrize(
    "entries", [["a:é"], ["a:" + "A" * 44], [""], [":" + secrets_at_rest.new_key()], [secrets_at_rest.new_key()]]
)
def test_a_keyring_that_cannot_be_meant_is_refused_in_words(entries: list[str]) -> None:
    with pytest.raises(secrets_at_rest.NoKeys, match="must be a comma-separated list of id:base64"):
        secrets_at_rest.parse_keyring(entries)


def test_two_keys_with_one_id_are_refused_before_one_of_them_is_lost() -> None:
    with pytest.raises(secrets_at_rest.NoKeys, match="two keys with the same id"):
        secrets_at_rest.parse_keyring([f"a:{secrets_at_rest.new_key()}", f"a:{secrets_at_rest.new_key()}"])


# Output ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("filled")
def test_a_dry_run_changes_nothing_and_says_what_lies_under_which_key(settings: Settings) -> None:
    AuthorizationAttempt.objects.update(nonce=b"plain text", answer=b"\x01\x04gone" + bytes(40))
    Revocation.objects.update(access_token=Revocation.objects.values_list("refresh_token")[0][0])
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    token = Token.objects.get()
    token.access_token = "CANARY-renewed"
    token.save()
    before = stored()
    output, failed = refused("--dry-run")
    assert stored() == before
    assert re.sub(" +", " ", output.partition("Does not open")[0]) == (
        "Column Key Values Unreadable\n"
        "integrations_applicationregistry.client_secret 2025 1 to be sealed anew\n"
        "integrations_authorizationattempt.answer gone 1 1 this key is not set\n"
        "integrations_authorizationattempt.choices 2025 1 to be sealed anew\n"
        "integrations_authorizationattempt.code_verifier 2025 1 to be sealed anew\n"
        "integrations_authorizationattempt.nonce (not sealed) 1 1\n"
        "integrations_providerdraft.client_secret 2025 1 to be sealed anew\n"
        "integrations_revocation.access_token 2025 1 1 to be sealed anew\n"
        "integrations_revocation.client_secret 2025 1 to be sealed anew\n"
        "integrations_revocation.refresh_token 2025 1 to be sealed anew\n"
        "integrations_subflowrun.sealed_inputs 2025 1 to be sealed anew\n"
        "integrations_subflowrun.sealed_outputs 2025 1 to be sealed anew\n"
        "integrations_token.access_token 2026 1 first key\n"
        "integrations_token.base_url 2025 1 to be sealed anew\n"
        "integrations_token.provider_values 2025 1 to be sealed anew\n"
        "integrations_token.refresh_token 2025 1 to be sealed anew\n"
    )
    assert failed.returncode == 1


def test_a_value_that_does_not_open_is_named_and_left_as_it_is(token: Token, bob: User, settings: Settings) -> None:
    bobs_token = cast.signed_in(bob, Alias.objects.get())
    Token.objects.filter(pk=bobs_token.pk).update(
        access_token=Token.objects.values_list("access_token").get(pk=token.pk)[0]
    )
    unopened = bytes(Token.objects.values_list("access_token").get(pk=bobs_token.pk)[0])
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    output, failed = refused()
    assert f"Does not open: integrations_token.access_token {bobs_token.hex}\n" in output
    assert str(failed) == "1 values do not open. They were left as they are."
    assert failed.returncode == 1
    assert "CANARY" not in output + str(failed)
    assert "may be removed" not in output
    old_values = [value for _column, _id, value in stored() if key_id_of(value) == "2025"]
    assert old_values == [unopened]
    assert Token.objects.get(pk=bobs_token.pk).refresh_token == "CANARY-refresh-1"


def test_without_a_key_it_refuses_in_a_sentence(token: Token, settings: Settings) -> None:
    before = stored()
    for keyring in ([], ["2025:short"]):
        settings.TOKEN_ENCRYPTION_KEYS = keyring
        output, failed = refused()
        assert str(failed).startswith("TOKEN_ENCRYPTION_KEYS ")
        assert str(failed).endswith("Nothing was read or written.")
        assert output == ""
    assert stored() == before


def test_only_a_person_who_watches_is_shown_progress(token: Token, settings: Settings) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    terminal = Terminal()
    call_command("rotate_token_keys", "--dry-run", stdout=terminal, stderr=StringIO())
    assert "\r\x1b[Kintegrations_token: 1 rows" in terminal.getvalue()
    assert "\r" not in rotate()


# Concurrent writes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed_with", [[OLD, NEW], [NEW, OLD]], ids=["the old key", "the new key"])
def test_a_value_written_meanwhile_is_never_overwritten(
    token: Token, settings: Settings, monkeypatch: pytest.MonkeyPatch, sealed_with: list[str]
) -> None:
    """Written between read and write of the rotation, by a process with the new or with the old first key."""
    settings.TOKEN_ENCRYPTION_KEYS = sealed_with
    field = Token._meta.get_field("access_token")
    assert isinstance(field, EncryptedField)
    concurrent_value = secrets_at_rest.seal("CANARY-theirs", purpose=field.purpose, context=field.context_in(token))
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    free = rotation.lock_free_rows
    seen: list[int] = []

    def meanwhile(model: type[models.Model], ids: Any) -> list[Any]:
        if model is Token and not seen:
            seen.append(Token.objects.update(access_token=concurrent_value))
        return free(model, ids)

    monkeypatch.setattr(rotation, "lock_free_rows", meanwhile)
    rotate()
    assert seen == [1]
    assert key_ids() == {"2026"}
    after = Token.objects.get()
    assert (after.access_token, after.refresh_token) == ("CANARY-theirs", "CANARY-refresh-1")


def test_a_row_that_goes_away_meanwhile_is_no_trouble(
    token: Token, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    free = rotation.lock_free_rows

    def meanwhile(model: type[models.Model], ids: Any) -> list[Any]:
        if model is Token:
            Token.objects.get().end(reason="revoked")
        return free(model, ids)

    monkeypatch.setattr(rotation, "lock_free_rows", meanwhile)
    rotate()
    assert not Token.objects.exists()
    assert key_ids() == {"2026"}


def test_second_steps_come_along(amira: User, settings: Settings) -> None:
    """They are in a table of django-allauth, sealed by accounts under the same keys."""
    secret = proofs.app_of(amira)
    proofs.recovery_codes(amira)
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    assert "mfa_authenticator.data" in rotate("--dry-run")
    assert "2 values sealed anew, 2 are under the key 2026 now.\n" in rotate()
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    assert proofs.stored(amira).wrap().validate_code(proofs.code(secret))
    settings.TOKEN_ENCRYPTION_KEYS = [OLDER]
    output, _error = refused()
    assert f"Does not open: mfa_authenticator.data {proofs.stored(amira).pk}" in output
