"""The Personal Authentication dashboard and the details of one integration."""

import hashlib
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.models import User
from integrations import flows, remote_tables
from integrations.models import events
from integrations.models.card import Integration, integrations_of
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.views.permissions import Request, for_people, with_integration

EVENTS_SHOWN = 10


@require_safe
@for_people
def dashboard(request: Request) -> HttpResponse:
    return show(request)


def show(request: Request) -> HttpResponse:
    """Render both sections; for htmx only the changing part. A poll gets 304 if nothing has changed, a button never."""
    integrations = integrations_of(request.user)
    etag = etag_of(integrations)
    is_poll = request.htmx and request.method == "GET"
    if is_poll and request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304)
    query = request.GET.get("q", "").strip()
    matching = [row for row in integrations if query.casefold() in row.title.casefold()]
    context = {
        "mine": [row for row in matching if row.section == "my"],
        "available": [row for row in matching if row.section == "available"],
        "attention": [row for row in integrations if row.needs_the_person],
        "count": len(integrations),
        "query": query,
        "etag": etag,
    }
    template = "integrations/dashboard.html#integrations" if request.htmx else "integrations/dashboard.html"
    return render(request, template, context)


def etag_of(integrations: list[Integration]) -> str:
    """Return an ETag that changes when any card does, but not with time."""
    versions = [
        (row.alias.hex, row.state, row.token and row.token.version, row.revocation and row.revocation.attempts)
        for row in integrations
    ]
    return f'"{hashlib.sha256(repr(versions).encode()).hexdigest()[:16]}"'


@require_safe
@with_integration
def detail(request: Request, integration: Integration) -> HttpResponse:
    history = events.events_of(integration.credential).filter(whose=request.user)
    context = {
        "integration": integration,
        "events": history[:EVENTS_SHOWN],
        "used_by": uses_of(request.user, integration.alias),
    }
    return render(request, "integrations/detail.html", context)


def uses_of(user: User, alias: Alias) -> list[str]:
    """Return the names of the user's subflows and tables that need their token."""
    return [*flows.subflows_using(user, alias), *remote_tables.tables_using(user, alias)]


@require_safe
@login_required
@cache_control(private=True, max_age=3600)
def logo(request: HttpRequest, registry_id: UUID) -> HttpResponse:
    """Serve a logo that an administrator uploaded, sandboxed."""
    registry = get_object_or_404(ApplicationRegistry, pk=registry_id, logo__isnull=False)
    return HttpResponse(
        bytes(registry.logo or b""),
        content_type=registry.logo_type,
        headers={"Content-Security-Policy": "default-src 'none'; sandbox"},
    )
