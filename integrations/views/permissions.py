"""Who may see the pages of this app, and what every one of them loads first."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django_htmx.middleware import HtmxDetails

from accounts.audit import log
from accounts.models import User
from accounts.sign_in.lockout import client_address
from integrations.models import admission
from integrations.models.card import Integration, integration_of
from integrations.models.registry import SET_UP

BINDING = "authorization_binding"


class Request(HttpRequest):
    """A request behind `for_people`: somebody is signed in and has the role."""

    user: User
    htmx: HtmxDetails


def for_people(view: Any) -> Any:
    """Signed in, with the role, never cached."""
    return never_cache(login_required(user_passes_test(may_use_integrations)(noted(view))))


def for_signing_in(view: Any) -> Any:
    """The same, and those who sign in for the system. Who may sign in to what is asked further down."""
    return never_cache(login_required(user_passes_test(may_sign_in)(noted(view))))


def noted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What comes of it says in the diary who did it, and from where."""

    @wraps(view)
    def by_the_person(request: Request, *arguments: Any, **names: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return view(request, *arguments, **names)
        with log.by(request.user, client_address(request)):
            return view(request, *arguments, **names)

    return by_the_person


def may_use_integrations(user: Any) -> bool:
    if admission.refused_person(user):
        raise PermissionDenied
    return True


def may_sign_in(user: Any) -> bool:
    return user.has_perm(SET_UP) or may_use_integrations(user)


def with_integration(view: Callable[..., HttpResponse]) -> Any:
    """The integration of this person at this alias id, or 404: not there and not yours look alike."""

    @wraps(view)
    def loaded(request: Request, alias_id: UUID) -> HttpResponse:
        return view(request, own_integration(request.user, alias_id))

    return for_people(loaded)


def own_integration(user: User, alias_id: UUID) -> Integration:
    integration = integration_of(user, alias_id)
    if integration is None:
        raise Http404
    return integration


def session_binding(request: HttpRequest) -> str:
    """One random mark for each browser session, however many sign-ins it begins. It ends with the session."""
    if BINDING not in request.session:
        request.session[BINDING] = secrets.token_urlsafe(32)
    return str(request.session[BINDING])
