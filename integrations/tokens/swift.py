"""The ordinary case in one statement: a person, an alias, and a token that is good for a while yet.

The statement is written by the ORM, once for each kind of database, and kept. What it finds is opened without making
rows of models from it. Whatever is not ordinary (nothing found, locked, refused, turned off) is None here and the long
way's to tell apart; so this must never find what the long way would not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from accounts.statements import Kept, Slot
from integrations.models.registry import ROLE, Alias, AliasQuerySet, AliasType, HttpConnection, IntegrationType
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import Token, TokenState, consent, place_of
from integrations.tokens import together
from integrations.tokens.flights import renew
from integrations.tokens.usable import enough
from integrations.vault import Unreadable

GRANTED_AT = Coalesce("refreshed_at", "signed_in_at")
AGREED = ("agreed", *(f"credential__profile__registry__{name}" for name in consent.COLUMNS))
COLUMNS: tuple[str | Combinable, ...] = (
    "id",
    "credential_id",
    "version",
    "access_token",
    "token_type",
    "scopes",
    "expires_at",
    GRANTED_AT,
    *AGREED,
)
FIELDS = ("id", "credential_id", "version", "sealed", "token_type", "scopes", "expires_at", "granted_at", "agreed")

NAME, ID = Slot("name", models.CharField()), Slot("id", models.UUIDField())


@dataclass(frozen=True, kw_only=True)
class Whose:
    """How a statement knows the person: what an id is compared with, and what else it asks and tells of them."""

    user_id: models.Expression | models.Subquery
    condition: Q = field(default_factory=Q)
    columns: tuple[str, ...] = ()


Question = Callable[..., "models.QuerySet[Token, Any]"]  # with `by_id` and `whose`
KNOWN = Whose(user_id=Slot("user", models.BigIntegerField()))


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
    agreed: consent.Agreement | None
    registry: Mapping[str, Any]  # the values of `consent.COLUMNS`

    @property
    def pk(self) -> UUID:
        return self.id

    def may_go_to(self, connection_url: str | None) -> bool:
        """Whether the owner has agreed to the addresses of the set-up, and to this one."""
        return not consent.changes(self.agreed, self.registry, connection_url or "")

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
    return None if found is None or found.is_due(minimum_seconds) else opened(found, user.pk)


def at_once(user: User, alias: str, *, minimum_seconds: float = 0) -> ReadyToken | Token | None:
    """The same, renewed if it is due: however many wait, each has asked the database once. Raises as `current` does."""
    found = find(user, alias)
    if found is None:
        return None
    return renew(found) if found.is_due(minimum_seconds) else opened(found, user.pk)


def find(user: User, alias: str) -> FoundToken | None:
    columns = ANY.row(alias, user=user.pk)
    return None if columns is None else found_in(columns)


def found_in(columns: list[Any]) -> FoundToken | None:
    """What `COLUMNS` and the connection's URL behind them say. None where the token must not go there."""
    *own, connection_url = columns[: len(COLUMNS) + 1]
    registry = dict(zip(consent.COLUMNS, own[len(FIELDS) :], strict=True))
    found = FoundToken(**dict(zip(FIELDS, own, strict=False)), registry=registry)
    return found if found.may_go_to(connection_url) else None


def opened(found: FoundToken, user_id: int) -> ReadyToken | None:
    column = Token._meta.get_field("access_token")
    try:
        access_token = column.opened(found.sealed or b"", place_of(found.id, user_id, found.credential_id))
    except Unreadable:
        return None
    return ReadyToken(
        access_token=access_token, token_type=found.token_type, scopes=found.scopes, expires_at=found.expires_at
    )


def any_token(*, by_id: bool, whose: Whose) -> models.QuerySet[Token, Any]:
    aliases = named_aliases(by_id, whose)
    return usable(aliases, whose).values_list(*COLUMNS, connection_url(by_id, aliases), *whose.columns)


def connection_url(by_id: bool, aliases: AliasQuerySet) -> models.Subquery:
    """Where calls of the alias go. By name its conditions need not be said twice: psycopg reads long statements at
    each call.
    """
    if by_id:
        connected = aliases.complete().filter(type=AliasType.CONNECTION_AND_CREDENTIAL)
        return first(connected, "active_connection__connection_url")
    its = HttpConnection.objects.filter(active=True, alias__name=NAME, alias__type=AliasType.CONNECTION_AND_CREDENTIAL)
    return first(its, "connection_url")


def first(rows: "models.QuerySet[Any, Any]", column: str) -> models.Subquery:
    return models.Subquery(rows.values(column)[:1])


def named_aliases(by_id: bool, whose: Whose) -> AliasQuerySet:
    named = Q(name=NAME) | Q(pk=ID) if by_id else Q(name=NAME)
    return Alias.objects.filter(named, active=True).shared_with(whose.user_id).order_by("pk")


def usable(aliases: AliasQuerySet, whose: Whose) -> models.QuerySet[Token, Any]:
    """This person's token for them, under the same conditions that the long way asks for one by one."""
    return Token.objects.filter(
        whose.condition,
        with_role(OuterRef(OuterRef("user_id"))),
        user_id=whose.user_id,
        user__is_active=True,
        state=TokenState.VALID,
        integration_type=IntegrationType.PERSONAL,
        credential_id=models.Subquery(aliases.effective_credentials()[:1]),
        credential__integration_type=IntegrationType.PERSONAL,
        credential__active=True,
        credential__profile__registry__active=True,
    )


def with_role(user_id: OuterRef) -> Q:
    """What Django's own backend would say. Whom another backend gives the role, the long way finds."""
    app_label, _, codename = ROLE.partition(".")
    by_group = Group.permissions.through.objects.filter(group__user=user_id).values("permission")
    by_name = User.user_permissions.through.objects.filter(user=user_id).values("permission")
    theirs = Q(pk__in=by_group) | Q(pk__in=by_name)
    role = Permission.objects.filter(theirs, content_type__app_label=app_label, codename=codename)
    return Q(user__is_superuser=True) | Q(Exists(role))


@dataclass(frozen=True)
class Statements:
    """A question, by the alias's name alone, and by its name or id."""

    by_name: Kept
    by_id: Kept

    def row(self, alias: str, **who: Any) -> list[Any] | None:
        """However many threads ask for the same at once, the database is asked for all of them."""
        if "\0" in alias:
            return None
        alias_id = id_in(alias)
        kept, values = (self.by_name, who) if alias_id is None else (self.by_id, {**who, "id": alias_id})
        return together.ask((kept, alias, *who.values()), lambda: kept.row(name=alias, **values))

    def prepare(self) -> None:
        self.by_name.prepare()
        self.by_id.prepare()


def statements(question: Question, whose: Callable[[], Whose]) -> Statements:
    def kept(*, by_id: bool) -> Kept:
        return Kept(lambda: question(by_id=by_id, whose=whose()))

    return Statements(kept(by_id=False), kept(by_id=True))


ANY = statements(any_token, lambda: KNOWN)
