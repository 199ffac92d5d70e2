"""Tokens from before the agreed addresses get those of the day of the migration; nobody has to sign in again."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from integrations.models import ApplicationRegistry, Token
from tests import cast

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_existing_tokens_agree_to_the_present_set_up(request: pytest.FixtureRequest, amira: User) -> None:
    if request.config.getoption("nomigrations"):
        pytest.skip("this run makes its tables without migrations")
    alias = cast.integration_at(
        cast.registry_at("https://northwind.example", call_headers={"X-A": "1"}, base_url_hosts="*.a.example b.example")
    )
    token = cast.signed_in(amira, alias)
    graph = MigrationExecutor(connection).loader.graph
    after = [key for key in graph.nodes if key[0] == "integrations" and key[1].endswith("_agreed_addresses")]
    before = [node.key for node in graph.node_map[after[0]].parents if node.key[0] == "integrations"]
    try:
        migrate(before)
    finally:
        migrate(graph.leaf_nodes())
    stored = Token.objects.with_registry().get()
    assert stored.agreed == token.agreed
    assert not stored.address_changes("https://northwind.example/api")
    ApplicationRegistry.objects.update(token_url="https://evil.example/token")
    assert Token.objects.with_registry().get().address_changes()


def migrate(targets: Any) -> None:
    MigrationExecutor(connection).migrate(targets)
