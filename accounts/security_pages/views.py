"""Account Security: everything that can act as a person. One's own, and for administrators another's.

A secret is shown once, in the answer to the form that made it: it is in no address, message, session or cache.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import reswap, retarget
from django_htmx.middleware import HtmxDetails

from accounts import privileges
from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import log
from accounts.models import User
from accounts.oauth_server import grants
from accounts.security_pages import grant_views
from accounts.security_pages.forms import ApplicationPasswordForm, NewSecretForm, TokenForm
from accounts.sign_in import mfa
from accounts.sign_in.lockout import client_address
from accounts.sign_in.reauthentication import recently_authenticated

EVENTS_SHOWN = 15


class Request(HttpRequest):
    """Somebody is signed in."""

    user: User
    htmx: HtmxDetails


def of_somebody(view: Callable[..., HttpResponse]) -> Any:
    """Loads whose page it is: one's own, or another's for those who may look at it. Never cached."""

    @wraps(view)
    @never_cache
    @login_required
    def loaded(request: Request, user_id: int | None = None, **names: UUID) -> HttpResponse:
        if user_id is None or user_id == request.user.pk:
            return view(request, request.user, **names)
        if not request.user.has_perm(privileges.LOOK):
            raise PermissionDenied
        return view(request, get_object_or_404(User, pk=user_id), **names)

    return loaded


@require_GET
@of_somebody
def security(request: Request, owner: User) -> HttpResponse:
    if owner != request.user:
        log.write(log.Kind.LOOKED_AT, whose=owner, who=request.user, address=client_address(request))
    return show(request, owner)


def show(request: Request, owner: User, **shown_once: Any) -> HttpResponse:
    """The page, or for htmx what is on it."""
    template = "accounts/security.html"
    return render(request, f"{template}#security" if request.htmx else template, page(request, owner) | shown_once)


def page(request: Request, owner: User) -> dict[str, Any]:
    viewer = request.user
    tokens = list(owner.permanent_tokens.listed().select_related("created_by").order_by("-created_at"))
    return {
        "owner": owner,
        "is_own": owner == viewer,
        "page": address(request, owner, "security"),
        "tokens": tokens,
        "makers_too_weak": privileges.too_weak(owner, {token.created_by for token in tokens if not token.is_own}),
        "passwords": owner.application_passwords.listed().order_by("-created_at"),
        "may_make": privileges.may_make_for(owner, viewer),
        "why_not_make": privileges.why_not_make_for(owner, viewer),
        "may_delete_tokens": privileges.may_delete("permanenttoken", owner, viewer),
        "may_delete_passwords": privileges.may_delete("applicationpassword", owner, viewer),
        "second_factor_is_on": mfa.is_on(owner),
        "has_password": owner.has_usable_password(),
        "grants": grants.of(owner),
        "may_end": grant_views.may_end(viewer, owner),
        "activity": log.latest(owner, EVENTS_SHOWN),
        "activity_url": address(request, owner, "activity"),
        "new_token_url": address(request, owner, "new-token"),
    }


def address(request: Request, owner: User, name: str, *ids: UUID) -> str:
    if owner == request.user:
        return reverse(f"accounts:{name}", args=ids)
    return reverse(f"accounts:{name}-of", args=[owner.pk, *ids])


# Making ---------------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@of_somebody
@recently_authenticated
@sensitive_variables("shown")
def new_token(request: Request, owner: User) -> HttpResponse:
    if refusal := privileges.why_not_make_for(owner, request.user):
        raise PermissionDenied(refusal)
    form = TokenForm(request.POST or None, owner=owner, maker=request.user)
    if not form.is_valid():
        return ask(request, owner, form, title=_("New permanent token"))
    token, shown = operations.make_token(
        owner,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=form.expires_at,
        by=request.user,
        address=client_address(request),
    )
    return show(request, owner, new_token=token, shown=shown)


@require_http_methods(["GET", "POST"])
@of_somebody
@recently_authenticated
@sensitive_variables("shown")
def new_password(request: Request, owner: User) -> HttpResponse:
    """For oneself alone: it stands beside one's own second factor."""
    if not mfa.is_on(owner):
        raise PermissionDenied(_("Application passwords need two-step sign-in. Turn it on first."))
    form = ApplicationPasswordForm(request.POST or None, owner=owner, maker=owner)
    if not form.is_valid():
        return ask(request, owner, form, title=_("New application password"))
    row, shown = operations.make_application_password(
        owner,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        address=client_address(request),
    )
    return show(request, owner, new_password=row, shown=shown)


def ask(request: Request, owner: User, form: NewSecretForm, *, title: str) -> HttpResponse:
    """The form as a page, or in the dialog of the page that is open; there also when something is missing in it."""
    template = "accounts/new_secret.html"
    context = {
        "form": form, "owner": owner, "is_own": owner == request.user, "title": title,
        "page": address(request, owner, "security"),
    }  # fmt: skip
    if not request.htmx:
        return render(request, template, context)
    return reswap(retarget(render(request, f"{template}#dialog", context), "#dialog"), "innerHTML")


# Deleting -------------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@of_somebody
def delete_token(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    allow_deleting(request, owner, "permanenttoken")
    return delete(request, owner, get_object_or_404(owner.permanent_tokens.alive(), pk=row_id))


@require_http_methods(["GET", "POST"])
@of_somebody
def delete_password(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    allow_deleting(request, owner, "applicationpassword")
    return delete(request, owner, get_object_or_404(owner.application_passwords.alive(), pk=row_id))


def allow_deleting(request: Request, owner: User, row_kind: str) -> None:
    if not privileges.may_delete(row_kind, owner, request.user):
        raise PermissionDenied


def delete(request: Request, owner: User, row: PermanentToken | ApplicationPassword) -> HttpResponse:
    if request.method == "GET":
        context: dict[str, Any] = {"row": row, "owner": owner, "page": address(request, owner, "security")}
        context |= {"is_own": owner == request.user, "is_token": isinstance(row, PermanentToken)}
        template = "accounts/delete_secret.html"
        return render(request, f"{template}#dialog" if request.htmx else template, context)
    operations.end(row, who=request.user, address=client_address(request))
    messages.success(request, _("“%(name)s” deleted. It no longer works.") % {"name": row.name})
    return show(request, owner) if request.htmx else redirect(address(request, owner, "security"))
