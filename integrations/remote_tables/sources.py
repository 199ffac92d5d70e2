"""Sources of a table: one person's integrations behind its alias, or behind the steps of its action."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from integrations.connections.renewal import NoUsableToken
from integrations.models import admission
from integrations.models.card import Integration, build_integrations
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import Token, consent


class TableMisconfigured(Misconfigured):
    """Only an administrator can fix this; `description` is for them. Holds names of members, never a value."""


class TurnedOff(Exception):
    """The alias, its credential or its registry is not active."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Integrations that a table is read through, in the order of the calls.

    `is_whole`: False if some alias of the table is not among this person's integrations.
    """

    integrations: tuple[Integration, ...]
    is_whole: bool

    @property
    def main(self) -> Integration | None:
        """The integration to show on the page: the first without a valid token, else the first."""
        waiting = (each for each in self.integrations if not each.is_token_valid)
        return next(waiting, self.integrations[0] if self.integrations else None)

    @property
    def tokens(self) -> list[Token]:
        return [each.token for each in self.integrations if each.token]

    @property
    def addresses(self) -> list[str]:
        """Connection URLs of the integrations. Part of the cache key: another server has other rows."""
        connections = (each.alias.connection for each in self.integrations)
        return [connection.connection_url for connection in connections if connection]

    def check(self) -> None:
        """Raise if the table can't be read now. Called before the cache as well as before a call."""
        if not (self.is_whole and self.integrations):
            message = _(
                "Each alias needs an active connection with a Personal credential, because people use their own."
            )
            raise TableMisconfigured("no_source", message)
        for integration in self.integrations:
            if not integration.is_on:
                raise TurnedOff
            if integration.alias.connection is None:
                message = _("An alias of the type Credential has no address to read from.")
                raise TableMisconfigured("no_connection", message)
            if integration.row.is_held:
                raise NoUsableToken(consent.CHANGED)
            if not integration.is_token_valid:
                raise NoUsableToken(integration.failure_code or "not_connected")


def tables_using(user: User, alias: Alias) -> list[str]:
    """Name the tables of this person that stop working without their token for the alias."""
    tables = RemoteTable.objects.available_to(user).reading_through(alias)
    return sorted(_("the table %(table)s") % {"table": table.title} for table in tables)


def source_of(table: RemoteTable, user: User) -> Source:
    return sources_of([table], user)[table.pk]


def sources_of(tables: Iterable[RemoteTable], user: User) -> dict[UUID, Source]:
    """Return the sources by id of the table, in a fixed number of queries."""
    alias_ids = {table.pk: table.alias_ids for table in tables}
    aliases = Alias.objects.filter(pk__in={each for ids in alias_ids.values() for each in ids}).personal()
    integrations = {
        each.alias.pk: each for each in build_integrations(user, admission.filter_visible(user.pk, aliases))
    }
    return {pk: build_source(integrations, ids) for pk, ids in alias_ids.items()}


def build_source(integrations: dict[UUID, Integration], alias_ids: list[UUID]) -> Source:
    present = tuple(integrations[each] for each in alias_ids if each in integrations)
    return Source(integrations=present, is_whole=len(present) == len(alias_ids))
