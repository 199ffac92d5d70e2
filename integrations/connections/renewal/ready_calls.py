"""The fast path: a person's token and the base URL of its connection, read in one statement.

The ORM compiles the statement once per database vendor (`foundation.database`), with the rules of `admission`
as conditions. If anything is unusual (no token, no key, refused, turned off), the result is None, and the slow path,
`current`, finds the reason.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import ExpressionWrapper, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from accounts.api import authentication
from accounts.api.authentication import Bearer, PresentedToken
from accounts.models import User
from foundation import database
from foundation.database import CompiledQuery, Slot, columns_of
from foundation.oauth_client import transport
from foundation.secrets_at_rest import Unreadable
from integrations.connections.renewal.current_token import renew
from integrations.connections.renewal.validity import is_due
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
from integrations.models.tokens import Token, TokenState, consent, has_ended, sealing_context_of

NAME, ID = Slot("name", models.CharField()), Slot("id", models.UUIDField())
USER_ID = Slot("user", models.BigIntegerField())

TOKEN_COLUMNS = (
    "id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at", "base_url",
    "provider_values", "last_used_at", "failure_code", "refresh_expiry", "refresh_expires_at",
    Coalesce("refreshed_at", "signed_in_at"), "agreed",
    ExpressionWrapper(Q(refresh_token__isnull=False), output_field=models.BooleanField()),
)  # fmt: skip
# For the circuit breaker, and for the headers of a call.
REGISTRY_COLUMNS = columns_of(
    ApplicationRegistry, "id", "name", "failures", "failing_url", "down_since", "next_check_at", "client_id",
    "call_headers", "provider_profile", *consent.COLUMNS,
)  # fmt: skip
WIDTH = len(TOKEN_COLUMNS) + len(REGISTRY_COLUMNS) + 3  # columns in front of those of the presented token


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRow:
    """One row of the statement. Sealed columns are not decrypted yet."""

    id: UUID
    credential_id: UUID
    version: int
    access_token: bytes = field(repr=False)  # sealed
    token_type: str
    scopes: list[str]
    expires_at: datetime | None
    base_url: bytes | None = field(repr=False)  # sealed
    provider_values: bytes | None = field(repr=False)  # sealed
    last_used_at: datetime | None
    failure_code: str
    refresh_expiry: str
    refresh_expires_at: datetime | None
    granted_at: datetime
    agreed: consent.Agreement | None
    has_refresh_token: bool
    registry: ApplicationRegistry
    connection_url: str | None
    alias: str
    allow_export: bool

    @classmethod
    def read(cls, columns: list[Any]) -> Self:
        token, registry = columns[: len(TOKEN_COLUMNS)], columns[len(TOKEN_COLUMNS) : -3]
        url, alias, allow_export = columns[-3:]
        return cls(
            **dict(zip(TOKEN_FIELDS, token, strict=True)),
            registry=ApplicationRegistry.from_db("default", REGISTRY_COLUMNS, registry),
            connection_url=url,
            alias=alias,
            allow_export=allow_export,
        )

    @property
    def pk(self) -> UUID:
        return self.id

    @property
    def is_agreed(self) -> bool:
        """Whether the owner has agreed to all addresses that the token may be sent to now."""
        return not consent.unagreed_changes(self.agreed, vars(self.registry), self.connection_url or "")

    @property
    def renews_itself(self) -> bool:
        """As `Token.renews_itself`, of a valid token of a person."""
        may_be_renewed = self.has_refresh_token and not self.failure_code
        return may_be_renewed and not has_ended(self.refresh_expiry, self.refresh_expires_at)

    def open(self, name: str, user_id: int) -> str:
        """Decrypt a sealed column. Raises `Unreadable` if its key is not configured."""
        sealed = getattr(self, name)
        place = sealing_context_of(self.id, user_id, self.credential_id)
        column: Any = Token._meta.get_field(name)
        return str(column.opened(sealed or b"", place))


TOKEN_FIELDS = (
    "id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at", "base_url",
    "provider_values", "last_used_at", "failure_code", "refresh_expiry", "refresh_expires_at", "granted_at", "agreed",
    "has_refresh_token",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyCall:
    """A decrypted token that is valid for long enough, and the URL that it may be sent to."""

    pk: UUID  # of the token
    version: int
    access_token: str = field(repr=False)
    token_type: str
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    connection_url: str  # "": the alias has no connection, and only hands out tokens
    registry: ApplicationRegistry
    values: Mapping[str, str] = field(default_factory=dict, repr=False)  # of this person at the provider, by name
    alias: str = ""
    allow_export: bool = False

    @classmethod
    def of(cls, token: Token, connection_url: str | None, *, alias: str = "") -> Self:
        """The same from a model instance."""
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
            values=token.values,
            alias=alias,
        )


def ready_call(user: User, alias: str, *, minimum_seconds: float = 0, renews: bool = False) -> ReadyCall | None:
    """This person's token for the alias (name or id), if it is valid for so long. One statement.

    `renews`: renew a token that is due, and raise what `current` raises. Otherwise the result is None. A renewed token
    is read once more: a provider has many seconds to answer, and the person may have lost access meanwhile.
    """
    row = find_row(user, alias)
    if row and is_due(row, minimum_seconds):
        if not renews:
            return None
        renew(row)
        row = find_row(user, alias)
    return ready_call_from(row, user.pk) if row else None


def find_row(user: User, alias: str) -> TokenRow | None:
    """The row of a token that the person has agreed to send there; None if there is none, or admission refuses."""
    columns = first_row(alias, None, user=user.pk)
    row = TokenRow.read(columns) if columns else None
    return row if row and row.is_agreed else None


def ready_call_for(
    presented: PresentedToken, alias: str, *, minimum_seconds: float = 0
) -> tuple[Bearer, ReadyCall] | None:
    """The same for the owner of a token of ours that a program presents, together with that owner. One statement."""
    columns = first_row(alias, type(presented), **presented.values)
    bearer = presented.bearer_in(columns[WIDTH:]) if columns else None
    if columns is None or bearer is None:
        return None
    row = TokenRow.read(columns[:WIDTH])
    is_ready = row.is_agreed and not is_due(row, minimum_seconds)
    call = ready_call_from(row, bearer.user.pk) if is_ready else None
    return (bearer, call) if call else None


def ready_call_from(row: TokenRow, user_id: int) -> ReadyCall | None:
    """The call with the decrypted token; None if its key is missing."""
    try:
        access_token = row.open("access_token", user_id)
        base_url = row.open("base_url", user_id) if row.base_url else ""
        values = json.loads(row.open("provider_values", user_id)) if row.provider_values else {}
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
        connection_url=consent.home_of(
            row.connection_url or "",
            base_url=base_url,
            values=values,
            agreed=row.agreed,
            hosts=row.registry.base_url_hosts,
        ),
        registry=row.registry,
        values=values,
        alias=row.alias,
        allow_export=row.allow_export,
    )


def first_row(alias: str, kind: type[PresentedToken] | None, **person: Any) -> list[Any] | None:
    """The first row, shared with other threads that read the same row at this moment."""
    if not alias.isprintable():  # no database is asked for null characters or lone surrogates
        return None
    alias_id = id_in(alias)
    statement = statement_for(kind, alias_id is not None, tuple(admission.RULES))
    values = {**person, "name": alias, **({} if alias_id is None else {"id": alias_id})}
    return database.share_read((statement, *values.values()), lambda: statement.row(**values))


@cache
def statement_for(kind: type[PresentedToken] | None, by_id: bool, rules: tuple[admission.Rule, ...]) -> CompiledQuery:
    """The compiled statement, cached by the rules of admission that are part of it."""
    return CompiledQuery(lambda: tokens_for(kind, by_id=by_id))


def tokens_for(kind: type[PresentedToken] | None, *, by_id: bool) -> "models.QuerySet[Token, Any]":
    """Usable tokens of one person for one alias: the columns of `TokenRow`, followed by those of the `kind`."""
    person = kind.user_id() if kind else USER_ID
    named = Alias.objects.filter(Q(name=NAME) | Q(pk=ID) if by_id else Q(name=NAME)).order_by("pk")
    aliases = admission.filter_admitted(person, named)
    tokens = Token.objects.filter(
        kind.condition("user") if kind else Q(),
        user_id=person,
        state=TokenState.VALID,
        integration_type=IntegrationType.PERSONAL,
        credential__integration_type=IntegrationType.PERSONAL,
        credential_id=first_value(aliases, "effective_id"),
    )
    registry_columns = (f"credential__profile__registry__{name}" for name in REGISTRY_COLUMNS)
    return tokens.values_list(
        *TOKEN_COLUMNS,
        *registry_columns,
        *alias_columns(aliases, by_id=by_id),
        *(kind.columns("user") if kind else ()),
    )


def admitted_tokens(alias: str, token_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these tokens that still exist and whose owners may still use the alias (by name). One statement."""
    aliases = admission.filter_admitted(OuterRef("user_id"), Alias.objects.filter(name=alias))
    tokens = Token.objects.filter(pk__in=list(token_ids), credential_id=first_value(aliases, "effective_id"))
    return set(tokens.values_list("pk", flat=True))


def alias_columns(aliases: AliasQuerySet, *, by_id: bool) -> tuple[models.Expression | Subquery, ...]:
    """Columns of the alias: connection URL, name, and whether tokens may be exported.

    Names are unique, so the rules need not be repeated for them. That keeps the statement below the 4096 bytes up to
    which psycopg caches its parsing.
    """
    with_connection = AliasType.CONNECTION_AND_CREDENTIAL
    if by_id:
        url = first_value(aliases.filter(type=with_connection), "active_connection__connection_url")
        return url, first_value(aliases, "name"), first_value(aliases, "allow_token_export")
    connections = HttpConnection.objects.filter(active=True, alias__name=NAME, alias__type=with_connection)
    return (
        first_value(connections, "connection_url"),
        NAME,
        first_value(Alias.objects.filter(name=NAME), "allow_token_export"),
    )


def first_value(rows: "models.QuerySet[Any, Any]", column: str) -> Subquery:
    return Subquery(rows.values(column)[:1])


def prepare() -> None:
    """Compile the statements of calls by name, so that the first caller does not have to wait. Sends no query."""
    for kind in (None, *authentication.TOKEN_KINDS):
        statement_for(kind, False, tuple(admission.RULES)).prepare()
    transport.prepare()
