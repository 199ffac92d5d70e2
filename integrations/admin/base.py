"""What every page of the admin keeps to: no secret can be searched for, and a deletion names whom it hits."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models.tokens import Token, TokenQuerySet

NAMES_SHOWN = 20
NOTHING = "–"


class Choosing:
    """Choosing another record is no place to delete it."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc]  # an admin's
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_delete_related = False
        return field


class RowForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A line of a table, whose heading is no label to a screen reader."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = field.label


class RowFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The box that deletes a line stands under such a heading, too."""

    def get_deletion_widget(self) -> forms.Widget:  # type: ignore[override]  # Django takes a class or one of it
        return forms.CheckboxInput(attrs={"aria-label": _("Delete")})


class Page(Choosing, admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    tokens_below = ""  # how a token leads to this page's rows
    deletion_note: Any = ""  # what becomes of those tokens

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}
        js = ["keyrack/admin.js"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Sealed or not: bytes are no search criterion, and guessing by prefix is guessing."""
        try:
            field = self.opts.get_field(lookup.partition("__")[0])
        except FieldDoesNotExist:
            field = None
        if isinstance(field, models.BinaryField):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        hit = self.whom_a_deletion_hits(objs)
        return [*hit, *deleted], counts, lacking, [*hit, *protected] if protected else []

    def whom_a_deletion_hits(self, objs: Iterable[Any]) -> list[str]:
        return whom_it_hits(self.tokens_of(objs), self.deletion_note)

    def tokens_of(self, objs: Iterable[Any]) -> TokenQuerySet:
        if not self.tokens_below:
            return Token.objects.none()
        return Token.objects.filter(**{f"{self.tokens_below}__in": [obj.pk for obj in objs]})


class ReadOnly(Page):
    """Rows that write themselves."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def whom_it_hits(tokens: TokenQuerySet, note: str) -> list[str]:
    """One line with the people behind some tokens; none when there are none."""
    names = [name or _("System") for name in tokens.order_by("user__username").values_list("user__username", flat=True)]
    if not names:
        return []
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    one, more = "%(count)d sign-in is affected: %(names)s.", "%(count)d sign-ins are affected: %(names)s."
    told = ngettext(one, more, len(names)) % {"count": len(names), "names": shown}
    return [f"{told} {note}".strip()]


def quietly(loud: str, quiet: str) -> SafeString:
    """A cell with a second line; only the first when there is nothing for it."""
    return format_html('{}<span class="quiet">{}</span>', loud, quiet) if quiet else format_html("{}", loud)


def copyable(value: str, name: str) -> SafeString:
    """A value with a button that copies it; without JavaScript it is text to select."""
    return format_html(
        '<span class="copyable"><code>{}</code> <button type="button" class="button" data-copy data-copied="{}"'
        ' data-failed="{}">{}<span class="visually-hidden"> {}</span></button> <span role="status"></span></span>',
        value,
        _("Copied"),
        _("Selected: press Ctrl+C"),
        _("Copy"),
        name,
    )


def day(at: datetime) -> str:
    return str(localize(localtime(at).date()))


def hour(at: datetime) -> str:
    return str(localize(localtime(at).time()))


def moment(at: datetime | None) -> str:
    return str(localize(localtime(at))) if at else NOTHING
