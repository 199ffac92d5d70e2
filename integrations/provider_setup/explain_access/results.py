"""The parts of an explanation. Sentences are in the language of the current request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from foundation.name_lists import isolate_name, without_isolation
from foundation.reader_time import date_and_time_words
from integrations.models.failures import EXPORT_NOT_ALLOWED, Answer
from integrations.models.registry import Alias


class Verdict(StrEnum):
    YES = "yes"
    NO = "no"
    NOT_YET = "not_yet"
    NOT_ASKED = "not_asked"


VERDICTS: dict[Verdict, Any] = {
    Verdict.YES: gettext_lazy("Yes"),
    Verdict.NO: gettext_lazy("No"),
    Verdict.NOT_YET: gettext_lazy("Not yet"),
    Verdict.NOT_ASKED: gettext_lazy("Not asked"),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """An admin page on which something can be changed, with a label."""

    label: str
    row: Model

    @property
    def address(self) -> str:
        return reverse(f"admin:{self.row._meta.app_label}_{self.row._meta.model_name}_change", args=[self.row.pk])


EXPORT_REFUSED = EXPORT_NOT_ALLOWED
WIDTH = 9  # characters of the longest verdict in English


@dataclass(frozen=True, kw_only=True)
class Line:
    """One rule and its verdict. The rest is empty unless it says no or not yet.

    `answer`: of the API, if this line decides. `note`: who can change it, if no admin page can.
    """

    title: str
    verdict: Verdict
    detail: str = ""
    answer: Answer | None = None
    places: tuple[Place, ...] = ()
    note: str = ""

    @property
    def verdict_label(self) -> str:
        return str(VERDICTS[self.verdict])

    def as_text(self, number: int) -> list[str]:
        lines = [f"{number:>2}. {self.verdict_label:<{WIDTH}}  {self.title}"]
        return [*lines, f"    {'':<{WIDTH}}  {self.detail}"] if self.detail else lines

    @property
    def refuses(self) -> bool:
        return self.verdict in {Verdict.NO, Verdict.NOT_YET}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All rules in the order in which they are asked, and their result at `at`."""

    person: User
    alias: Alias
    lines: tuple[Line, ...]
    sees: str  # what the person sees
    has_connection: bool  # without one, programs can only read the token
    account: str  # the account at the provider, if known
    at: datetime
    access_count: int  # of the lines, the first, about whether the person may use it; the others are about calls

    @property
    def deciding(self) -> Line | None:
        """The first line that says no, else the first that holds calls back."""
        for verdict in (Verdict.NO, Verdict.NOT_YET):
            for line in self.lines:
                if line.verdict == verdict:
                    return line
        return None

    @property
    def number(self) -> int:
        """Number of the deciding rule, from 1; 0 if there is none."""
        return self.lines.index(self.deciding) + 1 if self.deciding else 0

    @property
    def may_use(self) -> bool:
        return all(line.verdict != Verdict.NO for line in self.lines)

    @property
    def works_now(self) -> bool:
        """Would a call work, as far as is known? Nothing was called."""
        return self.deciding is None

    @property
    def tone(self) -> str:
        if not self.may_use:
            return "bad"
        return "ok" if self.works_now else "warn"

    @property
    def answer(self) -> Answer | None:
        if self.deciding:
            return self.deciding.answer
        return None if self.has_connection or self.alias.allow_token_export else EXPORT_REFUSED

    @property
    def person_name(self) -> str:
        return name_of(self.person)

    @property
    def programs(self) -> str:
        """A sentence on what programs get that call as this user."""
        person = {"person": name_of(self.person)}
        if self.answer:
            return _("Programs that call as %(person)s get %(answer)s.") % {**person, "answer": self.answer}
        if self.has_connection:
            return _("Calls by programs that may use it as %(person)s are passed on.") % person
        return _("Programs that may use it as %(person)s can read the token; there is no connection to call.") % person

    @property
    def order(self) -> str:
        """A sentence on how to read the rules."""
        if not self.may_use:
            return _("The first “no” decides.")
        text = _("Rules 1 to %(last)d: may the person use it? The others: would a call work now?")
        return text % {"last": self.access_count}

    @property
    def headline(self) -> str:
        names = {"person": name_of(self.person), "integration": isolate_name(self.alias.title)}
        if not self.may_use:
            return _("No. %(person)s may not use %(integration)s.") % names
        if self.works_now:
            return (
                _("Yes. %(person)s may use %(integration)s, and nothing is known that would stop a call now.") % names
            )
        return _("Yes, %(person)s may use %(integration)s, but a call would not work now.") % names

    @property
    def reason_label(self) -> str:
        """The words before the reason: which rule decides."""
        if not self.deciding:
            return ""
        label = _("Rule %(number)d holds calls back:") if self.may_use else _("Rule %(number)d says no:")
        return label % {"number": self.number}

    @property
    def reason(self) -> str:
        if self.deciding:
            return self.deciding.detail
        return _("It would run there as %(account)s.") % {"account": isolate_name(self.account)} if self.account else ""

    @property
    def places(self) -> tuple[Place, ...]:
        return self.deciding.places if self.deciding else ()

    @property
    def note(self) -> str:
        return self.deciding.note if self.deciding else ""

    def as_text(self) -> str:
        """All of it as lines of plain text, for a terminal or a ticket."""
        reason = f"{self.reason_label} {self.reason}".strip()
        places = [
            _("Where to change it: %(page)s (%(address)s)") % {"page": place.label, "address": place.address}
            for place in self.places
        ]
        text = "\n".join(
            [
                self.headline,
                *([reason] if reason else []),
                "",
                *(text for number, line in enumerate(self.lines, start=1) for text in line.as_text(number)),
                "",
                f"{_('What the person sees:')} {self.sees}",
                self.programs,
                *places,
                *([self.note] if self.note else []),
            ]
        )
        return without_isolation(text)


def name_of(person: User) -> str:
    return isolate_name(person.get_full_name() or person.get_username())


def format_moment(value: datetime) -> str:
    """Date and time for sentences, also of commands, which name the site's zone."""
    return date_and_time_words(value)
