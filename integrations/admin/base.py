"""Base classes of admin pages: no search by secrets, and deletions name the users that they affect."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect, RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from foundation import reader_time
from foundation.name_lists import join_names
from integrations.admin.many_rows import CHOICES_AT_MOST, filter_of, has_more
from integrations.models.tokens import Token, TokenQuerySet

MADE = ("applicationregistry", "oauthentityprofile", "oauthentityscope", "oauth2credential", "alias", "httpconnection")
MAKER_PERMISSIONS = tuple(f"integrations.add_{model}" for model in MADE)  # of who adds a provider
NAMES_SHOWN = 20
NOTHING = "–"


class Autocomplete(AutocompleteSelect):
    """Django's, but a value that can't be a key is no option; Django's fails when it shows the form again."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        key = self.field.target_field
        return super().optgroups(name, [each for each in value if is_key(key, each)], attr)


def is_key(field: Any, value: Any) -> bool:
    try:
        field.get_prep_value(value)
    except (ValueError, TypeError, ValidationError):
        return value in (None, "")
    return True


class Choosing:
    """Mixin that removes the button to delete the record that a field refers to, and completes one of many."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        named = self.get_autocomplete_fields(request)  # type: ignore[attr-defined]  # an admin's
        if db_field.name in named or self.is_to_many_rows(db_field, request):
            options.setdefault("widget", Autocomplete(db_field, self.admin_site))  # type: ignore[attr-defined]
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]  # an admin's

    def is_to_many_rows(self, field: Any, request: HttpRequest) -> bool:
        """Whether a select would have very many options, and this administrator can search them instead."""
        other = self.admin_site._registry.get(field.related_model)  # type: ignore[attr-defined]
        can_search = other is not None and other.search_fields and other.has_view_permission(request)
        return bool(can_search) and has_more(field.related_model, CHOICES_AT_MOST)

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
        """Forbid filters on binary columns and hashes: a prefix filter would reveal a secret byte by byte."""
        try:
            field = self.opts.get_field(lookup.partition("__")[0])
        except FieldDoesNotExist:
            field = None
        if isinstance(field, models.BinaryField) or (field and field.name.endswith("_hash")):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [filter_of(self.model, entry) for entry in super().get_list_filter(request)]

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
    count = tokens.count()
    if not count:
        return []
    rows = tokens.order_by("user__username").values_list("user__username", flat=True)[:NAMES_SHOWN]
    listed = join_names([*(name or _("System") for name in rows), *(["…"] if count > NAMES_SHOWN else [])])
    sentence = ngettext(
        "%(count)d sign-in is affected: %(names)s.", "%(count)d sign-ins are affected: %(names)s.", count
    )
    return [f"{sentence % {'count': count, 'names': listed}} {note}".strip()]


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


def day(at: datetime) -> SafeString:
    """The day, as the site's own pages write it, with the exact moment for those who point at it."""
    return reader_time.time_element(at, reader_time.date_words(at))


def hour(at: datetime) -> str:
    """The time of day; with its zone, if that isn't known to be the reader's."""
    return reader_time.clock_words(at)


def moment(at: datetime | None) -> str:
    return reader_time.date_and_time_words(at) if at else NOTHING
