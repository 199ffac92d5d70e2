"""What a person does to an integration that is there: revoke, forget, cancel, try again, dismiss."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from integrations import authorization
from integrations.models.integration import Integration
from integrations.models.registry import Alias
from integrations.models.tokens import RevocationState
from integrations.views.access import Request, with_integration
from integrations.views.dashboard import show


def answer(request: Request) -> HttpResponse:
    """htmx gets the cards anew, a browser without JavaScript goes back to the page."""
    if request.htmx:
        return show(request)
    return redirect("integrations:dashboard")


@require_http_methods(["GET", "POST"])
@with_integration
def revoke(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        return ask(request, "integrations/revoke.html", integration)
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
    names = {"title": integration.title}
    if integration.expires_at is None:
        told = _("%(title)s removed. It offers no way for us to cancel the token there.")
        return told % names
    until = {"until": integration.expires_at.strftime("%d %b %Y, %H:%M")}
    told = _("%(title)s removed. It offers no way for us to cancel the token there; it may stay valid until %(until)s.")
    return told % (names | until)


def ask(request: Request, template: str, integration: Integration) -> HttpResponse:
    """The question as a page, or as a dialog on the page that is open."""
    return render(request, f"{template}#dialog" if request.htmx else template, {"integration": integration})


@require_http_methods(["GET", "POST"])
@with_integration
def forget(request: Request, integration: Integration) -> HttpResponse:
    if request.method == "GET":
        return ask(request, "integrations/forget.html", integration)
    authorization.forget(request.user, integration.alias)
    messages.success(request, _("%(title)s forgotten.") % {"title": integration.title})
    return answer(request)


def acting(operation: Callable[[User, Alias], None]) -> Callable[..., HttpResponse]:
    """A POST that does one thing to the integration and shows the cards again."""

    @with_integration
    def view(request: Request, integration: Integration) -> HttpResponse:
        operation(request.user, integration.alias)
        return answer(request)

    posted: Callable[..., HttpResponse] = require_POST(view)
    return posted


cancel = acting(authorization.cancel)
retry_revocation = acting(authorization.retry_revocation)
dismiss = acting(authorization.dismiss)
