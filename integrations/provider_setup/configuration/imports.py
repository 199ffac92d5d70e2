"""Rows in: each is found by its name, changed where the file says something else, and made where it is not there.

What the file does not mention stays as it is; nothing is deleted. One transaction, and the first fault ends it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest import readable
from integrations.models.registry import LOGO_LIMIT, validation
from integrations.provider_setup.configuration import guards
from integrations.provider_setup.configuration.exports import VERSION
from integrations.provider_setup.configuration.files import BadFile, Told, parse
from integrations.provider_setup.configuration.guards import Refused
from integrations.provider_setup.configuration.kinds import KINDS, Kind, Link

SHOWN = 80  # characters of a value


@dataclass
class Report:
    """What changed, one line each, and what is left for somebody to do."""

    changes: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)


def bring_in(text: str, *, dry_run: bool = False, same_provider: bool = False) -> Report:
    """Safe to repeat: the second time nothing changes. Raises `BadFile`, and has then changed nothing."""
    report = Report()
    with transaction.atomic():
        found = parse(text).members("the file", ("keyrack", *(kind.name for kind in KINDS)))
        if "keyrack" not in found or found["keyrack"].value is True or found["keyrack"].value != VERSION:
            raise BadFile(
                found["keyrack"].line if "keyrack" in found else 1, f"The file begins with “keyrack: {VERSION}”."
            )
        for kind in KINDS:
            bring_in_rows(kind, found, None, report, same_provider=same_provider)
        transaction.set_rollback(dry_run)
    return report


def bring_in_rows(
    kind: Kind, given: Mapping[str, Told], parent: models.Model | None, report: Report, *, same_provider: bool
) -> None:
    """Each of one name: of two, the one above would be lost without a word."""
    seen = set()
    for row in given[kind.name].rows(kind.name) if kind.name in given else ():
        entry = Entry(kind, row, parent, report, same_provider=same_provider)
        if entry.key in seen:
            raise BadFile(row.line, f"“{entry.key}” is there twice in “{kind.name}”.")
        seen.add(entry.key)
        entry.run()


class Entry:
    """One row of the file on its way into the database."""

    def __init__(
        self, kind: Kind, row: Told, parent: models.Model | None, report: Report, *, same_provider: bool
    ) -> None:
        self.kind, self.line, self.parent, self.report = kind, row.line, parent, report
        self.same_provider = same_provider
        self.given = row.members(f"a row of “{kind.name}”", kind.members)
        self.key = self.given_key()
        self.row, self.before = self.found()
        self.is_new = not self.before
        self.said: list[str] = []

    def run(self) -> None:
        try:
            self.take_over()
            self.keep()
            for child in self.kind.children:
                bring_in_rows(child, self.given, self.row, self.report, same_provider=self.same_provider)
            guards.after_saving(self.row)
        except Refused as error:
            raise self.bad(error.member, named(error.member, str(error))) from None

    def given_key(self) -> str:
        key = self.given.get(self.kind.key)
        if key is not None and not isinstance(key.value, str):
            raise BadFile(key.line, f"“{self.kind.key}” is a text: put it in quotes.")
        if key is None or not key.value:
            raise BadFile(self.line, f"A row of “{self.kind.name}” needs “{self.kind.key}”.")
        return str(key.value)

    def found(self) -> tuple[Any, dict[str, Any]]:
        """The row of this name and what it holds; a fresh one and nothing where there is none."""
        fixed: dict[str, Any] = {self.kind.key: self.key, **self.kind.only}
        if self.parent is not None:
            fixed[self.kind.parent] = self.parent
        row = self.kind.model._default_manager.select_for_update().filter(**fixed).first()
        if row is None:
            return self.kind.model(**fixed), {}
        return row, {column.attname: row.__dict__[column.attname] for column in row._meta.concrete_fields}

    def take_over(self) -> None:
        for name, column in self.kind.columns.items():
            if name in self.given:
                self.put(name, column.attname, self.cleaned(name, column))
        for name, link in self.kind.links.items():
            if name in self.given:
                self.put(name, f"{name}_id", self.linked(link, self.given[name]))
        for name in self.kind.pictures:
            if name in self.given:
                self.take_picture(name)
        for name in self.kind.secrets:
            self.take_secret(name)

    def put(self, name: str, attribute: str, value: Any) -> None:
        was = self.before.get(attribute)
        setattr(self.row, attribute, value)
        if not self.is_new and was != value:
            self.said.append(f"{name}: {shown(was)} → {shown(value)}")

    def cleaned(self, name: str, column: Any) -> Any:
        value = self.given[name].plain()
        if not isinstance(column, models.JSONField) and isinstance(value, dict | list | bytes):
            raise self.bad(name, f"“{name}” is one value.")
        if value is None and not column.null:
            raise self.bad(name, f"“{name}” has no value. Leave the line out to keep what is there.")
        try:
            return column.clean(value, self.row)
        except ValidationError as error:
            raise self.bad(name, f"“{name}”: {' '.join(error.messages)}") from None

    def linked(self, link: Link, told: Told) -> Any:
        """The id of the row that is meant."""
        if told.value is None:
            return None
        names = [path.replace("__name", "") for path in link.by]
        given = told.plain() if len(names) > 1 else {names[0]: told.plain()}
        if (
            not isinstance(given, dict)
            or set(given) != set(names)
            or not all(isinstance(v, str) for v in given.values())
        ):
            raise BadFile(told.line, f"Name it by {' and '.join(names)}.")
        known = {path: given[name] for path, name in zip(link.by, names, strict=True)}
        if link.beside:
            known[link.beside] = getattr(self.row, link.beside)
        other = link.model._default_manager.filter(**known).first()
        if other is None:
            raise BadFile(told.line, f"There is no {link.model._meta.verbose_name} “{' / '.join(given.values())}”.")
        return other.pk

    def take_picture(self, name: str) -> None:
        picture = self.given[name].value
        is_picture = isinstance(picture, bytes) and len(picture) <= LOGO_LIMIT and validation.picture_type(picture[:12])
        if picture is not None and not is_picture:
            raise self.bad(name, f"“{name}” is a PNG or WebP picture of at most 100 KB, as !!binary.")
        if (bytes(self.before.get(name) or b"") or None) != picture:
            setattr(self.row, name, picture)
            setattr(self.row, f"{name}_type", validation.picture_type(picture[:12]) if picture else "")
            self.said.append(f"{name}: another one")

    @sensitive_variables("secret", "stored")
    def take_secret(self, name: str) -> None:
        """Given anew it may go wherever the row leads; what is only kept must not follow to another place."""
        told = self.given.get(name)
        secret = self.secret(name, told) if told else None
        stored = readable(self.row, name) if self.row.__dict__.get(name) and not self.is_new else ""
        moved = guards.leads_secret_away(self.row, self.before)
        if secret is None and moved and self.before.get(name):
            setattr(self.row, name, "")
            self.said.append(f"{name}: cleared, because these decide who receives it: {', '.join(moved)}")
        elif secret is not None and secret != stored:
            setattr(self.row, name, secret)
            self.said.append(f"{name}: {'another one' if secret else 'none'}")

    def secret(self, name: str, told: Told) -> str | None:
        """What the file leads to; None where the stored one is to be kept."""
        given = told.plain()
        if given is None:
            return ""
        if given == {"kept": True}:
            return None
        if not isinstance(given, dict) or set(given) != {"env"} or not isinstance(given["env"], str):
            raise self.bad(name, f"“{name}” does not stand in a file: write {{env: NAME}} or {{kept: true}}.")
        if not os.environ.get(given["env"]):
            raise self.bad(name, f"“{name}”: the environment variable {given['env']} is not set.")
        return os.environ[given["env"]]

    def keep(self) -> None:
        """Checked as the forms check it, and saved where it says something new."""
        many = {
            name: self.all_linked(link, self.given[name]) for name, link in self.kind.many.items() if name in self.given
        }
        if self.is_new or self.said:
            guards.before_saving(self.row, self.before, same_provider=self.same_provider)
            self.hand_over_the_mark()
            self.check()
            self.row.save()
            if self.same_provider:
                guards.agree_for_system(self.row)
        for name, wanted in many.items():
            self.set_many(name, wanted)
        self.tell()

    def all_linked(self, link: Link, told: Told) -> set[Any]:
        return {self.linked(link, each) for each in told.rows("names")}

    def hand_over_the_mark(self) -> None:
        """The others let go first: the database holds to "at most one" after each single statement."""
        if self.kind.mark and getattr(self.row, self.kind.mark):
            beside = self.kind.model._default_manager.filter(**{self.kind.parent: self.parent, self.kind.mark: True})
            for other in beside.exclude(pk=self.row.pk):
                setattr(other, self.kind.mark, False)
                other.save(update_fields=[self.kind.mark])  # one by one, for the audit log

    def check(self) -> None:
        try:
            unread = [*self.kind.secrets, *self.kind.pictures]
            self.row.full_clean(exclude=[*unread, *([self.kind.parent] if self.kind.parent else [])])
            self.row.validate_constraints()
        except ValidationError as error:
            member, told = next(iter(error.message_dict.items()))
            raise self.bad(member, named("" if member == NON_FIELD_ERRORS else member, told[0])) from None

    def set_many(self, name: str, wanted: set[Any]) -> None:
        related = getattr(self.row, name)
        if set(related.values_list("pk", flat=True)) != wanted:
            related.set(wanted)
            self.said += [] if self.is_new else [f"{name}: others"]

    def tell(self) -> None:
        if self.is_new:
            self.report.changes.append(f"+ {self.kind.label} {self.path}")
        elif self.said:
            self.report.changes += [f"~ {self.kind.label} {self.path}: {said}" for said in self.said]
        self.report.to_do += guards.to_be_done(self.row, is_new=self.is_new)

    @property
    def path(self) -> str:
        return f"{self.parent} / {self.key}" if self.parent is not None else self.key

    def bad(self, member: str, sentence: str) -> BadFile:
        return BadFile(self.given[member].line if member in self.given else self.line, f"{self.path}: {sentence}")


def named(member: str, sentence: str) -> str:
    return f"“{member}”: {sentence}" if member else sentence


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text or "nothing"
