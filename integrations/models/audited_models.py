"""Models whose changes the audit log records (`accounts.audit.model_changes`)."""

from accounts.audit.model_changes import watch
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

watch(
    ApplicationRegistry,
    ignored=[field.name for field in Health._meta.fields],
    secrets=REGISTRY_SECRETS,
)
watch(OAuthEntityScope, ignored=["registry"], parent="registry")
watch(OAuthEntityProfile, ignored=["registry"], many=["scopes"], parent="registry")
watch(OAuth2Credential)
watch(Alias, ignored=["deactivated_at", "tester"], many=["groups"])
watch(HttpConnection)
watch(ConfigurationTemplate, ignored=["key"], secrets=["definition"])  # with objects as above
watch(Action)
watch(RestStep, ignored=["action"], secrets=["headers", "query", "body"], parent="action")
watch(Subflow, many=["groups"])
watch(SubflowAction, ignored=["subflow"], secrets=["inputs"], parent="subflow")
watch(RemoteTable, secrets=["query", "inputs"], many=["groups"])
watch(ToolSet, many=["subflows", "remote_tables", "aliases", "groups"])
watch(RemoteTableColumn, ignored=["table"], parent="table")
