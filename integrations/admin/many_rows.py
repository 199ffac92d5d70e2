"""Admin pages of tables with many rows: choices that are completed, counts that end early."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest

CHOICES_AT_MOST = 200  # options of a select, and names that a filter proposes
COUNTED_AT_MOST = 10_000


def has_more(model: type[Model], number: int) -> bool:
    """Whether the table has more than so many rows. Reads no more than that of an index."""
    return model._default_manager.order_by("pk").values("pk")[number : number + 1].exists()


class CappedCount(int):
    """A number of rows of which no more were counted than `COUNTED_AT_MOST`."""

    def __str__(self) -> str:
        return f"{COUNTED_AT_MOST}+" if self >= COUNTED_AT_MOST else int.__repr__(self)


def capped_count(rows: QuerySet[Any]) -> CappedCount:
    return CappedCount(rows.order_by()[:COUNTED_AT_MOST].count())


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Paginator of the first rows only: to count more takes seconds, and nobody turns two hundred pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return capped_count(rows)


class NameFilter(SimpleListFilter):
    """Filter by the name of a related row: a field for any name, which proposes the first of them."""

    template = "admin/name_filter.html"
    model: type[Any]
    lookup: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = self.model.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names[:CHOICES_AT_MOST]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:  # for a template of our own
        """Yield one entry: the names, and the parameters of the other filters."""
        others = {name: value for name, value in changelist.get_filters_params().items() if name != self.parameter_name}
        yield {
            "names": [name for name, _label in self.lookup_choices],
            "value": self.value() or "",
            "parameter": self.parameter_name,
            "others": [(name, each) for name, values in others.items() for each in values],
        }


def filter_of(model: type[Model], entry: Any) -> Any:
    """Return the entry of a `list_filter`, or a filter by name if its choices would be very many."""
    if not isinstance(entry, str) or "__" in entry:
        return entry
    field = model._meta.get_field(entry)
    other = field.related_model if isinstance(field, ForeignKey) else None
    names = [each.name for each in other._meta.fields] if other else []
    if other is None or "name" not in names or not has_more(other, CHOICES_AT_MOST):
        return entry
    words: dict[str, Any] = {
        "title": other._meta.verbose_name,
        "parameter_name": f"{entry}_name",
        "model": other,
        "lookup": f"{entry}__name",
    }
    return type(f"{other.__name__}Filter", (NameFilter,), words)
