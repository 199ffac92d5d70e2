"""Views that end refresh tokens and approvals, of the user or, for administrators, of another user."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts import privileges
from accounts.models import User
from accounts.oauth_server import grants
from accounts.sign_in.middleware import client_address
from foundation.name_lists import isolate_name, join_names

Row = TypeVar("Row")
MAY_END = (privileges.MAY_VIEW, "accounts.delete_approval")


class Request(HttpRequest):
    """A request of a signed-in user."""

    user: User
    htmx: HtmxDetails


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A question on a page or in a dialog, and what to do if the answer is yes."""

    title: str
    text: str
    yes: str
    message: str  # after it was done
    end: Callable[[], None]


def get_owner(request: Request, user_id: int | None) -> User:
    """The user whose page it is. Raises `PermissionDenied` if it is another's and the viewer may not end grants."""
    if user_id is None or user_id == request.user.pk:
        return request.user
    if not request.user.has_perms(MAY_END):
        raise PermissionDenied
    return get_object_or_404(User, pk=user_id)


def may_end(viewer: User, owner: User) -> bool:
    """Whether the page has buttons to end grants."""
    return viewer.pk == owner.pk or viewer.has_perms(MAY_END)


def security_url(owner: User, viewer: User) -> str:
    if owner.pk == viewer.pk:
        return reverse("accounts:security")
    return reverse("accounts:security-of", args=[owner.pk])


def confirm_first(view: Callable[..., Confirmation]) -> Callable[..., HttpResponse]:
    """Decorator: GET asks for confirmation, as a page or in a dialog; POST does it and returns to Account Security."""

    @require_http_methods(["GET", "POST"])
    @never_cache
    @login_required
    def confirmed(request: Request, user_id: int | None = None, **names: UUID | int) -> HttpResponse:
        owner = get_owner(request, user_id)
        confirmation = view(request, owner, **names)
        page = security_url(owner, request.user)
        if request.method == "GET":
            template = "accounts/end_grant.html#dialog" if request.htmx else "accounts/end_grant.html"
            return render(request, template, {"confirmation": confirmation, "page": page, "owner": owner})
        confirmation.end()
        messages.success(request, confirmation.message)
        return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page, status=303)

    return confirmed


@confirm_first
def refresh_token(request: Request, owner: User, family: UUID) -> Confirmation:
    refresh_token_grant = first_or_404(
        [grant for grant in grants.load_grants(owner).refresh_tokens if grant.family == family]
    )
    names = {"name": isolate_name(refresh_token_grant.name)}
    return Confirmation(
        title=_("Delete the refresh token of %(name)s?") % names,
        text=_("This signs %(name)s out at once. It can ask for access again.") % names,
        yes=_("Delete"),
        message=_("%(name)s is signed out.") % names,
        end=partial(
            grants.end_refresh_tokens, owner, [refresh_token_grant], who=request.user, address=client_address(request)
        ),
    )


@confirm_first
def refresh_tokens(request: Request, owner: User) -> Confirmation:
    owner_grants = grants.load_grants(owner).refresh_tokens
    return Confirmation(
        title=_("Delete all refresh tokens?"),
        text=_("This signs all programs out at once: %(names)s.")
        % {"names": join_names(grant.name for grant in owner_grants)},
        yes=_("Delete all"),
        message=_("All programs are signed out."),
        end=partial(grants.end_refresh_tokens, owner, owner_grants, who=request.user, address=client_address(request)),
    )


@confirm_first
def approved_scopes(request: Request, owner: User, application_id: int) -> Confirmation:
    approved = first_or_404(
        [row for row in grants.load_grants(owner).approved_scopes if row.application.pk == application_id]
    )
    names = {"name": isolate_name(approved.name)}
    return Confirmation(
        title=_("Remove the access of %(name)s?") % names,
        text=_("Its tokens stop working at once. It must ask again before it can do anything.") % names,
        yes=_("Remove"),
        message=_("%(name)s no longer has access.") % names,
        end=partial(grants.end_approved, owner, approved, who=request.user, address=client_address(request)),
    )


def first_or_404(rows: list[Row]) -> Row:
    if not rows:
        raise Http404
    return rows[0]
