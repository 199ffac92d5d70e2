"""Settings of django-rest-framework and drf-spectacular."""

from config.environment import env
from config.spare_threads import calls_at_once, server_threads

# Calls that each program of a person may have under way in each process; 0: no limit (docs/decisions/0064)
API_CALLS_AT_ONCE = env.number("API_CALLS_AT_ONCE", default=calls_at_once(server_threads()))
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.BearerToken",
        "accounts.api.authentication.ApplicationPasswordOverBasic",
        "accounts.api.authentication.Session",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScopes"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.strict_fields.Json"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.permissions.KnownCalls", "accounts.api.permissions.AnonymousCalls"],
    "DEFAULT_THROTTLE_RATES": {
        "known": f"{env.number('API_CALLS_PER_MINUTE', default=1200, at_least=1)}/min",
        "anonymous": f"{env.number('API_ANONYMOUS_CALLS_PER_MINUTE', default=300, at_least=1)}/min",
    },
    "DEFAULT_METADATA_CLASS": None,  # no OPTIONS: the schema describes the API; no preflight answers
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "integrations.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "integrations.api.errors.handle_exception",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Keyrack",
    "DESCRIPTION": "The integrations that a person has connected, for programs that act for that person.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "integrations.api.schema.add_components",
    ],
}
