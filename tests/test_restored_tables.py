"""What a test stores in real transactions is gone after it, and what a new database has is there."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from foundation.installation import Installation
from integrations.models.configuration_templates import ConfigurationTemplate
from tests import cast
from tests.restored_tables import Tables

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
OURS = Installation._meta.db_table


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    yield tables
    tables.restore()


def contents() -> dict[str, list[object]]:
    models = (model for model in apps.get_models(include_auto_created=True) if model._meta.managed)
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values_list())
        for model in models
        if model._meta.db_table != OURS
    }


def test_all_is_as_it_was(tables: Tables) -> None:
    before, mark = contents(), Installation.objects.get().mark
    cast.person("amira").groups.add(Group.objects.earliest("pk"))
    Group.objects.latest("pk").delete()
    Permission.objects.update(name="Another")
    ContentType.objects.latest("pk").delete()
    ConfigurationTemplate.objects.all().delete()
    assert contents() != before
    tables.restore()
    assert contents() == before
    assert Installation.objects.get().mark != mark


def test_only_what_differs_is_written(tables: Tables) -> None:
    cast.person("amira")
    with CaptureQueriesContext(connection) as queries:
        tables.restore()
    written = [
        query["sql"].split('"')[1] for query in queries if query["sql"].startswith(("DELETE", "INSERT", "UPDATE"))
    ]
    assert set(written) == {User._meta.db_table, User.groups.through._meta.db_table, OURS}
