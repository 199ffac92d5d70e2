"""The migration gives stored tokens deadlines that may be too early, and never too late."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from accounts.models import User
from foundation import concurrent_indexes
from integrations.models import Token
from integrations.models.tokens.deadlines import deadlines_of
from tests import cast, walks
from tests.integrations.renewing import due_tokens
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.mark.slow
def test_no_deadline_is_later_than_the_rule(server: HostileServer) -> None:
    alias, now = walks.northwind(server), timezone.now()
    lives = [60, 3600, 20_000, None]
    uses = [None, now - timedelta(days=2), now - timedelta(hours=1)]
    ends = [None, now - timedelta(days=1), now + timedelta(days=3), now + timedelta(days=90)]
    for number, (life, use, end) in enumerate((life, use, end) for life in lives for use in uses for end in ends):
        user = User.objects.create(username=f"person {number}")
        cast.signed_in(user, alias, expires_in=life, last_used_at=use, refresh_expires_at=end)
    Token.objects.update(due_at=None, idle_due_at=None)
    import_module("integrations.migrations.0022_indexes_at_scale").fill_deadlines(apps, None)
    for token in Token.objects.all():
        true = deadlines_of(token, now)
        for name, moment in true._asdict().items():
            stored = getattr(token, name)
            assert moment is None or (stored is not None and stored <= moment), name
    assert due_tokens()


def test_rows_are_updated_in_batches(server: HostileServer) -> None:
    alias = walks.northwind(server)
    for number in range(5):
        cast.signed_in(User.objects.create(username=f"person {number}"), alias)
    assert concurrent_indexes.update_in_batches(Token.objects.all(), size=2, account_label="all") == 5
    assert Token.objects.filter(account_label="all").count() == 5
