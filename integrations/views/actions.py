"""What a person does to an integration that is there: revoke, forget, cancel, try again, dismiss, check."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from integrations import circuit_breaker
from integrations.connections import authorization
from integrations.models import revocation_reach
from integrations.models.card import Integration, compose
from integrations.models.registry import Alias
from integrations.models.tokens import RevocationState
from integrations.views.dashboard import show, uses_of
from integrations.views.permissions import Request, own_integration, with_integration


def answer(request: Request) -> HttpResponse:
    """htmx gets the cards anew, a browser without JavaScript goes back to the page."""
    if request.htmx:
        return show(request)
    return redirect("integrations:dashboard")


@require_http_methods(["GET", "POST"])
@with_integration
def revoke(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        also_ends = revocation_reach.also_ended(request.user, integration)
        used_by = uses_of(request.user, integration.alias)
        return ask(request, "integrations/revoke.html", integration, also_ends=also_ends, used_by=used_by)
    revocation = authorization.revoke(request.user, integration.alias)
    if revocation is None:
        messages.info(request, _("%(title)s was not connected.") % {"title": integration.title})
    elif revocation.state == RevocationState.UNSUPPORTED:
        messages.success(request, removed_here_only(integration))
    else:
        told = _("%(title)s removed here. Asking %(title)s to cancel the token.")
        messages.success(request, told % {"title": integration.title})
    return answer(request)


def removed_here_only(integration: Integration) -> str:
    return render_to_string("integrations/_removed_here_only.html", {"integration": integration})


def ask(request: Request, template: str, integration: Integration, **context: Any) -> HttpResponse:
    """The question as a page, or as a dialog on the page that is open."""
    return render(request, f"{template}#dialog" if request.htmx else template, {"integration": integration, **context})


@require_http_methods(["GET", "POST"])
@with_integration
def forget(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        return ask(request, "integrations/forget.html", integration)
    authorization.forget(request.user, integration.alias)
    messages.success(request, _("%(title)s forgotten.") % {"title": integration.title})
    return answer(request)


@require_http_methods(["GET", "POST"])
@with_integration
def confirm_address(request: Request, integration: Integration) -> HttpResponse:
    """Asks again where the address was changed once more since it was shown."""
    names = {"title": integration.title}
    if request.method == "POST":
        if authorization.confirm_address(request.user, integration, shown=request.POST.get("shown", "")):
            messages.success(request, _("New address of %(title)s confirmed. Calls go there from now on.") % names)
            return answer(request)
        if not integration.address_changes:
            return answer(request)
        messages.warning(request, _("%(title)s was moved again meanwhile. Look at the new address.") % names)
    moves = integration.address_moves
    looks_alike = any(move.looks_alike for move in moves)
    response = ask(request, "integrations/confirm_address.html", integration, moves=moves, looks_alike=looks_alike)
    if request.htmx and request.method == "POST":
        response["HX-Retarget"], response["HX-Reswap"] = "#dialog", "innerHTML"
    return response


def acting(operation: Callable[[User, Alias], None]) -> Callable[..., HttpResponse]:
    """A POST that does one thing to the integration and shows the cards again."""

    @with_integration
    def view(request: Request, integration: Integration) -> HttpResponse:
        operation(request.user, integration.alias)
        return answer(request)

    posted: Callable[..., HttpResponse] = require_POST(view)
    return posted


@require_POST
@with_integration
def cancel(request: Request, integration: Integration) -> HttpResponse:
    authorization.cancel(request.user, integration.alias)
    after = own_integration(request.user, integration.alias.pk)
    if after.ended:
        messages.info(request, compose(after, after.ended).spoken)
    return answer(request)


retry_revocation = acting(authorization.retry_revocation)
dismiss = acting(authorization.dismiss)


@require_POST
@with_integration
def check(request: Request, integration: Integration) -> HttpResponse:
    """Is the provider back? Asked without anybody's token."""
    names = {"title": integration.title}
    try:
        if circuit_breaker.check_now(integration.registry):
            messages.success(request, _("%(title)s answers again.") % names)
        else:
            messages.warning(request, _("%(title)s still doesn’t answer. Your connection is kept.") % names)
    except circuit_breaker.TooSoon as error:
        names["seconds"] = str(error.seconds)
        messages.info(request, _("%(title)s was asked a short while ago. Check again in %(seconds)s seconds.") % names)
    return answer(request)
