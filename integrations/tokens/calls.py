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

from accounts import bearers
from accounts.bearers import Bearer
from accounts.models import User
from accounts.statements import Slot, columns_of
from integrations.models.registry import ApplicationRegistry, HttpConnection
from integrations.models.tokens import Token
from integrations.oauth import transport
from integrations.tokens.reading import current_for
from integrations.tokens.swift import (
    ANY,
    COLUMNS,
    KNOWN,
    NAME,
    ReadyToken,
    Whose,
    any_token,
    connection_url,
    first,
    found_in,
    named_aliases,
    opened,
    statements,
    usable,
)

USE_WRITTEN_AT_MOST_EVERY = timedelta(minutes=1)
REST = len(COLUMNS) + 1  # where the columns of a statement go on behind the token and its connection's URL
# what circuits look at, and what a call carries
CIRCUITS = ("id", "name", "failures", "failing_url", "down_since", "next_check_at")
REGISTRY = columns_of(ApplicationRegistry, *CIRCUITS, "client_id", "call_headers")


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


def ready_for(checksum: str, alias: str) -> Bearer | None:
    """Whose access token of ours was shown, where it has a token for the alias that can be used as it is."""
    columns = READY_FOR.row(alias, checksum=checksum)
    if columns is None:
        return None
    found, bearer = found_in(columns), bearers.bearer_in(columns[REST:])
    return bearer if bearer and found and not found.is_due(0) and opened(found, bearer.user.pk) else None


def handed_out_to(checksum: str, alias: str, *, minimum_seconds: float = 0) -> tuple[Bearer, HandedOut] | None:
    """The same, only where the alias hands out tokens; and the token. One statement."""
    columns = HANDED_OUT.row(alias, checksum=checksum)
    if columns is None:
        return None
    found, (last_used_at, name, *shown) = found_in(columns), columns[REST:]
    if found is None or found.is_due(minimum_seconds):
        return None
    bearer = bearers.bearer_in(shown)
    token = opened(found, bearer.user.pk) if bearer else None
    if bearer is None or token is None:
        return None
    return bearer, HandedOut(pk=found.pk, last_used_at=last_used_at, token=token, alias=name)


def call_of(user: User | None, connection: HttpConnection) -> ReadyCall:
    """The long way, which says why not: raises as `current` does."""
    return ReadyCall.of(current_for(user, connection), connection)


def ready_call(user: User, alias: str) -> ReadyCall | None:
    """This person's token and connection for the alias, where both can be used as they are. One statement."""
    columns = CALLS.row(alias, user=user.pk)
    return call_in(columns, user) if columns else None


def ready_call_for(checksum: str, alias: str) -> tuple[Bearer, ReadyCall, str] | None:
    """The same for whoever showed an access token of ours; and the alias's name. One statement."""
    columns = CALLS_SHOWN.row(alias, checksum=checksum)
    if columns is None:
        return None
    bearer = bearers.bearer_in(columns[CALL:])
    call = call_in(columns[:CALL], bearer.user) if bearer else None
    return (bearer, call, columns[CALL - 1]) if bearer and call else None


def call_in(columns: list[Any], user: User) -> ReadyCall | None:
    found, url, (last_used_at, *registry, _name) = found_in(columns), columns[REST - 1], columns[REST:]
    if found is None or url is None or found.is_due(0):
        return None
    token = opened(found, user.pk)
    if token is None:
        return None
    return ReadyCall(
        pk=found.pk,
        version=found.version,
        access_token=token.access_token,
        last_used_at=last_used_at,
        connection_url=url,
        registry=ApplicationRegistry.from_db("default", REGISTRY, registry),
    )


def shown() -> Whose:
    return Whose(user_id=bearers.user_id(), condition=bearers.shown("user"), columns=bearers.columns("user"))


def token_to_hand_out(*, by_id: bool, whose: Whose) -> models.QuerySet[Token, Any]:
    aliases = named_aliases(by_id, whose).filter(allow_token_export=True)
    name = first(aliases, "name") if by_id else NAME
    url = connection_url(by_id, aliases)
    return usable(aliases, whose).values_list(*COLUMNS, url, "last_used_at", name, *whose.columns)


def token_and_address(*, by_id: bool, whose: Whose) -> models.QuerySet[Token, Any]:
    name: models.Subquery | Slot
    aliases = named_aliases(by_id, whose)
    at_the_connection = usable(aliases, whose).filter(base_url__isnull=True)  # elsewhere: the long way's to open
    name, url = first(aliases, "name") if by_id else NAME, connection_url(by_id, aliases)
    registry = (f"credential__profile__registry__{name}" for name in REGISTRY)
    return at_the_connection.values_list(*COLUMNS, url, "last_used_at", *registry, name, *whose.columns)


READY_FOR, HANDED_OUT = statements(any_token, shown), statements(token_to_hand_out, shown)
CALLS, CALLS_SHOWN = statements(token_and_address, lambda: KNOWN), statements(token_and_address, shown)
CALL = REST + 1 + len(REGISTRY) + 1  # columns of `token_and_address`


def prepare() -> None:
    """What the first caller in this process would wait for otherwise. Asks no database."""
    for kept in (ANY, READY_FOR, HANDED_OUT, CALLS, CALLS_SHOWN):
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
