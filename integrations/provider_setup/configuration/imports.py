"""Import of a configuration file: rows are matched by natural key, then updated or created.

What the file doesn't mention is left alone; nothing is deleted. One transaction; the first error rolls it back.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from accounts.sign_in import mfa
from foundation.secrets_at_rest import value_or_blank
from integrations.models.registry import LOGO_LIMIT, validation
from integrations.provider_setup.configuration import guards
from integrations.provider_setup.configuration.exports import VERSION
from integrations.provider_setup.configuration.files import BadFile, Node, parse_yaml, prefix_member
from integrations.provider_setup.configuration.guards import Refused
from integrations.provider_setup.configuration.kinds import KINDS, STAFF, STAFF_MEMBERS, Kind, Link
from integrations.provider_setup.configuration.values import clean_value, clean_words, describe_change


@dataclass
class Report:
    """The changes, one line each, and what is left to do by hand."""

    changes: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)


def import_configuration(text: str, *, dry_run: bool = False, same_provider: bool = False) -> Report:
    """Import a configuration file. Safe to repeat. Raises `BadFile`; nothing has changed then."""
    report = Report()
    with transaction.atomic():
        document = parse_yaml(text).members("the file", ("keyrack", *(kind.name for kind in KINDS), STAFF))
        if "keyrack" not in document or document["keyrack"].value is True or document["keyrack"].value != VERSION:
            line = document["keyrack"].line if "keyrack" in document else 1
            raise BadFile(line, f"The file begins with “keyrack: {VERSION}”.")
        for kind in KINDS:
            import_rows(kind, document, None, report, same_provider=same_provider)
        if STAFF in document:
            import_staff(document[STAFF], report)
        transaction.set_rollback(dry_run)
    return report


def import_staff(node: Node, report: Report) -> None:
    """Import what holds for everybody with staff status: whether they must use two-step sign-in."""
    for name, member in node.members(STAFF, STAFF_MEMBERS).items():
        if not isinstance(member.value, bool):
            raise BadFile(member.line, f"“{name}” is true or false.")
        if mfa.require_of_staff(required=member.value):
            report.changes.append(f"~ {STAFF}: {describe_change(name, not member.value, member.value)}")


def import_rows(
    kind: Kind, members: Mapping[str, Node], parent: models.Model | None, report: Report, *, same_provider: bool
) -> None:
    """Import the rows of one kind. Two of one name, or with the mark of one, are an error: the last would win."""
    keys_of_rows, marked = set(), ""
    for row in members[kind.name].rows(kind.name) if kind.name in members else ():
        entry = Entry(kind, row, parent, report, same_provider=same_provider)
        if entry.key in keys_of_rows:
            raise BadFile(row.line, f"“{entry.key}” is there twice in “{kind.name}”.")
        keys_of_rows.add(entry.key)
        if entry.claims_mark:
            if marked:
                raise BadFile(row.line, f"“{marked}” and “{entry.key}” are both “{kind.mark}”, which only one can be.")
            marked = entry.key
        entry.run()


class Entry:
    """The import of one row."""

    def __init__(
        self, kind: Kind, row: Node, parent: models.Model | None, report: Report, *, same_provider: bool
    ) -> None:
        self.kind, self.line, self.parent, self.report = kind, row.line, parent, report
        self.same_provider = same_provider
        self.members = row.members(f"a row of “{kind.name}”", kind.members)
        self.key = self.read_key()
        self.row, self.before = self.load_row()
        self.is_new = not self.before
        self.changes: list[str] = []

    def run(self) -> None:
        try:
            self.assign_members()
            self.save()
            for child in self.kind.children:
                import_rows(child, self.members, self.row, self.report, same_provider=self.same_provider)
            guards.after_saving(self.row)
        except Refused as error:
            raise self.bad_file(error.member, prefix_member(error.member, str(error))) from None

    def read_key(self) -> str:
        key = self.members.get(self.kind.key)
        if key is not None and not isinstance(key.value, str):
            raise BadFile(key.line, f"“{self.kind.key}” is a text: put it in quotes.")
        if key is None or not key.value:
            raise BadFile(self.line, f"A row of “{self.kind.name}” needs “{self.kind.key}”.")
        if key.value != key.value.strip():  # forms strip names, so no form could keep it
            raise BadFile(key.line, f"“{self.kind.key}” begins or ends with a space or a line break.")
        return str(key.value)

    def load_row(self) -> tuple[Any, dict[str, Any]]:
        """Return the row of this key and its stored values; a new row and no values if there is none."""
        key_values: dict[str, Any] = {self.kind.key: self.key, **self.kind.only}
        if self.parent is not None:
            key_values[self.kind.parent] = self.parent
        rows = self.kind.model._default_manager.select_for_update().filter(**key_values)[:2]
        if len(rows) > 1:
            raise BadFile(self.line, f"There are several rows “{self.key}” in “{self.kind.name}”. Rename one first.")
        row = next(iter(rows), None)
        if row is None:
            return self.kind.model(**key_values), {}
        return row, {column.attname: row.__dict__[column.attname] for column in row._meta.concrete_fields}

    def assign_members(self) -> None:
        for name, column in self.kind.columns.items():
            if name in self.members:
                self.assign(name, column.attname, self.clean_value(name, column))
        for name, link in self.kind.links.items():
            if name in self.members:
                self.assign(name, f"{name}_id", self.linked_id(link, self.members[name]))
        for name in self.kind.pictures:
            if name in self.members:
                self.assign_picture(name)
        for name in self.kind.secrets:
            self.assign_secret(name)

    def assign(self, name: str, attribute: str, value: Any) -> None:
        stored = self.before.get(attribute)
        setattr(self.row, attribute, value)
        if not self.is_new and stored != value:
            self.changes.append(describe_change(name, stored, value))

    def clean_value(self, name: str, column: Any) -> Any:
        value = self.members[name].plain()
        try:
            if name in self.kind.word_lists:
                return clean_words(value, self.before.get(column.attname, ""))
            return clean_value(column, value, self.row)
        except ValidationError as error:
            raise self.bad_file(name, f"“{name}”{error.message}") from None

    def linked_id(self, link: Link, node: Node) -> Any:
        """Return the id of the row that a natural key names."""
        if node.value is None:
            return None
        conditions: dict[str, Any] | None = link.conditions(node.plain())
        if conditions is None:
            raise BadFile(node.line, f"Name it by {' and '.join(link.names)}.")
        name = " / ".join(conditions.values())
        if link.beside:
            conditions[link.beside] = getattr(self.row, link.beside)
        other = link.model._default_manager.filter(**conditions).first()
        if other is None:
            raise BadFile(node.line, f"There is no {link.model._meta.verbose_name} “{name}”.")
        return other.pk

    def assign_picture(self, name: str) -> None:
        picture = self.members[name].value
        is_picture = isinstance(picture, bytes) and len(picture) <= LOGO_LIMIT and validation.picture_type(picture[:12])
        if picture is not None and not is_picture:
            raise self.bad_file(name, f"“{name}” is a PNG or WebP picture of at most 100 KB, as !!binary.")
        if (bytes(self.before.get(name) or b"") or None) != picture:
            setattr(self.row, name, picture)
            setattr(self.row, f"{name}_type", validation.picture_type(picture[:12]) if picture else "")
            self.changes.append(f"{name}: changed")

    @sensitive_variables("secret", "stored")
    def assign_secret(self, name: str) -> None:
        """Set or keep a secret. A stored one is cleared if the row now sends it elsewhere; a new one may go there."""
        node = self.members.get(name)
        secret = self.read_secret(name, node) if node else None
        is_hashed = name in self.kind.hashed
        stored = "" if is_hashed or self.is_new or not self.row.__dict__.get(name) else value_or_blank(self.row, name)
        if is_hashed and secret and check_password(secret, self.row.__dict__[name]):
            return
        moved = guards.leads_secret_away(self.row, self.before)
        if secret is None and moved and self.before.get(name):
            setattr(self.row, name, "")
            self.changes.append(f"{name}: cleared, because these decide who receives it: {', '.join(moved)}")
        elif secret is not None and secret != stored:
            if fault := validation.wrong_secret(secret):
                raise self.bad_file(name, f"“{name}”: {fault}")
            setattr(self.row, name, secret)
            self.changes.append(f"{name}: {'changed' if secret else 'none'}")

    def read_secret(self, name: str, node: Node) -> str | None:
        """Return the secret that the file refers to; None if the stored one is kept."""
        reference = node.plain()
        if reference is None:
            return ""
        if reference == {"kept": True}:
            return None
        if not isinstance(reference, dict) or set(reference) != {"env"} or not isinstance(reference["env"], str):
            raise self.bad_file(name, f"“{name}” is not written into a file: use {{env: NAME}} or {{kept: true}}.")
        variable = reference["env"]
        if variable.removesuffix("_FILE") in settings.OWN_VARIABLES:
            raise self.bad_file(name, f"“{name}”: {variable} configures Keyrack, and is no secret for another server.")
        if not os.environ.get(variable):
            raise self.bad_file(name, f"“{name}”: the environment variable {variable} is not set.")
        return os.environ[variable]

    def save(self) -> None:
        """Validate the row as the forms do, and save it if it is new or changed."""
        related_ids = {
            name: self.linked_ids(name, link) for name, link in self.kind.many.items() if name in self.members
        }
        if self.is_new or self.changes:
            guards.before_saving(self.row, self.before, same_provider=self.same_provider)
            self.clear_mark_of_siblings()
            self.check()
            self.row.save()
            if self.same_provider:
                guards.agree_for_system(self.row)
        for name, ids in related_ids.items():
            self.set_many(name, ids)
        for name, relation in self.kind.switches.items():
            if name in self.members:
                self.set_switch(name, relation)
        self.report_changes()

    def linked_ids(self, name: str, link: Link) -> set[Any]:
        return {self.linked_id(link, item) for item in self.members[name].rows(name)}

    def clear_mark_of_siblings(self) -> None:
        """Clear the mark of the parent's other rows first: the database allows one at most after each statement."""
        if self.kind.mark and getattr(self.row, self.kind.mark):
            marked = self.kind.model._default_manager.filter(**{self.kind.parent: self.parent, self.kind.mark: True})
            for sibling in marked.exclude(pk=self.row.pk):
                setattr(sibling, self.kind.mark, False)
                sibling.save(update_fields=[self.kind.mark])  # one by one, for the audit log
                path = f"{self.parent} / {getattr(sibling, self.kind.key)}"
                self.report.changes.append(
                    f"~ {self.kind.label} {path}: {describe_change(self.kind.mark, True, False)}"
                )

    def check(self) -> None:
        try:
            unread = [*self.kind.secrets, *self.kind.pictures]
            self.row.full_clean(exclude=[*unread, *([self.kind.parent] if self.kind.parent else [])])
            self.row.validate_constraints()
        except ValidationError as error:
            member, messages = next(iter(error.message_dict.items()))
            raise self.bad_file(
                member, prefix_member("" if member == NON_FIELD_ERRORS else member, messages[0])
            ) from None

    def set_many(self, name: str, ids: set[Any]) -> None:
        related = getattr(self.row, name)
        if set(related.values_list("pk", flat=True)) != ids:
            related.set(ids)
            self.changes += [] if self.is_new else [f"{name}: changed"]

    def set_switch(self, name: str, relation: str) -> None:
        """Create or delete the row that exists while the switch is on."""
        value, stored = self.members[name].value, getattr(self.row, relation, None)
        if not isinstance(value, bool):
            raise self.bad_file(name, f"“{name}” is true or false.")
        if value == (stored is not None):
            return
        if stored is None:
            link: Any = self.kind.model._meta.get_field(relation).remote_field
            link.model._default_manager.create(**{link.name: self.row})
        else:
            stored.delete()
        self.changes += [] if self.is_new else [describe_change(name, not value, value)]

    def report_changes(self) -> None:
        if self.is_new:
            self.report.changes.append(f"+ {self.kind.label} {self.path}")
        elif self.changes:
            self.report.changes += [f"~ {self.kind.label} {self.path}: {change}" for change in self.changes]
        self.report.to_do += guards.remaining_tasks(self.row, is_new=self.is_new)

    @property
    def claims_mark(self) -> bool:
        """Whether the file gives the mark to this row; a new one may have it without a word."""
        mark = self.kind.mark
        if mark in self.members:
            return self.members[mark].value is True
        return bool(mark) and self.is_new and bool(getattr(self.row, mark))

    @property
    def path(self) -> str:
        return f"{self.parent} / {self.key}" if self.parent is not None else self.key

    def bad_file(self, member: str, sentence: str) -> BadFile:
        return BadFile(self.members[member].line if member in self.members else self.line, f"{self.path}: {sentence}")
