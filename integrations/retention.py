"""How long rows of integrations are kept."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils import timezone

from foundation.retention import declare_rule
from integrations.models import registry
from integrations.models.calendar_feeds import CalendarFeed
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.flows import Action, RestStep, StepRun, Subflow, SubflowAction, SubflowRun
from integrations.models.heartbeats import Heartbeat
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.models.tokens import (
    UNDELIVERED,
    AuthorizationAttempt,
    ConnectLink,
    Reminder,
    Renewal,
    Revocation,
    Token,
)
from integrations.models.tokens.revocation_record import RevocationState
from integrations.models.tool_sets import ToolSet

DRAFT_DAYS = 180


def old_drafts() -> QuerySet[Any]:
    return ProviderDraft.objects.filter(changed_at__lt=timezone.now() - timedelta(days=DRAFT_DAYS))


def old_revocations() -> QuerySet[Any]:
    """Revocations that ended long ago; copies of given-up ones were wiped before."""
    before = timezone.now() - timedelta(days=settings.REVOCATION_ROW_DAYS)
    ended = Revocation.objects.filter(state__in=[state for state in RevocationState if state not in UNDELIVERED])
    given_up = Revocation.objects.filter(state=RevocationState.ABANDONED, purged_at__isnull=False)
    return (ended | given_up).filter(created_at__lt=before, settled_at__lt=before)


def purge_attempts(rows: Any) -> None:
    """Delete sign-ins, and revoke what was fetched for them."""
    rows.purge()


BY_HAND = "administrators delete them"

declare_rule(Token, "with the sign-in, the person or the credential; one for each person and credential")
declare_rule(Renewal, "two days after a success, 30 days after anything else", Renewal.objects.past, size=1000)
declare_rule(Revocation, "`REVOCATION_ROW_DAYS` after it was settled or given up", old_revocations)
declare_rule(
    AuthorizationAttempt,
    "ten minutes after its end",
    AuthorizationAttempt.objects.past,
    remove=purge_attempts,
    size=100,
)
declare_rule(ConnectLink, "30 days after its end", ConnectLink.objects.past)
declare_rule(Reminder, "30 days after it was asked for", Reminder.objects.past)
declare_rule(SubflowRun, "after `SUBFLOW_RUN_DAYS`", SubflowRun.objects.past)
declare_rule(StepRun, "with its run")
declare_rule(ProviderDraft, "when it is finished, or 180 days after its last change", old_drafts)
declare_rule(Heartbeat, "never: one for each task of beat and each place of a run")
declare_rule(CalendarFeed, "with the person")
SET_UP: list[type[Model]] = [
    registry.ApplicationRegistry,
    registry.OAuthEntityProfile,
    registry.OAuthEntityScope,
    registry.OAuth2Credential,
    registry.Alias,
    registry.HttpConnection,
    ConfigurationTemplate,
    Action,
    RestStep,
    Subflow,
    SubflowAction,
    RemoteTable,
    RemoteTableColumn,
    ToolSet,
]
for model in SET_UP:
    declare_rule(model, BY_HAND)
