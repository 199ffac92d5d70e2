"""URLs of this site: where a sign-in with a credential starts, ServiceNow's to the letter, and others for mails."""

from collections.abc import Iterable
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from accounts.models import User
from integrations.models.failures import field_behind
from integrations.models.registry import ApplicationRegistry, GrantType, OAuth2Credential, may_fix


def absolute_url(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def initiator_url(credential: OAuth2Credential, *, scopes: Iterable[str] = ()) -> str:
    """Return the initiator URL. A person's own sign-in has a parameter for it; one for the system has none.

    `scopes`: to be asked for beside those of the profile, with the authorization code grant.
    """
    if credential.profile.grant_type == GrantType.PASSWORD:
        query = {
            "sysparm_oauth_requestor_context": "oauth_2_0_credential",
            "sysparm_oauth_requestor": credential.hex,
            "sysparm_oauth_provider_profile": credential.profile.hex,
            **({"sysparm_oauth_personal": "true"} if credential.is_personal else {}),
        }
        return f"{reverse('integrations:password')}?{urlencode(query)}"
    query = {
        "oauth_requestor_context": "oauth_2_0_credentials",
        "oauth_requestor": credential.hex,
        "oauth_provider_profile": credential.profile.hex,
        "response_type": "code",
        **({"personal": "true"} if credential.is_personal else {}),
        **({"scope": scope} if (scope := " ".join(scopes)) else {}),
    }
    return f"{reverse('integrations:initiator')}?{urlencode(query)}"


def registry_admin_url(registry: ApplicationRegistry, user: User, *, code: str = "") -> str:
    """Return the URL of the registry in the admin; "" for users who may not change it.

    It leads to the field that a failure points to. `code`: of the failure, if it isn't the recorded problem.
    """
    return registry_field_url(registry, field_behind(code or registry.misconfigured_code)) if may_fix(user) else ""


def registry_field_url(registry: ApplicationRegistry, field: str) -> str:
    """Return the URL of the registry's form. `field`: as `failures.field_behind` names it; "" for none."""
    anchor = "#scopes-group" if field == "scopes" else f"#id_{field}" if field else ""
    return reverse("admin:integrations_applicationregistry_change", args=[registry.pk]) + anchor


def home_url(credential: OAuth2Credential) -> str:
    """Return the URL of the dashboard; for a sign-in of the system, of its credential in the admin."""
    if credential.is_personal:
        return reverse("integrations:dashboard")
    return reverse("admin:integrations_oauth2credential_change", args=[credential.pk])
