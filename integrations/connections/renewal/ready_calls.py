"""A person's token and the address that it goes to, read in one statement: the fast path of calls that come again.

The ORM writes the statement once for each kind of database (`foundation.compiled_queries`); who may use what is the
condition of `admission`. Whatever is not ordinary (nothing there, locked, refused, turned off) is None here, and the
slower way, `current`, tells the reasons apart.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, Self
from uuid import UUID

from django.db import models
from django.db.models import Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.api import bearer_tokens
from accounts.api.bearer_tokens import Bearer, Presented
from accounts.models import User
from foundation import shared_reads
from foundation.compiled_queries import Kept, Slot, columns_of
from foundation.oauth_client import base_urls, transport
from foundation.secrets_at_rest import Unreadable
from integrations.connections.renewal.single_flight import renew
from integrations.connections.renewal.validity import enough
from integrations.models import admission
from integrations.models.registry import (
    Alias,
    AliasQuerySet,
    AliasType,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
)
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import Token, TokenState, consent, place_of

USE_WRITTEN_AT_MOST_EVERY = timedelta(minutes=1)
NAME, ID = Slot("name", models.CharField()), Slot("id", models.UUIDField())
USER_ID = Slot("user", models.BigIntegerField())

OF_THE_TOKEN = (
    "id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at", "base_url", "last_used_at",
    Coalesce("refreshed_at", "signed_in_at"), "agreed",
)  # fmt: skip
# What circuit breakers look at, and what a call carries.
OF_THE_REGISTRY = columns_of(
    ApplicationRegistry, "id", "name", "failures", "failing_url", "down_since", "next_check_at", "client_id",
    "call_headers", *consent.COLUMNS,
)  # fmt: skip
WIDTH = len(OF_THE_TOKEN) + len(OF_THE_REGISTRY) + 3  # columns in front of those of the presented token


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRow:
    """One row of the statement; what is sealed is not opened yet."""

    id: UUID
    credential_id: UUID
    version: int
    access_token: bytes = field(repr=False)  # sealed
    token_type: str
    scopes: list[str]
    expires_at: datetime | None
    base_url: bytes | None = field(repr=False)  # sealed
    last_used_at: datetime | None
    granted_at: datetime
    agreed: consent.Agreement | None
    registry: ApplicationRegistry
    connection_url: str | None
    alias: str
    allow_export: bool

    @classmethod
    def read(cls, columns: list[Any]) -> Self:
        token, registry = columns[: len(OF_THE_TOKEN)], columns[len(OF_THE_TOKEN) : -3]
        url, alias, allow_export = columns[-3:]
        return cls(
            **dict(zip(TOKEN_FIELDS, token, strict=True)),
            registry=ApplicationRegistry.from_db("default", OF_THE_REGISTRY, registry),
            connection_url=url,
            alias=alias,
            allow_export=allow_export,
        )

    @property
    def pk(self) -> UUID:
        return self.id

    @property
    def is_agreed(self) -> bool:
        """The owner has agreed to every address that the token may go to now."""
        return not consent.changes(self.agreed, vars(self.registry), self.connection_url or "")

    def is_due(self, minimum_seconds: float) -> bool:
        until = timezone.now() + timedelta(seconds=enough(self, minimum_seconds))
        return self.expires_at is not None and self.expires_at <= until

    def open(self, name: str, user_id: int) -> str:
        """The value of a sealed column. Raises `Unreadable` if its key is gone."""
        sealed = self.access_token if name == "access_token" else self.base_url
        place = place_of(self.id, user_id, self.credential_id)
        column: Any = Token._meta.get_field(name)
        return str(column.opened(sealed or b"", place))


TOKEN_FIELDS = (
    "id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at", "base_url", "last_used_at",
    "granted_at", "agreed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyCall:
    """A token that is good for a while yet, open, and where it goes."""

    pk: UUID  # of the token
    version: int
    access_token: str = field(repr=False)
    token_type: str
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    connection_url: str  # "": the alias has no connection, and only hands out tokens
    registry: ApplicationRegistry
    alias: str = ""
    allow_export: bool = False

    @classmethod
    def of(cls, token: Token, connection_url: str | None) -> Self:
        """The token as the row of the model has it."""
        return cls(
            pk=token.pk,
            version=token.version,
            access_token=token.access_token,
            token_type=token.token_type,
            scopes=token.scopes,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            connection_url=token.at_home(connection_url) if connection_url else "",
            registry=token.credential.registry,
        )


def ready_call(user: User, alias: str, *, minimum_seconds: float = 0, renews: bool = False) -> ReadyCall | None:
    """This person's token for the alias (name or id), where it can be used for so long. One statement.

    `renews`: what is due is renewed here; raises what `current` raises. Otherwise None.
    """
    columns = first_row(alias, None, user=user.pk)
    if columns is None:
        return None
    return call_of(TokenRow.read(columns), user.pk, minimum_seconds, renews=renews)


def ready_call_for(presented: Presented, alias: str, *, minimum_seconds: float = 0) -> tuple[Bearer, ReadyCall] | None:
    """The same for the owner of a token of ours that a program presents, and who that is. One statement."""
    columns = first_row(alias, type(presented), **presented.values)
    if columns is None:
        return None
    bearer = presented.bearer_in(columns[WIDTH:])
    call = call_of(TokenRow.read(columns[:WIDTH]), bearer.user.pk, minimum_seconds) if bearer else None
    return (bearer, call) if bearer and call else None


def call_of(row: TokenRow, user_id: int, minimum_seconds: float, *, renews: bool = False) -> ReadyCall | None:
    if not row.is_agreed:
        return None
    if row.is_due(minimum_seconds):
        return ReadyCall.of(renew(row), row.connection_url) if renews else None
    try:
        access_token = row.open("access_token", user_id)
        base_url = row.open("base_url", user_id) if row.base_url else ""
    except Unreadable:
        return None
    return ReadyCall(
        pk=row.id,
        version=row.version,
        access_token=access_token,
        token_type=row.token_type,
        scopes=row.scopes,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        connection_url=base_urls.moved(row.connection_url, base_url) if row.connection_url else "",
        registry=row.registry,
        alias=row.alias,
        allow_export=row.allow_export,
    )


def first_row(alias: str, kind: type[Presented] | None, **person: Any) -> list[Any] | None:
    """However many threads ask for the same row at once, the database is asked for all of them."""
    if "\0" in alias:  # PostgreSQL refuses to be asked for such a name
        return None
    alias_id = id_in(alias)
    statement = statement_for(kind, alias_id is not None, tuple(admission.RULES))
    values = {**person, "name": alias, **({} if alias_id is None else {"id": alias_id})}
    return shared_reads.ask((statement, *values.values()), lambda: statement.row(**values))


@cache
def statement_for(kind: type[Presented] | None, by_id: bool, rules: tuple[admission.Rule, ...]) -> Kept:
    """Written anew where the rules of admission are others."""
    return Kept(lambda: tokens_for(kind, by_id=by_id))


def tokens_for(kind: type[Presented] | None, *, by_id: bool) -> "models.QuerySet[Token, Any]":
    """Usable tokens of one person for one alias, as the columns of `TokenRow`, and behind them those of the `kind`."""
    person = kind.user_id() if kind else USER_ID
    named = Alias.objects.filter(Q(name=NAME) | Q(pk=ID) if by_id else Q(name=NAME)).order_by("pk")
    aliases = admission.admitted(person, named)
    tokens = Token.objects.filter(
        kind.condition("user") if kind else Q(),
        user_id=person,
        state=TokenState.VALID,
        integration_type=IntegrationType.PERSONAL,
        credential__integration_type=IntegrationType.PERSONAL,
        credential_id=first(aliases, "effective_id"),
    )
    of_the_registry = (f"credential__profile__registry__{name}" for name in OF_THE_REGISTRY)
    return tokens.values_list(
        *OF_THE_TOKEN,
        *of_the_registry,
        *of_the_alias(aliases, by_id=by_id),
        *(kind.columns("user") if kind else ()),
    )


def of_the_alias(aliases: AliasQuerySet, *, by_id: bool) -> tuple[models.Expression | Subquery, ...]:
    """Connection URL, name, and whether tokens are handed out. A name is unique: there the rules need no repetition,
    and psycopg parses statements of more than 4096 bytes anew at each call.
    """
    with_connection = AliasType.CONNECTION_AND_CREDENTIAL
    if by_id:
        url = first(aliases.filter(type=with_connection), "active_connection__connection_url")
        return url, first(aliases, "name"), first(aliases, "allow_token_export")
    connections = HttpConnection.objects.filter(active=True, alias__name=NAME, alias__type=with_connection)
    return first(connections, "connection_url"), NAME, first(Alias.objects.filter(name=NAME), "allow_token_export")


def first(rows: "models.QuerySet[Any, Any]", column: str) -> Subquery:
    return Subquery(rows.values(column)[:1])


def prepare() -> None:
    """Write the statements that the first caller in this process would wait for otherwise. Asks no database."""
    for kind in (None, *bearer_tokens.KINDS):
        for by_id in (False, True):
            statement_for(kind, by_id, tuple(admission.RULES)).prepare()
    transport.prepare()


class UsedToken(Protocol):
    @property
    def pk(self) -> UUID: ...
    @property
    def last_used_at(self) -> datetime | None: ...


def note_use(token: UsedToken, used_by: str) -> None:
    """Write when the token was last used and by what, at most once a minute."""
    now = timezone.now()
    before = now - USE_WRITTEN_AT_MOST_EVERY
    if token.last_used_at is not None and token.last_used_at >= before:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=before)
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=now, last_used_by=used_by[:100])
