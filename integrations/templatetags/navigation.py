"""Navigation of the two bars, the site's and the administration's: entries, and the one that the page belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django import template
from django.contrib.auth.models import AnonymousUser
from django.template.context import Context
from django.urls import ResolverMatch, reverse
from django.utils.translation import gettext as _

from accounts import privileges
from accounts.models import User
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token
from integrations.provider_setup.explain_access import may_explain

register = template.Library()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A link. `current`: the value of aria-current, "page" for the page itself and "true" for one below it."""

    id: str
    label: str
    url: str
    current: str = ""


@register.inclusion_tag("_navigation.html", takes_context=True)
def navigation_bar(context: Context, bar: str = "site") -> dict[str, Any]:
    """The entries that this user may follow. The menu of a narrow screen is named for the current one."""
    match = getattr(context.get("request"), "resolver_match", None)
    entries = list(BARS[bar](context.get("user") or AnonymousUser(), match))
    return {"entries": entries, "here": next((entry.label for entry in entries if entry.current), "")}


def site_entries(user: Any, match: ResolverMatch | None) -> Iterator[Entry]:
    section, name = section_of(match), match.url_name if match else None

    def entry(key: str, label: str, page: str) -> Entry:
        itself = "page" if page.endswith(f":{name}") else "true"
        return Entry(id=f"nav-{key}", label=label, url=reverse(page), current=itself if key == section else "")

    if user.has_perm("integrations.personal_auth_user"):
        yield entry("integrations", _("Integrations"), "integrations:dashboard")
        yield entry("remote-tables", _("Remote tables"), "integrations:remote_table_list")
    if user.is_authenticated:
        yield entry("security", _("Account security"), "accounts:security")
        yield entry("api", _("API"), "api:docs")
    if user.is_staff:
        yield entry("admin", _("Administration"), "integrations:providers")


def section_of(match: ResolverMatch | None) -> str:
    """The key of the entry that the page belongs to."""
    if match is None:
        return ""
    if match.namespace == "integrations":
        return "remote-tables" if "remote_table" in (match.url_name or "") else "integrations"
    return "api" if match.view_name == "api:docs" else "security" if match.route.startswith("accounts/") else ""


def administration_entries(user: Any, match: ResolverMatch | None) -> Iterator[Entry]:
    name = match.url_name if match else None

    def entry(key: str, label: str, page: str) -> Entry:
        return Entry(
            id=f"nav-{key}", label=label, url=reverse(page), current="page" if page.endswith(f":{name}") else ""
        )

    providers = entry("providers", _("Providers"), "integrations:providers")
    is_below_providers = name not in {"providers", "explain_access", "all_records"}
    if privileges.may_view(user, ApplicationRegistry):
        yield replace(providers, current="true") if is_below_providers else providers
    if may_explain(user):
        yield entry("explain", _("Explain access"), "integrations:explain_access")
    if privileges.may_view(user, Token):
        yield entry("tokens", _("Manage Tokens"), "admin:integrations_token_changelist")
    if privileges.may_view(user, User):
        yield entry("people", _("People"), "admin:accounts_user_changelist")
    yield entry("records", _("All records"), "integrations:all_records")
    if user.has_perm("integrations.personal_auth_user"):
        yield entry("mine", _("My integrations"), "integrations:dashboard")


BARS = {"site": site_entries, "administration": administration_entries}
