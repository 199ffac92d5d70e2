"""Fields of the form of application registries: their groups, what folded groups say, and help texts."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from foundation.name_lists import join_names
from integrations.models.registry import ApplicationRegistry

PROVIDER = [
    "reserved_id",
    "kept_secret",
    "name",
    "integrations",
    "issuer",
    "fill_from_metadata",
    "authorization_url",
    "token_url",
]
APPLICATION = ["redirect_url", "client_id", "client_secret", "client_secret_expires_on", "send_credentials",
               "same_provider"]  # fmt: skip
# Folded groups: title, what is usual, fields
FOLDED = (
    (
        gettext_lazy("Signing in"),
        gettext_lazy("authorization code with PKCE, no parameters of its own"),
        [
            "default_grant_type", "pkce_required", "code_challenge_method", "names_issuer", "authorization_parameters",
            "consent_after_revoke", "scope_separator", "scope_parameter",
        ],
    ),
    (
        gettext_lazy("Whose account it is"),
        gettext_lazy("not read, unless a Userinfo URL is entered"),
        ["userinfo_url", "userinfo_request", "account_id_path", "account_label_path", "account_settings_url"],
    ),
    (
        gettext_lazy("Renewing"),
        gettext_lazy("at the Token URL, until the provider refuses"),
        ["refresh_token_lifespan", "refresh_url", "token_parameters", "token_path"],
    ),
    (
        pgettext_lazy("section of a form", "Revoking"),
        gettext_lazy("here only, unless a Token Revocation URL is entered"),
        ["token_revocation_url", "revocation_request", "revocation_reach", "token_introspection_url"],
    ),
    (
        gettext_lazy("Calling"),
        gettext_lazy("a Bearer header and nothing else"),
        ["call_headers", "base_url_path", "base_url_hosts"],
    ),
    (
        gettext_lazy("What this provider does differently"),
        gettext_lazy("nothing"),
        ["provider_profile"],
    ),
    (
        gettext_lazy("On this site"),
        gettext_lazy("active, with a monogram"),
        ["logo_now", "logo", "remove_logo", "comments", "active"],
    ),
)  # fmt: skip
OFFER = ("found_scopes", "offered_scopes")
HELP_TEXTS: dict[str, Any] = {  # of the essential fields: what they mean at the provider
    "name": gettext_lazy("For administrators. People read the label of the alias."),
    "client_id": gettext_lazy("What the provider calls our application. Everybody who signs in can see it."),
    "send_credentials": gettext_lazy(
        "How the provider wants to see Client ID and secret. A wrong choice looks like a wrong secret there."
    ),
    "authorization_url": gettext_lazy("People’s browsers are sent there to sign in and to agree."),
    "token_url": gettext_lazy(
        "Keyrack exchanges codes for tokens there, and renews them. The Client Secret goes there."
    ),
    "default_grant_type": gettext_lazy(
        "How people get tokens: in the provider’s window, by a username and password entered here, or not at "
        "all, because the provider knows only this application. For new profiles."
    ),
    "pkce_required": gettext_lazy(
        "The provider then accepts a code only from the browser session that began the sign-in. Few old "
        "providers refuse the parameter."
    ),
    "code_challenge_method": gettext_lazy("plain only where the provider knows no S256."),
    "token_introspection_url": gettext_lazy(
        "Before and after a revocation the provider is asked whether the token still works (RFC 7662)."
    ),
    "revocation_reach": gettext_lazy(
        "Whether the provider also ends the person’s other sign-ins with this application. It decides whether "
        "the tokens that a new sign-in replaces are revoked."
    ),
    "comments": gettext_lazy("For administrators."),
    "active": gettext_lazy("If not, all its integrations are turned off. Sign-ins are kept."),
}
# Read-only fields that replace the inputs for administrators who may only view.
READ_ONLY_REPLACEMENTS = {
    "client_secret": "secret_state",
    "provider_profile": "provider_ways",
    **dict.fromkeys(("reserved_id", "kept_secret", "fill_from_metadata", "same_provider", "logo", "remove_logo"), ""),
}


def summary_of(usual: Any, fields: Sequence[str], registry: ApplicationRegistry | None) -> SafeString:
    """Return the summary of a folded group: whether it is as usual, or which fields differ."""
    standard = ApplicationRegistry()
    columns = [ApplicationRegistry._meta.get_field(name) for name in fields if hasattr(standard, name)]
    differing = [
        str(getattr(column, "verbose_name", column.name))
        for column in columns
        if registry and getattr(registry, column.name) != getattr(standard, column.name)
    ]
    summary = _("As usual: %(usual)s") % {"usual": usual}
    if differing:
        summary = _("Differs: %(fields)s") % {"fields": join_names(differing)}
    return format_html('<span class="fold-summary{}">{}</span>', " differs" if differing else "", summary)


def replace_inputs(fields: Sequence[str]) -> list[str]:
    """Return the fields for administrators who may only view."""
    return [name for field in fields if (name := READ_ONLY_REPLACEMENTS.get(field, field))]
