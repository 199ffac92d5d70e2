"""Settings of Keyrack as an OAuth server (django-oauth-toolkit)."""

from datetime import timedelta
from typing import Any

from config.environment import env

OAUTH2_PROVIDER_APPLICATION_MODEL = "accounts.Application"
REFRESH_TOKEN_FAMILY_LIFETIME = timedelta(days=180)
REFRESH_REPLAY_SECONDS = env.number("REFRESH_REPLAY_SECONDS", default=60)  # docs/decisions/0037

# Programs that register themselves (docs/decisions/0053).
CLIENT_METADATA_DOCUMENTS = env.flag("CLIENT_METADATA_DOCUMENTS", default=True)
CLIENT_METADATA_HOSTS = env.words("CLIENT_METADATA_HOSTS")  # of others, an administrator is asked
DYNAMIC_CLIENT_REGISTRATION = env.flag("DYNAMIC_CLIENT_REGISTRATION", default=False)
SELF_REGISTERED_SCOPES = env.words(
    "SELF_REGISTERED_SCOPES",
    default=["integrations:read", "integrations:revoke", "subflows:run", "remote-tables:read", "service:*"],
)

# The password grant, despite RFC 9700 §2.4, is in docs/decisions/0019. `validator` limits who may use it.
SILENCED_SYSTEM_CHECKS = ["oauth2_provider.W002"]
ENFORCED = (
    "IMPLICIT_GRANT", "PKCE_METHOD", "ACCESS_TOKEN_TRANSPORT", "AUTHZ_RESPONSE_ISS", "TOKEN_STORAGE", "REFRESH_TOKEN",
    "REDIRECT_URI_MATCHING", "PKCE_REQUIRED",
)  # fmt: skip


def oauth_provider(site_url: str, *, is_secure: bool) -> dict[str, Any]:
    """The toolkit's settings of the site at this URL."""
    return {
        "OAUTH2_VALIDATOR_CLASS": "accounts.oauth_server.validator.Validator",
        "OAUTH2_BACKEND_CLASS": "accounts.oauth_server.request_rules.Core",
        "RESOURCE_SERVER_TOKEN_RESOURCE_VALIDATOR": "accounts.oauth_server.request_rules.is_url_covered",
        "SCOPES_BACKEND_CLASS": "accounts.oauth_server.scopes_backend.Scopes",
        "OIDC_ISS_ENDPOINT": site_url,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
        "REFRESH_TOKEN_EXPIRE_SECONDS": 30 * 86_400,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "PKCE_REQUIRED": True,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["https"] if is_secure else ["https", "http"],
        "CIMD_ENABLED": CLIENT_METADATA_DOCUMENTS,
        "CIMD_METADATA_FETCHER": "accounts.oauth_server.client_documents.Fetcher",
        "CIMD_REGISTRATION_PERMISSION_CLASSES": ("accounts.oauth_server.client_documents.MayFetch",),
        "DCR_ENABLED": DYNAMIC_CLIENT_REGISTRATION,
        "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
        "OAUTH2_GRANT_TYPES_SUPPORTED": [
            "authorization_code", "password", "client_credentials", "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "OAUTH_PRE_TOKEN_VALIDATION": [],  # of the toolkit's device grant, in place of which the validator has one
        "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["client_secret_basic", "client_secret_post", "none"],
        "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": False,
        "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": is_secure,
        **{f"COMPLIANT_BCP_RFC9700_{name}": True for name in ENFORCED},
    }  # fmt: skip
