"""Ending what programs were allowed and what they hold: one's own, or as an administrator another person's."""

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
from accounts.sign_in.lockout import client_address

Row = TypeVar("Row")
MAY_END = (privileges.LOOK, "accounts.delete_approval")


class Request(HttpRequest):
    """Somebody is signed in."""

    user: User
    htmx: HtmxDetails


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked first and done then."""

    title: str
    text: str
    yes: str
    done: str
    end: Callable[[], None]


def owner_of(request: Request, user_id: int | None) -> User:
    """Whose page it is: one's own, or another's for those who may."""
    if user_id is None or user_id == request.user.pk:
        return request.user
    if not request.user.has_perms(MAY_END):
        raise PermissionDenied
    return get_object_or_404(User, pk=user_id)


def may_end(viewer: User, owner: User) -> bool:
    """Whether the buttons are there."""
    return viewer.pk == owner.pk or viewer.has_perms(MAY_END)


def page_of(owner: User, viewer: User) -> str:
    if owner.pk == viewer.pk:
        return reverse("accounts:security")
    return reverse("accounts:security-of", args=[owner.pk])


def asked_first(view: Callable[..., Question]) -> Callable[..., HttpResponse]:
    """GET shows the question, as a page or as a dialog on the one that is open; POST does it and leads back."""

    @require_http_methods(["GET", "POST"])
    @never_cache
    @login_required
    def answered(request: Request, user_id: int | None = None, **names: UUID | int) -> HttpResponse:
        owner = owner_of(request, user_id)
        question = view(request, owner, **names)
        page = page_of(owner, request.user)
        if request.method == "GET":
            template = "accounts/end_grant.html#dialog" if request.htmx else "accounts/end_grant.html"
            return render(request, template, {"question": question, "page": page, "owner": owner})
        question.end()
        messages.success(request, question.done)
        return HttpResponseClientRedirect(page) if request.htmx else HttpResponseRedirect(page, status=303)

    return answered


@asked_first
def refresh_token(request: Request, owner: User, family: UUID) -> Question:
    held = one_of([grant for grant in grants.of(owner).refresh_tokens if grant.family == family])
    names = {"name": held.name}
    return Question(
        title=_("Delete the refresh token of %(name)s?") % names,
        text=_("It signs %(name)s out at once. It can ask to be signed in again.") % names,
        yes=_("Delete"),
        done=_("%(name)s is signed out.") % names,
        end=partial(grants.end_refresh_tokens, owner, [held], who=request.user, address=client_address(request)),
    )


@asked_first
def refresh_tokens(request: Request, owner: User) -> Question:
    held = grants.of(owner).refresh_tokens
    return Question(
        title=_("Delete all refresh tokens?"),
        text=_("It signs every program out at once: %(names)s.") % {"names": ", ".join(grant.name for grant in held)},
        yes=_("Delete all"),
        done=_("All programs are signed out."),
        end=partial(grants.end_refresh_tokens, owner, held, who=request.user, address=client_address(request)),
    )


@asked_first
def approved_scopes(request: Request, owner: User, application_id: int) -> Question:
    approved = one_of([row for row in grants.of(owner).approved_scopes if row.application.pk == application_id])
    names = {"name": approved.name}
    return Question(
        title=_("Remove the access of %(name)s?") % names,
        text=_("All that it holds stops working at once. It has to ask again before it can do anything.") % names,
        yes=_("Remove"),
        done=_("%(name)s has no access any more.") % names,
        end=partial(grants.end_approved, owner, approved, who=request.user, address=client_address(request)),
    )


def one_of(found: list[Row]) -> Row:
    if not found:
        raise Http404
    return found[0]
