"""One mail, the rows that it is about, and the columns that record that it was sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Model
from django.template.loader import render_to_string

Words = dict[str, Any]  # template context for one row


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row that a mail is about. `words`: None if there is nothing that the reader could do."""

    row: Model
    memory: str  # the column that records the mail
    told: object  # its value once the mail is sent
    words: Words | None
    only_while: Mapping[str, object] = field(default_factory=dict)  # columns that must not have changed meanwhile

    def claim(self) -> bool:
        """Record the mail as sent. False if another process has, or if the row has changed."""
        return self._swap(getattr(self.row, self.memory), self.told)

    def release(self) -> None:
        self._swap(self.told, getattr(self.row, self.memory))

    def _swap(self, old: object, new: object) -> bool:
        rows = type(self.row)._default_manager.filter(pk=self.row.pk, **self.only_while, **{self.memory: old})
        return bool(rows.update(**{self.memory: new}))


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail with a line for each row. `subject` gets the number of lines and the words of the first one."""

    to: list[str]
    template: str
    subject: Callable[[int, Words], str]
    lines: list[Line]
    context: Words = field(default_factory=dict)

    def message(self, lines: list[Words], connection: BaseEmailBackend) -> EmailMessage:
        subject = " ".join(f"{settings.EMAIL_SUBJECT_PREFIX}{self.subject(len(lines), lines[0])}".split())
        body = render_to_string(self.template, {"lines": lines, **self.context})
        return EmailMessage(subject, body, to=self.to, connection=connection)


@dataclass(frozen=True, kw_only=True)
class DueMail:
    """A mail that is due and not composed yet. `key` identifies it and holds none of its text."""

    key: str
    compose: Callable[[], Mail]
