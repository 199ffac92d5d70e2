"""The kill switch does not wait for rows that another process has locked."""

import time
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import User
from integrations.connections import kill_switch
from integrations.connections.kill_switch import Target
from integrations.models import Token
from tests import cast, walks

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_locked_rows_are_passed_over_and_ended_later(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database has no row locks")
    alias = walks.northwind(server)
    held = cast.signed_in(User.objects.create(username="held"), alias)
    for number in range(3):
        cast.signed_in(User.objects.create(username=f"free {number}"), alias)
    is_locked, may_end = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Token.objects.select_for_update().get(pk=held.pk)
            is_locked.set()
            may_end.wait(20)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert is_locked.wait(20)
    monkeypatch.setattr(kill_switch, "PATIENCE", 0.2)
    monkeypatch.setattr(kill_switch, "TRY_AGAIN", 0.05)
    target = Target(registry=walks.registry_of(alias))
    began = time.monotonic()
    tally = kill_switch.end_sign_ins(target, by="root", per_second=10, note=lambda _tally: None)
    assert (tally.tokens, tally.not_ended) == (3, 1)
    assert time.monotonic() - began < 10
    may_end.set()
    holder.join()
    assert kill_switch.end_sign_ins(target, by="root", per_second=10, note=lambda _tally: None).not_ended == 0
    assert not Token.objects.exists()
