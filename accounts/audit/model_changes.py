"""Audit log of the set-up: every change of a watched model becomes an event with old and new values.

Works on model signals, so that the admin, the configuration import, commands and scripts are recorded alike. Secret
fields are recorded as "changed", never with their values. `QuerySet.update` and `bulk_create` send no signals, so code
that changes the set-up must save rows one by one. Knows no other app: each registers its models with `watch_model`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid5

from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal
from django.utils import translation

from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import User

INTEGER_IDS = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")  # namespace of ids made from integer keys
LONGEST_VALUE = 500  # characters of an old or new value
USER_INFO = re.compile(r"(?<=://)[^/?#@\s]+@")
QUERY = re.compile(r"(?<=://)([^?#\s]*\?)([^#\s]+)")
Change = dict[str, Any]  # field, and either old and new or changed=True


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The recorded columns of a model, and which of them are recorded as "changed" only."""

    columns: tuple[Any, ...]
    secrets: frozenset[str]
    parent: str  # a foreign key: the changes appear in the history of that row

    def is_secret(self, column: Any) -> bool:
        return column.name in self.secrets or isinstance(column, models.BinaryField)


recorded = Signal()  # sender: the model; row, changes, is_deleted. In the transaction of the change.

_watched: dict[type[models.Model], Watched] = {}


def watch_model(
    model: type[models.Model],
    *,
    fields: Iterable[str] = (),
    ignored: Iterable[str] = (),
    secrets: Iterable[str] = (),
    many: Iterable[str] = (),
    parent: str = "",
) -> None:
    """Record the changes of a model.

    `fields`: only these columns. `ignored`: all but these. `secrets`: recorded without values. `many`: many-to-many
    fields to record as well. `parent`: a foreign key; the changes appear in the history of that row.
    """
    field_names = set(fields)
    columns = tuple(
        column
        for column in model._meta.concrete_fields
        if not column.primary_key
        and column.name not in set(ignored)
        and (not field_names or column.name in field_names)
    )
    _watched[model] = Watched(columns=columns, secrets=frozenset(secrets), parent=parent)
    label = model._meta.label
    pre_save.connect(compare_with_stored, sender=model, dispatch_uid=f"audit {label}")
    post_save.connect(record_save, sender=model, dispatch_uid=f"audit {label}")
    pre_delete.connect(load_parent, sender=model, dispatch_uid=f"audit {label}")
    post_delete.connect(record_deletion, sender=model, dispatch_uid=f"audit {label}")
    for name in many:
        through = cast(Any, model._meta.get_field(name)).remote_field.through
        m2m_changed.connect(record_many_to_many, sender=through, dispatch_uid=f"audit {label}.{name}")


def compare_with_stored(
    sender: type[models.Model], instance: Any, raw: bool, update_fields: Iterable[str] | None, **_signal: Any
) -> None:
    """Store the changes that a save makes on the instance, for `record_save`."""
    instance._audited = None
    if raw or instance._state.adding:
        return
    watched = _watched[sender]
    saved = None if update_fields is None else set(update_fields)
    columns = [
        column
        for column in watched.columns
        if column.attname in instance.__dict__ and (saved is None or saved & {column.name, column.attname})
    ]
    stored = sender._base_manager.filter(pk=instance.pk).values(*(column.attname for column in columns)).first()
    if columns and stored is not None:
        instance._audited = [
            change_of(column, stored[column.attname], new, is_secret=watched.is_secret(column))
            for column in columns
            if is_different(stored[column.attname], new := instance.__dict__[column.attname])
        ]


def is_different(before: Any, after: Any) -> bool:
    """Compare two database values. Sealed ones are compared as stored: setting the same secret again is a change."""
    if isinstance(before, memoryview):
        before = bytes(before)
    if isinstance(after, memoryview):
        after = bytes(after)
    return bool(before != after) and not (before in (None, "") and after in (None, ""))


def change_of(column: Any, before: Any, after: Any, *, is_secret: bool) -> Change:
    with translation.override("en"):  # stored, for readers of every language
        label = str(column.verbose_name)
        old, new = ("", "") if is_secret else (display_text(column, before), display_text(column, after))
    if old == new:  # they differ in a part that is not displayed
        return {"field": label, "name": column.name, "changed": True}
    return {"field": label, "name": column.name, "old": old, "new": new}


def strip_url_secrets(text: str) -> str:
    """Remove user info and query values from URLs: both may hold keys."""
    return QUERY.sub(lambda url: url[1] + re.sub(r"=[^&]*", "=…", url[2]), USER_INFO.sub("…@", text))


def display_text(column: Any, value: Any) -> str:
    """A value as text: related rows by name, choices by label. Reads related rows."""
    if value is None:
        return ""
    if column.is_relation:
        related = column.related_model._base_manager.filter(pk=value).first()
        return str(related or value)[:LONGEST_VALUE]
    if column.choices:
        value = dict(column.flatchoices).get(value, value)
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str) if value else ""
    return strip_url_secrets(str(value))[:LONGEST_VALUE]


def record_save(sender: type[models.Model], instance: Any, created: bool, raw: bool, **_signal: Any) -> None:
    """Record a save. New rows only inside `log.attributed_to`, so that migrations and seeds add no events."""
    changes, instance._audited = getattr(instance, "_audited", None), None
    if raw:
        return
    if created and log.has_actor():
        write_changes(Kind.SET_UP_ADDED, instance, all_values(sender, instance, as_new=True))
    elif changes:
        write_changes(Kind.SET_UP_CHANGED, instance, changes)


def load_parent(sender: type[models.Model], instance: Any, **_signal: Any) -> None:
    """Read the parent before the deletion: it may be deleted first, by the same cascade."""
    if parent := _watched[sender].parent:
        getattr(instance, parent)


def record_deletion(sender: type[models.Model], instance: Any, **_signal: Any) -> None:
    write_changes(Kind.SET_UP_DELETED, instance, all_values(sender, instance, as_new=False))


def all_values(model: type[models.Model], row: models.Model, *, as_new: bool) -> list[Change]:
    """The non-empty columns of a row, as changes from or to nothing."""
    watched, changes = _watched[model], []
    for column in watched.columns:
        value = row.__dict__.get(column.attname)
        if value not in (None, "", [], {}):
            change = change_of(column, None, value, is_secret=watched.is_secret(column))
            changes.append(change if as_new or "new" not in change else {**change, "old": change["new"], "new": ""})
    return changes


def record_many_to_many(
    sender: type[models.Model],
    instance: Any,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[Any] | None,
    **_signal: Any,
) -> None:
    """Record rows that were added to or removed from a many-to-many field, from either side."""
    if action not in {"post_add", "post_remove", "pre_clear"} or not log.has_actor():
        return
    field = find_many_to_many_field(sender)
    others = model._base_manager.filter(pk__in=pk_set or ())
    if pk_set is None:
        name = field.remote_field.get_accessor_name() if reverse else field.name
        others = getattr(instance, name).all()
    side = "new" if action == "post_add" else "old"
    for row, related in [(other, [instance]) for other in others] if reverse else [(instance, list(others))]:
        names = ", ".join(sorted(str(other) for other in related))[:LONGEST_VALUE]
        with translation.override("en"):
            label = str(field.verbose_name)
        change = {"field": label, "name": field.name, "old": "", "new": "", side: names}
        if names:
            write_changes(Kind.SET_UP_CHANGED, row, [change])


def find_many_to_many_field(through: type[models.Model]) -> Any:
    """The many-to-many field of a watched model with this through model."""
    for model in _watched:
        for field in model._meta.many_to_many:
            if field.remote_field.through is through:
                return field
    raise LookupError(through)


def write_changes(kind: Kind, row: models.Model, changes: list[Change]) -> None:
    watched = _watched[type(row)]
    owner = getattr(row, watched.parent, None) if watched.parent else None
    with translation.override("en"):
        subject = f"{row._meta.verbose_name} {row}"
    log.write(
        kind,
        whose=row if isinstance(row, User) and kind != Kind.SET_UP_DELETED else None,
        detail="; ".join(describe_change(change) for change in changes),
        subject=subject,
        subject_id=subject_id(owner if owner is not None else row),
        changes=changes,
    )
    recorded.send(sender=type(row), row=row, changes=changes, is_deleted=kind == Kind.SET_UP_DELETED)


def describe_change(change: Change) -> str:
    if change.get("changed"):
        return "{field}: changed".format(**change)
    names = {**change, "old": change["old"] or "–", "new": change["new"] or "–"}
    return "{field}: {old} → {new}".format(**names)


def subject_id(row: models.Model) -> UUID:
    """The id of a row in events. For rows with integer keys it is derived from model and key."""
    return row.pk if isinstance(row.pk, UUID) else uuid5(INTEGER_IDS, f"{row._meta.label_lower}:{row.pk}")


def history_of(row: models.Model) -> "models.QuerySet[Event]":
    """Events about changes of one row, the newest first."""
    kinds = [Kind.SET_UP_ADDED, Kind.SET_UP_CHANGED, Kind.SET_UP_DELETED]
    return Event.objects.filter(subject_id=subject_id(row), kind__in=kinds).order_by("-at")
