"""Models of the integrations app."""

from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.events import Event, EventKind
from integrations.models.flows import Action, RestStep, RunAs, StepRun, Subflow, SubflowAction, SubflowRun
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
from integrations.models.tokens import AuthorizationAttempt, Renewal, Revocation, Token

__all__ = [
    "Action",
    "Alias",
    "AliasType",
    "ApplicationRegistry",
    "AuthorizationAttempt",
    "ConfigurationTemplate",
    "Event",
    "EventKind",
    "HttpConnection",
    "IntegrationType",
    "OAuth2Credential",
    "OAuthEntityProfile",
    "OAuthEntityScope",
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
]
