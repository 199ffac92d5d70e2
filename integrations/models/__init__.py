"""Models of the integrations app."""

from integrations.models.calendar_feeds import CalendarFeed
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.events import Event, EventKind
from integrations.models.flows import Action, RestStep, RunAs, StepRun, Subflow, SubflowAction, SubflowRun
from integrations.models.heartbeats import Heartbeat
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import (
    Alias,
    AliasType,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    OAuthEntityScope,
)
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.models.tokens import AuthorizationAttempt, ConnectLink, Reminder, Renewal, Revocation, Token
from integrations.models.tool_sets import ToolSet

__all__ = [
    "Action",
    "Alias",
    "AliasType",
    "ApplicationRegistry",
    "AuthorizationAttempt",
    "CalendarFeed",
    "ConfigurationTemplate",
    "ConnectLink",
    "Event",
    "EventKind",
    "Heartbeat",
    "HttpConnection",
    "IntegrationType",
    "OAuth2Credential",
    "OAuthEntityProfile",
    "OAuthEntityScope",
    "ProviderDraft",
    "Reminder",
    "RemoteTable",
    "RemoteTableColumn",
    "Renewal",
    "RestStep",
    "Revocation",
    "RunAs",
    "StepRun",
    "Subflow",
    "SubflowAction",
    "SubflowRun",
    "Token",
    "ToolSet",
]
