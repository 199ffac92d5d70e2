"""The ordinary case in one statement: a person, an alias, and a token that is good for a while yet.

The statement is written by the ORM, once for each kind of database, and kept. What it finds is opened without making
rows of models from it. Whatever is not ordinary (nothing found, locked, refused, turned off) is None here and the long
way's to tell apart; so this must never find what the long way would not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import connection, models
from django.db.models import Exists, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from integrations.models.registry import ROLE, Alias, IntegrationType
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import Token, TokenState, place_of
from integrations.oauth import transport
from integrations.tokens import together
from integrations.tokens.flights import renew
from integrations.tokens.usable import enough
from integrations.vault import Unreadable

COLUMNS = ("id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at")
FIELDS = ("id", "credential_id", "version", "sealed", "token_type", "scopes", "expires_at", "granted_at")

UUID_FIELD: "models.UUIDField[Any, Any]" = models.UUIDField()


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundToken:
    """What a caller needs of a token row. The access token is still sealed."""

    id: UUID
    credential_id: UUID
    version: int
    sealed: bytes = field(repr=False)
    token_type: str
    scopes: list[str]
    expires_at: datetime | None
    granted_at: datetime

    @property
    def pk(self) -> UUID:
        return self.id

    def is_due(self, minimum_seconds: float) -> bool:
        until = timezone.now() + timedelta(seconds=enough(self, minimum_seconds))
        return self.expires_at is not None and self.expires_at <= until


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyToken:
    """A token that is good for a while yet, open."""

    access_token: str = field(repr=False)
    token_type: str
    scopes: list[str]
    expires_at: datetime | None


def ready(user: User, alias: str, *, minimum_seconds: float = 0) -> ReadyToken | None:
    """This person's token for the alias, by name or id, where it can be used as it is. One statement."""
    found = find(user, alias)
    return None if found is None or found.is_due(minimum_seconds) else opened(found, user)


def at_once(user: User, alias: str, *, minimum_seconds: float = 0) -> ReadyToken | Token | None:
    """The same, renewed if it is due: however many wait, each has asked the database once. Raises as `current` does."""
    found = find(user, alias)
    if found is None:
        return None
    return renew(found) if found.is_due(minimum_seconds) else opened(found, user)


def find(user: User, alias: str) -> FoundToken | None:
    if "\0" in alias:
        return None
    columns = together.ask((user.pk, alias), lambda: row(name=alias, id=id_in(alias), user=user.pk))
    return None if columns is None else FoundToken(**dict(zip(FIELDS, columns, strict=True)))


def opened(found: FoundToken, user: User) -> ReadyToken | None:
    column = Token._meta.get_field("access_token")
    try:
        access_token = column.opened(found.sealed or b"", place_of(found.id, user.pk, found.credential_id))
    except Unreadable:
        return None
    return ReadyToken(
        access_token=access_token, token_type=found.token_type, scopes=found.scopes, expires_at=found.expires_at
    )


class Slot(models.Expression):
    """A place in the kept statement for a value that differs from call to call."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class Statement(NamedTuple):
    sql: str  # with named places, which both drivers fill in faster than nameless ones
    fixed: dict[str, Any]
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]  # from what the database says, by column


_writing = Lock()


def statement(vendor: str, *, by_id: bool) -> Statement:
    """Of a crowd that comes first, one writes it."""
    with _writing:
        return written(vendor, by_id=by_id)


@cache
def written(vendor: str, *, by_id: bool) -> Statement:
    """As the database of this vendor wants it; each has one in a process."""
    compiler = question(by_id=by_id).query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    names = [each.name if isinstance(each, Slot) else f"fixed_{place}" for place, each in enumerate(parameters)]
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    return Statement(
        sql % tuple(f"%({name})s" for name in names),
        {name: each for name, each in zip(names, parameters, strict=True) if not isinstance(each, Slot)},
        [(place, each, column) for place, (each, column) in converters.items()],
    )


def prepare() -> None:
    """What the first caller in this process would wait for otherwise. Asks no database."""
    for by_id in (False, True):
        statement(connection.vendor, by_id=by_id)
    transport.prepare()


def question(*, by_id: bool) -> models.QuerySet[Token, Any]:
    """The same conditions that the long way asks for one by one."""
    user = Slot("user", models.BigIntegerField())
    named = Q(name=Slot("name", models.CharField()))
    if by_id:
        named |= Q(pk=Slot("id", UUID_FIELD))
    aliases = Alias.objects.filter(named, active=True).shared_with(user)
    rows = Token.objects.filter(
        with_role(user),
        user_id=user,
        user__is_active=True,
        state=TokenState.VALID,
        integration_type=IntegrationType.PERSONAL,
        credential_id=models.Subquery(aliases.effective_credentials()[:1]),
        credential__integration_type=IntegrationType.PERSONAL,
        credential__active=True,
        credential__profile__registry__active=True,
    )
    return rows.values_list(*COLUMNS, Coalesce("refreshed_at", "signed_in_at"))


def with_role(user: Slot) -> Q:
    """What Django's own backend would say. Whom another backend gives the role, the long way finds."""
    app_label, _, codename = ROLE.partition(".")
    role = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    mine = Q(Exists(role.filter(user=user))) | Q(Exists(role.filter(group__user=user)))
    return Q(user__is_superuser=True) | mine


def row(*, name: str, id: UUID | None, user: int) -> list[Any] | None:
    kept = statement(connection.vendor, by_id=id is not None)
    values = {**kept.fixed, "name": name, "user": user}
    if id:
        values["id"] = UUID_FIELD.get_db_prep_value(id, connection)
    with connection.cursor() as cursor:
        cursor.execute(kept.sql, values)
        found = cursor.fetchone()
    return None if found is None else converted(found, kept)


def converted(found: Sequence[Any], kept: Statement) -> list[Any]:
    """As the ORM would hand it over."""
    columns = list(found)
    for place, converters, column in kept.converters:
        for convert in converters:
            columns[place] = convert(columns[place], column, connection)
    return columns
