"""Abstract base of records with a `sys_id`. Knows no table."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models

from foundation.secrets_at_rest import sealed_names


class SysIdModel(models.Model):
    """Record whose id is a UUID, shown as ServiceNow's `sys_id`: 32 hexadecimal digits."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True

    @property
    def hex(self) -> str:
        return self.id.hex

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        """Reload as Django does, but copy sealed values without opening them, so that no key is needed."""
        rows = from_queryset or type(self)._base_manager.db_manager(using or self._state.db, hints={"instance": self})
        sealed = sealed_names(type(self)).intersection(fields or sealed_names(type(self)))
        rest = None if fields is None else [name for name in fields if name not in sealed]
        if rest is None or rest:
            super().refresh_from_db(using, rest, rows.defer(*sealed))
        if sealed:
            self.__dict__.update(rows.filter(pk=self.pk).values(*sealed).get())
