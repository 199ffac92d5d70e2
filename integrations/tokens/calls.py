"""What one call to a third party needs: the open token, the address, and how the server there is doing.

In the ordinary case found in one statement, as in `swift`, and without making rows of models from it. Both ways lead to
the same `ReadyCall`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from accounts.models import User
from accounts.statements import columns_of
from integrations.models.registry import Alias, AliasType, ApplicationRegistry, HttpConnection
from integrations.models.tokens import Token
from integrations.oauth import transport
from integrations.tokens.reading import current
from integrations.tokens.swift import (
    ANY,
    COLUMNS,
    ReadyToken,
    found_in,
    named_aliases,
    opened,
    row,
    statements,
    usable,
)
from integrations.tokens.usable import NoUsableToken

USE_WRITTEN_AT_MOST_EVERY = timedelta(minutes=1)
# what circuits look at
REGISTRY = columns_of(ApplicationRegistry, "id", "name", "failures", "failing_url", "down_since", "next_check_at")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyCall:
    """Whose token goes where."""

    pk: UUID  # of the token
    version: int
    access_token: str = field(repr=False)
    last_used_at: datetime | None
    connection_url: str
    registry: ApplicationRegistry

    @classmethod
    def of(cls, token: Token, connection: HttpConnection) -> Self:
        return cls(
            pk=token.pk,
            version=token.version,
            access_token=token.access_token,
            last_used_at=token.last_used_at,
            connection_url=token.at_home(connection.connection_url),
            registry=token.credential.registry,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOut:
    """A token for a program that calls by itself."""

    pk: UUID
    last_used_at: datetime | None
    token: ReadyToken
    alias: str


def handed_out(user: User, alias: str, *, minimum_seconds: float = 0) -> HandedOut | None:
    """Like `ready`, but only where the alias hands out tokens; and the alias's name. One statement."""
    columns = row(HANDED_OUT, alias=alias, user=user.pk)
    if columns is None:
        return None
    found, (last_used_at, name) = found_in(columns[: len(COLUMNS)]), columns[len(COLUMNS) :]
    token = None if found.is_due(minimum_seconds) else opened(found, user.pk)
    return HandedOut(pk=found.pk, last_used_at=last_used_at, token=token, alias=name) if token else None


def call_of(user: User | None, connection: HttpConnection) -> ReadyCall:
    """The long way, which says why not: raises as `current` does."""
    if connection.credential is None:
        raise NoUsableToken("no_credential")
    return ReadyCall.of(current(user, connection.credential), connection)


def ready_call(user: User, alias: str) -> tuple[ReadyCall, str] | None:
    """This person's token and connection for the alias, where both can be used as they are; and the alias's name."""
    columns = row(CALLS, alias=alias, user=user.pk)
    if columns is None or columns[-1] is None:
        return None
    found, (last_used_at, *registry, name, connection_url) = found_in(columns[: len(COLUMNS)]), columns[len(COLUMNS) :]
    token = None if found.is_due(0) else opened(found, user.pk)
    if token is None:
        return None
    call = ReadyCall(
        pk=found.pk,
        version=found.version,
        access_token=token.access_token,
        last_used_at=last_used_at,
        connection_url=connection_url,
        registry=ApplicationRegistry.from_db("default", REGISTRY, registry),
    )
    return call, name


def question(*, by_id: bool) -> models.QuerySet[Token, Any]:
    aliases = named_aliases(by_id=by_id)
    connected = aliases.complete().filter(type=AliasType.CONNECTION_AND_CREDENTIAL)
    at_the_connection = usable(aliases).filter(base_url__isnull=True)  # elsewhere: the long way's to open
    return at_the_connection.values_list(
        *COLUMNS,
        "last_used_at",
        *(f"credential__profile__registry__{name}" for name in REGISTRY),
        first(aliases, "name"),
        first(connected, "active_connection__connection_url"),
    )


def first(aliases: "models.QuerySet[Alias, Any]", column: str) -> models.Subquery:
    return models.Subquery(aliases.values(column)[:1])


def token_to_hand_out(*, by_id: bool) -> models.QuerySet[Token, Any]:
    aliases = named_aliases(by_id=by_id).filter(allow_token_export=True)
    return usable(aliases).values_list(*COLUMNS, "last_used_at", first(aliases, "name"))


CALLS, HANDED_OUT = statements(question), statements(token_to_hand_out)


def prepare() -> None:
    """What the first caller in this process would wait for otherwise. Asks no database."""
    for kept in (*ANY, *HANDED_OUT, *CALLS):
        kept.prepare()
    transport.prepare()


class Used(Protocol):
    @property
    def pk(self) -> UUID: ...
    @property
    def last_used_at(self) -> datetime | None: ...


def note_use(token: Used, used_by: str) -> None:
    """Last used, written at most once a minute."""
    now = timezone.now()
    before = now - USE_WRITTEN_AT_MOST_EVERY
    if token.last_used_at is not None and token.last_used_at >= before:
        return
    stale = models.Q(last_used_at__isnull=True) | models.Q(last_used_at__lt=before)
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=now, last_used_by=used_by[:100])
