"""What every record of the set-up has in common. Knows no table."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models

from foundation.secrets_at_rest import sealed_names


class SysIdModel(models.Model):
    """A record whose id is a UUID, shown as ServiceNow's `sys_id`: 32 hexadecimal digits."""

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
        """Django takes each value over by reading it. What lies sealed stays sealed here, so that no key is needed."""
        rows = from_queryset or type(self)._base_manager.db_manager(using or self._state.db, hints={"instance": self})
        sealed = sealed_names(type(self)).intersection(fields or sealed_names(type(self)))
        rest = None if fields is None else [name for name in fields if name not in sealed]
        if rest is None or rest:
            super().refresh_from_db(using, rest, rows.defer(*sealed))
        if sealed:
            self.__dict__.update(rows.filter(pk=self.pk).values(*sealed).get())
