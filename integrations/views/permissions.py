"""Decorators of views: permissions, audit log, and loading the integration."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django_htmx.middleware import HtmxDetails

from accounts.audit import log
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.models import admission
from integrations.models.card import Integration, integration_of
from integrations.models.registry import SET_UP

BINDING = "authorization_binding"
NO_ROLE = gettext_lazy("You need the role Personal Auth User. Ask your administrator.")


class Request(HttpRequest):
    """A request behind `for_people`: the user is signed in and has the role."""

    user: User
    htmx: HtmxDetails


def for_people(view: Any) -> Any:
    """Decorator: requires sign-in and the role; never cached."""
    return never_cache(login_required(user_passes_test(may_use_integrations)(with_audit_log(view))))


def for_signing_in(view: Any) -> Any:
    """Decorator for views that begin a sign-in, for oneself or for the system: requires sign-in; never cached.

    The view asks admission about the credential. A user who may sign in to nothing learns that instead of a 404.
    """

    @wraps(view)
    def wrapper(request: Request, *arguments: Any, **names: Any) -> HttpResponse:
        try:
            return cast(HttpResponse, view(request, *arguments, **names))
        except Http404:
            if request.user.has_perm(SET_UP) or may_use_integrations(request.user):
                raise
            raise PermissionDenied(NO_ROLE) from None

    return never_cache(login_required(with_audit_log(wrapper)))


def with_audit_log(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: entries in the audit log name the user and their address."""

    @wraps(view)
    def wrapper(request: Request, *arguments: Any, **names: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return view(request, *arguments, **names)
        with log.attributed_to(request.user, client_address(request)):
            return view(request, *arguments, **names)

    return wrapper


def may_use_integrations(user: Any) -> bool:
    if admission.find_refusal(user):
        raise PermissionDenied(NO_ROLE)
    return True


def with_integration(view: Callable[..., HttpResponse]) -> Any:
    """Decorator: pass the user's integration for the alias id, or answer 404 if it isn't theirs or doesn't exist."""

    @wraps(view)
    def wrapper(request: Request, alias_id: UUID) -> HttpResponse:
        return view(request, own_integration(request.user, alias_id))

    return for_people(wrapper)


def own_integration(user: User, alias_id: UUID) -> Integration:
    integration = integration_of(user, alias_id)
    if integration is None:
        raise Http404
    return integration


def session_binding(request: HttpRequest) -> str:
    """Return a random value that binds sign-ins to this browser session. It lasts as long as the session."""
    if BINDING not in request.session:
        request.session[BINDING] = secrets.token_urlsafe(32)
    return str(request.session[BINDING])
