"""Models whose changes the audit log records (`accounts.audit.model_changes`)."""

from accounts.audit.model_changes import watch_model
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.flows import Action, RestStep, Subflow, SubflowAction
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    OAuthEntityScope,
)
from integrations.models.registry.health import Health
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.models.tool_sets import ToolSet

# JSON fields may contain an API key.
REGISTRY_SECRETS = (
    "client_secret",
    "call_headers",
    "token_parameters",
    "authorization_parameters",
    "userinfo_request",
    "revocation_request",
    "provider_profile",
)

watch_model(
    ApplicationRegistry,
    ignored=[field.name for field in Health._meta.fields],
    secrets=REGISTRY_SECRETS,
)
watch_model(OAuthEntityScope, ignored=["registry"], parent="registry")
watch_model(OAuthEntityProfile, ignored=["registry"], many=["scopes"], parent="registry")
watch_model(OAuth2Credential)
watch_model(Alias, ignored=["deactivated_at", "tester"], many=["groups"])
watch_model(HttpConnection)
watch_model(ConfigurationTemplate, ignored=["key"], secrets=["definition"])  # with objects as above
watch_model(Action)
watch_model(RestStep, ignored=["action"], secrets=["headers", "query", "body"], parent="action")
watch_model(Subflow, many=["groups"])
watch_model(SubflowAction, ignored=["subflow"], secrets=["inputs"], parent="subflow")
watch_model(RemoteTable, secrets=["query", "inputs"], many=["groups"])
watch_model(ToolSet, many=["subflows", "remote_tables", "aliases", "groups"])
watch_model(RemoteTableColumn, ignored=["table"], parent="table")
