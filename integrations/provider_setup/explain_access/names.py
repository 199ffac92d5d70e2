"""Search for users and aliases by what an administrator types."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import reduce
from operator import or_
from typing import Generic, TypeVar

from django.db.models import Model, Q, QuerySet, Value
from django.db.models.functions import Concat

from accounts import privileges
from accounts.models import User
from integrations.models.registry import Alias

Row = TypeVar("Row", bound=Model)
SUGGESTIONS = 3
COMPARED = 500  # rows that a suggestion is chosen from, at most
CHOICES = 20  # with the same name
WORDS = 5  # of a text that are searched for
PREFIX = 3  # first letters that a word and a similar one share
SIMILAR = 0.6


@dataclass(frozen=True, kw_only=True)
class Search(Generic[Row]):
    """The result of a search. `rows`: exact matches, at most `CHOICES`; `suggestions`: similar names, else."""

    text: str
    rows: Sequence[Row]
    suggestions: Sequence[Row] = ()

    @property
    def only(self) -> Row | None:
        return self.rows[0] if len(self.rows) == 1 else None


def may_explain(user: User) -> bool:
    """Tell whether an administrator may view users and aliases."""
    return privileges.may_view(user, User) and privileges.may_view(user, Alias)


def find_people(text: str) -> Search[User]:
    """Find users by username, else by email address or full name."""
    name = " ".join(text.split())
    if not name.isprintable():  # no database is asked for null characters or lone surrogates
        return Search(text=text, rows=[])
    named = User.objects.annotate(full_name=Concat("first_name", Value(" "), "last_name")).order_by("username")
    rows = list(named.filter(username=text.strip()))
    rows = rows or list(
        named.filter(Q(username__iexact=name) | Q(email__iexact=name) | Q(full_name__iexact=name))[:CHOICES]
    )
    if rows or not name:
        return Search(text=text, rows=rows if name else [])
    columns = ("username", "first_name", "last_name", "email")
    candidates = find_similar(named, columns, name)
    return Search(
        text=text,
        rows=[],
        suggestions=find_closest(
            name, [(user, (user.username, user.get_full_name(), user.email)) for user in candidates]
        ),
    )


def find_aliases(text: str) -> Search[Alias]:
    """Find aliases by name or id, else by label."""
    name = " ".join(text.split())
    if not name.isprintable():
        return Search(text=text, rows=[])
    aliases = Alias.objects.complete().order_by("name")
    rows = list(aliases.named(name)) or list(aliases.filter(Q(name__iexact=name) | Q(label__iexact=name))[:CHOICES])
    if rows or not name:
        return Search(text=text, rows=rows if name else [])
    candidates = find_similar(aliases, ("name", "label"), name)
    return Search(
        text=text, rows=[], suggestions=find_closest(name, [(alias, (alias.name, alias.label)) for alias in candidates])
    )


def suggest_people(text: str) -> Sequence[User]:
    """Users whose names or email address contain each word, for a list to choose from."""
    return rows_containing(User.objects.order_by("username"), ("username", "first_name", "last_name", "email"), text)


def suggest_aliases(text: str) -> Sequence[Alias]:
    return rows_containing(Alias.objects.order_by("name"), ("name", "label"), text)


def rows_containing(rows: QuerySet[Row], columns: Sequence[str], text: str) -> Sequence[Row]:
    """At most `CHOICES` rows that contain each word of the text in one of the columns. None if there is no word."""
    words = text.split()[:WORDS]
    for word in words:
        rows = rows.filter(reduce(or_, (Q(**{f"{column}__icontains": word}) for column in columns)))
    return list(rows[:CHOICES]) if words else []


def find_similar(rows: QuerySet[Row], columns: Sequence[str], name: str) -> QuerySet[Row]:
    """Return rows that contain a word of the name, or its first letters."""
    condition = Q()
    for word in name.split()[:WORDS]:
        for column in columns:
            condition |= Q(**{f"{column}__icontains": word[:PREFIX]})
    return rows.filter(condition)[:COMPARED]


def find_closest(name: str, candidates: Sequence[tuple[Row, Sequence[str]]]) -> list[Row]:
    def likeness(names: Sequence[str]) -> float:
        return max(SequenceMatcher(None, name.casefold(), candidate.casefold()).ratio() for candidate in names)

    ranked = sorted(((likeness(names), row) for row, names in candidates), key=lambda pair: pair[0], reverse=True)
    return [row for ratio, row in ranked[:SUGGESTIONS] if ratio >= SIMILAR]
