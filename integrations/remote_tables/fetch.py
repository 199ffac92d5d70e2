"""Where a table is read: by the table's aliases or its action; and the outputs of the action, run as one person."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from requests import Response

from accounts.models import User
from foundation.name_lists import isolate_name
from foundation.oauth_client import response_bodies
from foundation.oauth_client.errors import Fault, OAuthError, Unreachable, Unusable
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile
from integrations.connections.renewal import NoUsableToken
from integrations.expressions import BadExpression
from integrations.flows import actions
from integrations.flows.actions import BadInputs, Failure
from integrations.models import admission
from integrations.models.card import Integration, build_integrations
from integrations.models.failures import fault_in_run
from integrations.models.flows import Action, RestStep
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import Token, consent
from integrations.remote_tables.all_pages import DEADLINE
from integrations.remote_tables.bodies import (
    FOR_THE_ADMINISTRATOR,
    LIMITED,
    NO_CONTENT,
    provider_error,
    raise_reason,
)
from integrations.remote_tables.errors import NotAllowed, TableMisconfigured, TurnedOff
from integrations.remote_tables.page_requests import PageRequest

READS = frozenset(
    {"GET", "HEAD", "OPTIONS", "POST"}
)  # reading a table must not change anything; some APIs search by POST
A_NAME = re.compile(r"[A-Za-z_]\w*")
A_PLAIN_PATH = re.compile(rf"{A_NAME.pattern}(\.{A_NAME.pattern})*")


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
    return sorted(_("Table: %(table)s") % {"table": isolate_name(table.title)} for table in tables)


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


class ActionPages:
    """The pages of a list that the last step of an action reads, as one person."""

    def __init__(self, table: RemoteTable, action: Action, user: User, source: Source) -> None:
        self.table, self.source, self.steps = table, source, list(action.steps.all())
        self.declared_outputs = action.outputs
        if writing_steps := [step.name for step in self.steps if step.method not in READS]:
            message = _("The step “%(step)s” of the action changes something. Reading a table must not.")
            raise TableMisconfigured("not_reading", message % {"step": writing_steps[0]})
        try:
            self.run = actions.ActionRun(
                action, user=user, inputs=table.inputs, used_by=table.title, ends_at=monotonic() + DEADLINE
            )
        except BadInputs as error:
            raise TableMisconfigured("bad_inputs", _("Inputs of the action: %(why)s") % {"why": error}) from None
        self.outputs: dict[str, Any] = {}

    @property
    def list_path(self) -> str | None:
        """The path to the list in the body of the last step; None if the rows come from elsewhere, or by POST."""
        rows_path = self.table.rows_path.strip()
        first_name = A_NAME.match(rows_path)
        name = first_name[0] if first_name else ""
        to_output = next((row["path"].strip() for row in self.declared_outputs if row["name"] == name), "")
        step = self.steps[-1] if self.steps else None
        if step is None or step.method != "GET" or not A_PLAIN_PATH.fullmatch(to_output):
            return None
        body = f"steps.{step.name}.body"
        if to_output != body and not to_output.startswith(f"{body}."):
            return None
        return f"{to_output.removeprefix(body)}{rows_path.removeprefix(name)}".removeprefix(".")

    @property
    def profile(self) -> ProviderProfile:
        """The profile of the provider that the last step calls."""
        return self.profile_of(self.steps[-1] if self.steps else None)

    def profile_of(self, step: RestStep | None) -> ProviderProfile:
        alias_id = step.alias_id if step else None
        registries = (each.registry for each in self.source.integrations if each.alias.pk == alias_id)
        return next((registry.readable_profile for registry in registries), STANDARD)

    @sensitive_variables()
    def read_page(self, request: PageRequest, _seconds: float) -> tuple[Response, PageRequest]:
        """Run the action or, for another page, its last step. Returns its response, and what was called."""
        if self.run.last_step is None:
            result = self.run.run()
        else:
            result = self.run.repeat_last_step(actions.Target(path=request.path, parameters=request.parameters))
        response = self.run.response
        if response is not None and result.steps[-1].reason in FOR_THE_ADMINISTRATOR:  # as in a table over an alias
            profile = self.profile_of(self.run.last_step)
            raise provider_error(response, response_bodies.body_of(response), profile)
        if result.failure:
            raise error_in(result.failure)
        for step in result.steps:
            raise_reason(step.reason)
        self.outputs = result.outputs
        if response is None:
            raise TableMisconfigured("not_reading", _("The action has no steps."))
        return response, request if request.path or request.parameters else self.first_request()

    def first_request(self) -> PageRequest:
        try:
            target = self.run.last_target()
        except BadExpression:  # it takes longer than before, so the time is up
            target = None
        return PageRequest(path=target.path, parameters=target.parameters) if target else PageRequest(path="")

    @sensitive_variables()
    def parse(self, response: Response) -> Any:
        """The JSON of the last answer, for its pages; `NO_CONTENT` if there is neither content nor an output."""
        if response.status_code == 204 and not any(self.outputs.values()):
            return NO_CONTENT
        return response_bodies.json_body(response)


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
