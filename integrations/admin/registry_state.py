"""State of a provider on the page of its registry, and the tools for it. The same sources as the start page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from integrations.admin.explain_access import may_view
from integrations.admin.many_rows import capped_count
from integrations.admin.templates import may_make
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.tokens import Token
from integrations.provider_setup import explain_access, overview


def state_context(request: HttpRequest, registry: ApplicationRegistry) -> dict[str, Any]:
    """Return what the panel and the tools need. Each tool is left out if this administrator may not use it."""
    shows_aliases = may_view(request, Alias)
    provider = overview.read_provider(registry, shows_aliases=shows_aliases)
    may_explain = explain_access.may_explain(request.user)  # type: ignore[arg-type]  # admin_view admits users only
    return {
        "provider": provider,
        "provider_problems": overview.find_problems([provider]),
        "try_url": try_url(provider) if may_make(request) else "",
        "tokens": registry_tokens(registry) if may_view(request, Token) else None,
        "explain_url": explain_url(provider) if may_explain else "",
    }


def try_url(provider: overview.Provider) -> str:
    """Where an administrator tries it; "" once it has worked or people see it."""
    is_untried = any(alias.awaits_trial for alias in provider.aliases)
    return reverse("integrations:try_provider", args=[provider.key]) if is_untried else ""


def registry_tokens(registry: ApplicationRegistry) -> dict[str, Any]:
    address = f"{reverse('admin:integrations_token_changelist')}?{urlencode({'registry': registry.name})}"
    tokens = Token.objects.filter(credential__profile__registry=registry)
    return {"address": address, "count": capped_count(tokens)}


def explain_url(provider: overview.Provider) -> str:
    """Where access to the first of its aliases is explained; "" if it has none."""
    if not provider.aliases:
        return ""
    return f"{reverse('integrations:explain_access')}?{urlencode({'integration': provider.aliases[0].name})}"
