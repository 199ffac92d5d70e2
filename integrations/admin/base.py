"""Base classes of admin pages: no search by secrets, and deletions name the users that they affect."""

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
    """Mixin that removes the button to delete the record that a field refers to."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)  # type: ignore[misc]  # an admin's
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_delete_related = False
        return field


class RowForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Form of a table row. Labels its fields, since screen readers don't take column headings for labels."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = field.label


class RowFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Formset that labels the box to delete a row too."""

    def get_deletion_widget(self) -> forms.Widget:  # type: ignore[override]  # Django takes a class or one of it
        return forms.CheckboxInput(attrs={"aria-label": _("Delete")})


class Page(Choosing, admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """An admin page. `tokens_below` is the lookup from a token to this page's rows, "" if there is none."""

    tokens_below = ""
    deletion_note: Any = ""  # what happens to those tokens

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}
        js = ["keyrack/admin.js"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Forbid filters on binary columns: a prefix filter would let a secret be guessed byte by byte."""
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
        affected = self.affected_by_deletion(objs)
        return [*affected, *deleted], counts, lacking, [*affected, *protected] if protected else []

    def affected_by_deletion(self, objs: Iterable[Any]) -> list[str]:
        return affected_sign_ins(self.tokens_of(objs), self.deletion_note)

    def tokens_of(self, objs: Iterable[Any]) -> TokenQuerySet:
        if not self.tokens_below:
            return Token.objects.none()
        return Token.objects.filter(**{f"{self.tokens_below}__in": [obj.pk for obj in objs]})


class ReadOnly(Page):
    """Admin of rows that only Keyrack writes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def affected_sign_ins(tokens: TokenQuerySet, note: str) -> list[str]:
    """Return one line that names the owners of some tokens; no line if there are none."""
    names = [name or _("System") for name in tokens.order_by("user__username").values_list("user__username", flat=True)]
    if not names:
        return []
    listed = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    one, more = "%(count)d sign-in is affected: %(names)s.", "%(count)d sign-ins are affected: %(names)s."
    sentence = ngettext(one, more, len(names)) % {"count": len(names), "names": listed}
    return [f"{sentence} {note}".strip()]


def with_note(text: str, note: str) -> SafeString:
    """Return a cell with a second, quiet line, if there is one."""
    return format_html('{}<span class="quiet">{}</span>', text, note) if note else format_html("{}", text)


def copyable(value: str, name: str) -> SafeString:
    """Return a value with a button to copy it. Without JavaScript it is text to select."""
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
