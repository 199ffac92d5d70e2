"""What a table is read from, as one person has it: the integrations behind its alias, or behind its action's steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from integrations.connections.renewal import NoUsableToken
from integrations.models import admission
from integrations.models.card import Integration, State, assemble
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import Token, consent


class SetUpWrongly(Misconfigured):
    """Nobody but the administrator can help; `description` is for them. Holds names of members, never a value."""


class TurnedOff(Exception):
    """The alias, its credential or its registry is not active."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """`integrations` in the order in which they are called; those that lead nowhere a person can are not there."""

    integrations: tuple[Integration, ...]
    is_whole: bool

    @property
    def main(self) -> Integration | None:
        """The one to speak of: where the person must do something, else the first."""
        waiting = (each for each in self.integrations if not each.is_token_valid)
        return next(waiting, self.integrations[0] if self.integrations else None)

    @property
    def tokens(self) -> list[Token]:
        return [each.token for each in self.integrations if each.token]

    @property
    def addresses(self) -> list[str]:
        """Where the rows are read: another server's are others."""
        connections = (each.alias.connection for each in self.integrations)
        return [connection.connection_url for connection in connections if connection]

    def check(self) -> None:
        """Before anything is sent or looked up: what was kept is not shown either to whom nobody would show it."""
        if not (self.is_whole and self.integrations):
            told = _("Each alias needs an active connection with a Personal credential; people read with their own.")
            raise SetUpWrongly("no_source", told)
        for each in self.integrations:
            if not each.is_on:
                raise TurnedOff
            if each.alias.connection is None:
                told = _("An alias of the type Credential leads to no address to read from.")
                raise SetUpWrongly("no_connection", told)
            if each.state == State.ADDRESS_CHANGED:
                raise NoUsableToken(consent.CHANGED)
            if not each.is_token_valid:
                raise NoUsableToken(each.failure_code or "not_connected")


def uses_of(user: User, alias: Alias) -> list[str]:
    """What of this person's stops when their token for the alias does."""
    tables = RemoteTable.objects.available_to(user).reading_through(alias)
    return sorted(_("the table %(table)s") % {"table": table.title} for table in tables)


def source_of(table: RemoteTable, user: User) -> Source:
    return sources_of([table], user)[table.pk]


def sources_of(tables: Iterable[RemoteTable], user: User) -> dict[UUID, Source]:
    """By the table's id, in as many queries for many tables as for one."""
    wanted = {table.pk: table.alias_ids for table in tables}
    aliases = Alias.objects.filter(pk__in={each for ids in wanted.values() for each in ids}).personal()
    there = {each.alias.pk: each for each in assemble(user, admission.shown(user.pk, aliases))}
    return {pk: source_in(there, alias_ids) for pk, alias_ids in wanted.items()}


def source_in(there: dict[UUID, Integration], alias_ids: list[UUID]) -> Source:
    found = tuple(there[each] for each in alias_ids if each in there)
    return Source(integrations=found, is_whole=len(found) == len(alias_ids))
