"""JSON members as the data of an admin form: what a browser would post for them.

Members that are not given are posted as the empty or stored form shows them.
"""

import base64
import binascii
import json
from collections.abc import Collection
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ValidationError

from integrations.provider_setup.configuration.kinds import Kind, Link

Members = dict[str, Any]
ON = "on"


class FormData:
    """Data and files of a form and its formsets."""

    def __init__(self) -> None:
        self.data = QueryDict(mutable=True)
        self.files: MultiValueDict[str, Any] = MultiValueDict()

    def fill_form(self, form: Any, kind: Kind, requested: Members, current: Members | None, prefix: str = "") -> None:
        """Add a form's data. `form`: unbound. `current`: the stored document; None for a new row."""
        for name, field in form.fields.items():
            is_given = name in requested and (
                current is None or not is_same(kind, name, current.get(name), requested[name])
            )
            if is_given and name in kind.pictures:
                self.put_picture(f"{prefix}{name}", requested[name], remove=f"{prefix}remove_{name}")
            elif is_given:
                self.put(f"{prefix}{name}", form_value(kind, name, field, requested[name]))
            elif not isinstance(field, forms.FileField):
                self.put(f"{prefix}{name}", form[name].value())

    def fill_rows(
        self,
        formset: Any,
        kind: Kind,
        requested: list[Members] | None,
        current: list[Members],
        *,
        names: Collection[str],
    ) -> None:
        """Add the data of a formset. `requested`: the complete list; None to keep the rows as they are.

        `names`: the fields that the page has. A form may have more.
        """
        stored = {row[kind.key]: row for row in current}
        final_rows = stored if requested is None else by_key(kind, requested)
        key_field = formset.model._meta.pk.name
        rows = [(str(getattr(form.instance, kind.key)), form) for form in formset.initial_forms]
        added = [key for key in final_rows if key not in {key for key, _form in rows}]
        rows += [(key, formset.empty_form) for key in added]
        for index, (key, form) in enumerate(rows):
            prefix = f"{formset.prefix}-{index}-"
            is_new = key in added
            form.fields = {name: field for name, field in form.fields.items() if name in names}
            self.put(f"{prefix}{key_field}", "" if is_new else form.instance.pk)
            self.put(f"{prefix}{formset.fk.name}", "" if is_new else formset.instance.pk)
            if key not in final_rows:
                self.put(f"{prefix}{forms.formsets.DELETION_FIELD_NAME}", ON)
            self.fill_form(form, kind, final_rows.get(key, {}), None if is_new else stored[key], prefix)
        self.put(f"{formset.prefix}-{forms.formsets.TOTAL_FORM_COUNT}", len(rows))
        self.put(f"{formset.prefix}-{forms.formsets.INITIAL_FORM_COUNT}", len(rows) - len(added))

    def put(self, key: str, value: Any) -> None:
        if value is None or value is False:
            return
        values = [ON if value is True else value] if not isinstance(value, list | tuple | set) else value
        self.data.setlist(key, [str(each) for each in values])

    def put_picture(self, key: str, encoded: str | None, *, remove: str) -> None:
        if encoded is None:
            self.put(remove, ON)
            return
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationError({key: ["This isn’t base64."]}) from None
        self.files[key] = SimpleUploadedFile(key, content)


def is_same(kind: Kind, name: str, stored: Any, requested: Any) -> bool:
    """Compare two values of a member. The order of linked rows doesn't matter."""
    if name in kind.many and isinstance(stored, list):
        return sorted(stored) == sorted(set(requested))
    return bool(stored == requested)


def by_key(kind: Kind, rows: list[Members]) -> dict[str, Members]:
    """Return rows by natural key. Raises `ValidationError` if one has none, or two have the same."""
    named: dict[str, Members] = {}
    for row in rows:
        key = row.get(kind.key)
        if not key:
            raise ValidationError({kind.name: [f"Each of them needs “{kind.key}”."]})
        if key in named:
            raise ValidationError({kind.name: [f"“{key}” is there twice."]})
        named[key] = row
    return named


def form_value(kind: Kind, name: str, field: forms.Field, value: Any) -> Any:
    """Return what a browser would post for a member."""
    if name in kind.links:
        return linked_id(name, kind.links[name], field, value)
    if name in kind.many:
        return [linked_id(name, kind.many[name], field, each) for each in value]
    if name in kind.word_lists:
        return value if isinstance(field, forms.MultipleChoiceField) else "\n".join(value)
    is_json = isinstance(field, forms.JSONField) or isinstance(value, dict | list)
    return json.dumps(value, ensure_ascii=False) if is_json and value is not None else value


def linked_id(name: str, link: Link, field: Any, key: Any) -> Any:
    """Return the id of a linked row, among those that the form offers. Raises `ValidationError`."""
    if key is None:
        return None
    conditions = link.conditions(key)
    if conditions is None:
        raise ValidationError({name: [f"Name it by {' and '.join(link.names)}."]})
    row = field.queryset.filter(**conditions).first()
    if row is None:
        label = " / ".join(conditions.values())
        raise ValidationError({name: [f"There is no {link.model._meta.verbose_name} “{label}” that you may choose."]})
    return row.pk
