"""The Personal Authentication dashboard, the details of one integration, and its actions.

Actions are: revoke, forget, cancel, try again, dismiss, check, confirm an address, ask about one.
"""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import push_url, replace_url

from accounts.models import DashboardView, User
from foundation.name_lists import isolate_name
from integrations import circuit_breaker, flows, remote_tables
from integrations.connections import administrator_notices, authorization, tasks
from integrations.models import events, revocation_reach
from integrations.models.card import Integration, compose_outcome, integrations_of
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.tokens import RevocationState
from integrations.views.listing import Selection, build_listing
from integrations.views.permissions import Request, for_people, own_integration, with_integration

EVENTS_SHOWN = 10
ADDRESS_AFTER = {"filter": replace_url, "state": push_url}  # by the id of the control: typing leaves no history


@require_safe
@for_people
def dashboard(request: Request) -> HttpResponse:
    return render_dashboard(request)


def render_dashboard(request: Request) -> HttpResponse:
    """Render both sections; for htmx only the changing part. A poll gets 304 if nothing has changed, a button never."""
    integrations = integrations_of(request.user)
    selection = Selection.from_parameters(parameters_of(request))
    address = f"{reverse('integrations:dashboard')}{selection.address()}"
    # Changes when any card does, but not with time. Every control of the part sends it, also one with another address.
    versions = [
        (row.alias.hex, row.state, row.token and row.token.version, row.revocation and row.revocation.attempts)
        for row in integrations
    ]
    etag = f'"{hashlib.sha256(repr((get_language(), address, versions)).encode()).hexdigest()[:16]}"'
    is_poll = request.htmx and request.method == "GET"
    if is_poll and request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304)
    context = build_listing(request.user, integrations, selection) | {"etag": etag, "address": address}
    if not request.htmx:
        return render(request, "integrations/dashboard.html", context)
    response = render(request, "integrations/dashboard.html#integrations", context)
    set_address = ADDRESS_AFTER.get(request.htmx.trigger or "")
    return set_address(response, address) if set_address else response


def parameters_of(request: Request) -> QueryDict:
    """What the dashboard is asked for. A button's answer takes the place of what its page showed."""
    if request.method == "GET" or not request.htmx:
        return request.GET
    return QueryDict(urlsplit(request.htmx.current_url_abs_path or "").query)


@require_POST
@for_people
def choose_view(request: Request) -> HttpResponse:
    """Show integrations as rows or as cards from now on, on every device."""
    view = request.POST.get("view", "")
    if view in DashboardView:
        request.user.dashboard_view = view
        request.user.save(update_fields=["dashboard_view"])
    return cards_response(request)


@require_http_methods(["GET", "POST"])
@for_people
def show_keys(request: Request) -> HttpResponse:
    """The keys of the dashboard, and the switch of the one that is a letter key (WCAG 2.1.4)."""
    if request.method == "POST":
        request.user.slash_searches = "slash_searches" in request.POST
        request.user.save(update_fields=["slash_searches"])
        return redirect("integrations:dashboard")
    template = "integrations/keys.html"
    return render(request, f"{template}#dialog" if request.htmx else template)


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


# Actions --------------------------------------------------------------------------------------------------------------


def cards_response(request: Request) -> HttpResponse:
    """Return the cards to htmx; redirect a browser without JavaScript to the dashboard."""
    if request.htmx:
        return render_dashboard(request)
    return redirect("integrations:dashboard")


@require_http_methods(["GET", "POST"])
@with_integration
def revoke(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        also_ends = [other.title for other in revocation_reach.also_ended(request.user, integration)]
        used_by = uses_of(request.user, integration.alias)
        return render_confirmation(
            request, "integrations/revoke.html", integration, also_ends=also_ends, used_by=used_by
        )
    revocation = authorization.revoke(request.user, integration.alias)
    if revocation is None:
        messages.info(request, _("%(title)s was not connected.") % {"title": isolate_name(integration.title)})
    elif revocation.state == RevocationState.UNSUPPORTED:
        messages.success(
            request, render_to_string("integrations/_removed_here_only.html", {"integration": integration})
        )
    else:
        message = _("%(title)s removed here. Asking %(title)s to cancel the token.")
        messages.success(request, message % {"title": isolate_name(integration.title)})
    return cards_response(request)


def render_confirmation(request: Request, template: str, integration: Integration, **context: Any) -> HttpResponse:
    """Ask for confirmation, as a page or as a dialog on the current page."""
    return render(request, f"{template}#dialog" if request.htmx else template, {"integration": integration, **context})


@require_http_methods(["GET", "POST"])
@with_integration
def forget(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        return render_confirmation(request, "integrations/forget.html", integration)
    authorization.forget(request.user, integration.alias)
    messages.success(request, _("%(title)s forgotten.") % {"title": isolate_name(integration.title)})
    return cards_response(request)


@require_http_methods(["GET", "POST"])
@with_integration
def confirm_address(request: Request, integration: Integration) -> HttpResponse:
    """Confirm a new address. Asks again if it has changed since it was shown."""
    names = {"title": isolate_name(integration.title)}
    if request.method == "POST":
        if authorization.confirm_address(request.user, integration, fingerprint=request.POST.get("shown", "")):
            messages.success(request, _("New address of %(title)s confirmed. Calls go there from now on.") % names)
            return cards_response(request)
        if not integration.address_changes:
            return cards_response(request)
        messages.warning(request, _("%(title)s has moved again. Check the new address.") % names)
    moves = integration.address_moves
    looks_alike = any(move.looks_alike for move in moves)
    response = render_confirmation(
        request,
        "integrations/confirm_address.html",
        integration,
        moves=moves,
        looks_alike=looks_alike,
        can_ask=administrator_notices.can_ask(),
    )
    if request.htmx and request.method == "POST":
        response["HX-Retarget"], response["HX-Reswap"] = "#dialog", "innerHTML"
    return response


@require_POST
@with_integration
def ask_about_address(request: Request, integration: Integration) -> HttpResponse:
    """Ask the administrators about a new address that looks like the old one."""
    if administrator_notices.can_ask() and any(move.looks_alike for move in integration.address_moves):
        if administrator_notices.ask_administrators(request.user, integration):
            tasks.send_notices_soon()
            messages.success(request, _("The administrators get an email about it."))
        else:
            messages.info(request, _("The administrators have been asked within the last day."))
    return cards_response(request)


def operation_view(operation: Callable[[User, Alias], None]) -> Callable[..., HttpResponse]:
    """Return a view that applies an operation to the integration on POST and shows the cards."""

    @with_integration
    def view(request: Request, integration: Integration) -> HttpResponse:
        operation(request.user, integration.alias)
        return cards_response(request)

    posted: Callable[..., HttpResponse] = require_POST(view)
    return posted


@require_POST
@with_integration
def cancel(request: Request, integration: Integration) -> HttpResponse:
    authorization.cancel(request.user, integration.alias)
    after = own_integration(request.user, integration.alias.pk)
    if after.ended:
        messages.info(request, compose_outcome(after, after.ended).spoken)
    return cards_response(request)


retry_revocation = operation_view(authorization.retry_revocation)
dismiss = operation_view(authorization.dismiss)


@require_POST
@with_integration
def check(request: Request, integration: Integration) -> HttpResponse:
    """Check whether the provider answers again. Sends no token."""
    names = {"title": isolate_name(integration.title)}
    try:
        if circuit_breaker.check_now(integration.registry):
            messages.success(request, _("%(title)s answers again.") % names)
        else:
            messages.warning(request, _("%(title)s still doesn’t answer. Your connection is kept.") % names)
    except circuit_breaker.TooSoon as error:
        names["seconds"] = str(error.seconds)
        messages.info(request, _("%(title)s was checked a moment ago. Check again in %(seconds)s seconds.") % names)
    return cards_response(request)
