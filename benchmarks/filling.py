"""Shared by Keyrack and the peers: bulk creation of rows, and the definition of a reading."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import connection, models, transaction

PIECE = 2000
PROVIDERS = 10  # each person has a token at each of so many
ACCESS_TOKEN = "a" * 1000  # as long as a signed JWT with a few claims
REFRESH_TOKEN = "r" * 40

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A way to read a person's token at a provider."""

    name: str
    read: Callable[[Any, int], str]


def in_pieces(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while piece := list(islice(iterator, PIECE)):
        yield piece


def store_like(row: models.Model, differing: Iterable[Mapping[str, object]]) -> None:
    """Store a copy of `row` for each mapping, with its values replaced. Uses no ORM, to be fast for a million rows."""
    fields = [field for field in row._meta.concrete_fields if not isinstance(field, models.AutoField)]
    same = {field: field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields}
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f'INSERT INTO "{row._meta.db_table}" ({columns}) VALUES ({places})'  # noqa: S608 - from our own models

    def values(replacements: Mapping[str, object]) -> list[Any]:
        return [
            field.get_db_prep_save(replacements[field.attname], connection)
            if field.attname in replacements
            else same[field]
            for field in fields
        ]

    with transaction.atomic(), connection.cursor() as cursor:
        for piece in in_pieces(map(values, differing)):
            cursor.executemany(statement, piece)


def people(count: int) -> list[int]:
    """Create users without a password, and return their ids."""
    model = get_user_model()
    store_like(model(password="!"), ({"username": f"person-{number}"} for number in range(count)))
    return list(
        model._default_manager.filter(username__startswith="person-").order_by("pk").values_list("pk", flat=True)
    )


def each_at_each(people: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of person and provider, ordered by provider as they would have been created."""
    return ((person, provider) for provider in range(PROVIDERS) for person in people)


def settled() -> None:
    """Update the statistics of PostgreSQL's planner, as autovacuum would."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
