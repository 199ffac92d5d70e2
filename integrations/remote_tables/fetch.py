"""Where a table is read: by the table's aliases or its action; and the outputs of the action, run as one person."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from foundation.oauth_client.errors import Fault, OAuthError, Unreachable, Unusable
from integrations.connections.renewal import NoUsableToken
from integrations.flows import actions
from integrations.flows.actions import ActionResult, BadInputs, Failure
from integrations.models import admission
from integrations.models.card import Integration, build_integrations
from integrations.models.failures import fault_in_run
from integrations.models.flows import Action
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import Token, consent
from integrations.remote_tables.all_pages import DEADLINE
from integrations.remote_tables.bodies import LIMITED, NO_CONTENT, raise_reason
from integrations.remote_tables.errors import NotAllowed, TableMisconfigured, TurnedOff

READS = frozenset(
    {"GET", "HEAD", "OPTIONS", "POST"}
)  # reading a table must not change anything; some APIs search by POST


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


def run_reading_action(table: RemoteTable, action: Action, user: User) -> Any:
    """Return the outputs of the action by name; `NO_CONTENT` if its last step was answered without content."""
    if writing_steps := [step.name for step in action.steps.all() if step.method not in READS]:
        message = _("The step “%(step)s” of the action changes something. Reading a table must not.")
        raise TableMisconfigured("not_reading", message % {"step": writing_steps[0]})
    try:
        result = run_action(table, action, user)
    except BadInputs as error:
        raise TableMisconfigured("bad_inputs", _("Inputs of the action: %(why)s") % {"why": error}) from None
    if result.failure:
        raise error_in(result.failure)
    for step in result.steps:
        raise_reason(step.reason)
    is_empty = result.steps and result.steps[-1].http_status == 204 and not any(result.outputs.values())
    return NO_CONTENT if is_empty else result.outputs


def run_action(table: RemoteTable, action: Action, user: User) -> ActionResult:
    return actions.run(action, user=user, inputs=table.inputs, used_by=table.title, ends_at=monotonic() + DEADLINE)


def error_in(failure: Failure) -> NoUsableToken | OAuthError:
    """Return the exception that says whose fault the failure is, by the failure's code."""
    fault = fault_in_run(failure.code)
    if fault == Fault.PERSON and failure.code != "http_403":
        return NoUsableToken(failure.code)
    if failure.is_limited:
        return Unreachable(LIMITED, retry_after=failure.retry_after)
    if failure.code == "http_403":
        return NotAllowed(failure.code)
    if fault == Fault.PROVIDER:
        return Unreachable(failure.code)
    if fault == Fault.ANSWER:
        return Unusable(failure.code, failure.sentence)
    return TableMisconfigured(failure.code, failure.sentence)
