"""The ordinary case in one statement: a person, an alias, and a token that is good for a while yet.

The statement is written by the ORM, once for each kind of database, and kept. What it finds is opened without making
rows of models from it. Whatever is not ordinary (nothing found, locked, refused, turned off) is None here and the long
way's to tell apart; so this must never find what the long way would not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import models
from django.db.models import Exists, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from accounts.statements import Kept, Slot
from integrations.models.registry import ROLE, Alias, AliasQuerySet, IntegrationType
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import Token, TokenState, place_of
from integrations.tokens import together
from integrations.tokens.flights import renew
from integrations.tokens.usable import enough
from integrations.vault import Unreadable

GRANTED_AT = Coalesce("refreshed_at", "signed_in_at")
COLUMNS = ("id", "credential_id", "version", "access_token", "token_type", "scopes", "expires_at", GRANTED_AT)
FIELDS = ("id", "credential_id", "version", "sealed", "token_type", "scopes", "expires_at", "granted_at")

UUID_FIELD: "models.UUIDField[Any, Any]" = models.UUIDField()
USER = Slot("user", models.BigIntegerField())
Question = Callable[..., "models.QuerySet[Token, Any]"]


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
    return None if found is None or found.is_due(minimum_seconds) else opened(found, user.pk)


def at_once(user: User, alias: str, *, minimum_seconds: float = 0) -> ReadyToken | Token | None:
    """The same, renewed if it is due: however many wait, each has asked the database once. Raises as `current` does."""
    found = find(user, alias)
    if found is None:
        return None
    return renew(found) if found.is_due(minimum_seconds) else opened(found, user.pk)


def find(user: User, alias: str) -> FoundToken | None:
    columns = row(ANY, alias=alias, user=user.pk)
    return None if columns is None else found_in(columns)


def found_in(columns: list[Any]) -> FoundToken:
    return FoundToken(**dict(zip(FIELDS, columns, strict=True)))


def opened(found: FoundToken, user_id: int) -> ReadyToken | None:
    column = Token._meta.get_field("access_token")
    try:
        access_token = column.opened(found.sealed or b"", place_of(found.id, user_id, found.credential_id))
    except Unreadable:
        return None
    return ReadyToken(
        access_token=access_token, token_type=found.token_type, scopes=found.scopes, expires_at=found.expires_at
    )


def any_token(*, by_id: bool) -> models.QuerySet[Token, Any]:
    return usable(named_aliases(by_id=by_id)).values_list(*COLUMNS)


def named_aliases(*, by_id: bool) -> AliasQuerySet:
    named = Q(name=Slot("name", models.CharField()))
    if by_id:
        named |= Q(pk=Slot("id", UUID_FIELD))
    return Alias.objects.filter(named, active=True).shared_with(USER).order_by("pk")


def usable(aliases: AliasQuerySet) -> models.QuerySet[Token, Any]:
    """This person's token for them, under the same conditions that the long way asks for one by one."""
    return Token.objects.filter(
        with_role(USER),
        user_id=USER,
        user__is_active=True,
        state=TokenState.VALID,
        integration_type=IntegrationType.PERSONAL,
        credential_id=models.Subquery(aliases.effective_credentials()[:1]),
        credential__integration_type=IntegrationType.PERSONAL,
        credential__active=True,
        credential__profile__registry__active=True,
    )


def with_role(user: Slot) -> Q:
    """What Django's own backend would say. Whom another backend gives the role, the long way finds."""
    app_label, _, codename = ROLE.partition(".")
    role = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    mine = Q(Exists(role.filter(user=user))) | Q(Exists(role.filter(group__user=user)))
    return Q(user__is_superuser=True) | mine


def statements(question: Question) -> tuple[Kept, Kept]:
    """That by name alone, and that by name or id."""
    return Kept(partial(question, by_id=False)), Kept(partial(question, by_id=True))


ANY = statements(any_token)


def row(kept: tuple[Kept, Kept], *, alias: str, user: int) -> list[Any] | None:
    """However many threads ask for the same at once, the database is asked for all of them."""
    if "\0" in alias:
        return None
    by_name, by_id = kept
    alias_id = id_in(alias)
    if alias_id is None:
        return together.ask((by_name, alias, user), lambda: by_name.row(name=alias, user=user))
    return together.ask((by_id, alias, user), lambda: by_id.row(name=alias, user=user, id=alias_id))
