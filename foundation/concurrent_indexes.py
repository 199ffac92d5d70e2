"""Migration operations for large tables of a running site: indexes built without blocking writers, rows in batches."""

from typing import Any
from uuid import UUID

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexConcurrently(migrations.AddIndex):
    """Add an index, on PostgreSQL with CREATE INDEX CONCURRENTLY. Safe to repeat after an interruption.

    The migration has to be `atomic = False`.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            editor: Any = schema_editor
            editor.remove_index(model, self.index, concurrently=True)  # one that an interruption left is not valid
            editor.add_index(model, self.index, concurrently=True)


def update_in_batches(rows: "models.QuerySet[Any]", size: int = 5000, **changes: Any) -> int:
    """Update rows with UUIDs as keys in batches, each in a transaction of its own. Returns how many were changed."""
    changed, last = 0, UUID(int=0)
    while True:
        keys = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:size])
        if not keys:
            return changed
        changed += rows.model._default_manager.filter(pk__in=keys).update(**changes)
        last = keys[-1]
