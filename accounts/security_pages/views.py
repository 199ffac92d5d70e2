"""Account Security: everything that can act as a user. Each user's own page and, for administrators, other users'.

A secret is shown once, in the response to the form that created it. It gets into no URL, message, session or cache.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import reswap, retarget

from accounts import privileges, recipients
from accounts.access_tokens import holds, operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken, lock_owner
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server import grants
from accounts.security_pages import grant_views
from accounts.security_pages.forms import ApplicationPasswordForm, NewSecretForm, TokenForm
from accounts.security_pages.grant_views import Request
from accounts.sign_in import mfa
from accounts.sign_in.middleware import client_address
from accounts.sign_in.reauthentication import recently_authenticated
from foundation import mail_outbox
from foundation.name_lists import isolate_name

EVENTS_SHOWN = 15


def with_owner(view: Callable[..., HttpResponse]) -> Any:
    """Decorator: pass the owner of the page to the view, and never cache the response.

    Raises `PermissionDenied` if the page is another user's and the viewer may not look at it.
    """

    @wraps(view)
    @never_cache
    @login_required
    def view_with_owner(request: Request, user_id: int | None = None, **names: UUID) -> HttpResponse:
        if user_id is None or user_id == request.user.pk:
            return view(request, request.user, **names)
        if not request.user.has_perm(privileges.MAY_VIEW):
            raise PermissionDenied
        return view(request, get_object_or_404(User, pk=user_id), **names)

    return view_with_owner


def one_at_a_time(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: a POST waits for another one about the same owner, so that a form that is sent twice creates once."""

    @wraps(view)
    def view_in_transaction(request: Request, owner: User, **names: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, owner, **names)
        with transaction.atomic():
            lock_owner(owner)
            return view(request, owner, **names)

    return view_in_transaction


@require_GET
@with_owner
def security(request: Request, owner: User) -> HttpResponse:
    if owner != request.user:
        log.write(log.Kind.LOOKED_AT, whose=owner, who=request.user, address=client_address(request))
    return render_page(request, owner)


def render_page(request: Request, owner: User, **secret_context: Any) -> HttpResponse:
    """Render the page, or its content for htmx."""
    viewer = request.user
    tokens = list(owner.permanent_tokens.listed().select_related("created_by").order_by("-created_at"))
    context = {
        "owner": owner,
        "is_own": owner == viewer,
        "page": page_url(request, owner, "security"),
        "tokens": tokens,
        "makers_too_weak": privileges.weaker_makers(owner, {token.created_by for token in tokens if not token.is_own}),
        "passwords": owner.application_passwords.listed().order_by("-created_at"),
        "may_make": privileges.may_make_token_for(owner, viewer),
        "why_not_make": privileges.token_refusal(owner, viewer),
        "may_release": privileges.may_release(owner, viewer),
        "may_delete_tokens": privileges.may_delete("permanenttoken", owner, viewer),
        "may_delete_passwords": privileges.may_delete("applicationpassword", owner, viewer),
        "second_factor_is_on": mfa.is_on(owner),
        "has_password": owner.has_usable_password(),
        "grants": grants.load_grants(owner),
        "may_end": grant_views.may_end(viewer, owner),
        "activity": log.latest_events(owner, EVENTS_SHOWN),
        "activity_url": page_url(request, owner, "activity"),
        "new_token_url": page_url(request, owner, "new-token"),
        "language_name": dict(settings.LANGUAGES).get(owner.language, ""),
        "now": timezone.now(),
    }
    template = "accounts/security.html"
    return render(request, f"{template}#security" if request.htmx else template, context | secret_context)


def page_url(request: Request, owner: User, name: str, *ids: UUID) -> str:
    if owner == request.user:
        return reverse(f"accounts:{name}", args=ids)
    return reverse(f"accounts:{name}-of", args=[owner.pk, *ids])


# Create ---------------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@with_owner
@recently_authenticated
@one_at_a_time
@sensitive_variables("secret")
def new_token(request: Request, owner: User) -> HttpResponse:
    if refusal := privileges.token_refusal(owner, request.user):
        raise PermissionDenied(refusal)
    form = TokenForm(request.POST or None, owner=owner, maker=request.user)
    if not form.is_valid():
        return render_form(request, owner, form, title=_("New permanent token"))
    token, secret = operations.make_token(
        owner,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=form.expires_at,
        by=request.user,
        address=client_address(request),
    )
    return render_page(request, owner, new_token=token, secret=secret)


@require_http_methods(["GET", "POST"])
@with_owner
@recently_authenticated
@one_at_a_time
@sensitive_variables("secret")
def new_password(request: Request, owner: User) -> HttpResponse:
    """Create an application password of the signed-in user. Another user's can't be created."""
    if not mfa.is_on(owner):
        raise PermissionDenied(_("Application passwords need two-step sign-in. Turn it on first."))
    form = ApplicationPasswordForm(request.POST or None, owner=owner, maker=owner)
    if not form.is_valid():
        return render_form(request, owner, form, title=_("New application password"))
    row, secret = operations.make_application_password(
        owner,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        address=client_address(request),
    )
    return render_page(request, owner, new_password=row, secret=secret)


def render_form(request: Request, owner: User, form: NewSecretForm, *, title: str) -> HttpResponse:
    """Render the form as a page, or in the dialog of the open page, also if it has errors."""
    template = "accounts/new_secret.html"
    context = {
        "form": form, "owner": owner, "is_own": owner == request.user, "title": title,
        "page": page_url(request, owner, "security"),
        "mail_to": ", ".join(recipients.find_addresses(owner, request.user)) if mail_outbox.has_mail_server() else "",
    }  # fmt: skip
    if not request.htmx:
        return render(request, template, context)
    return reswap(retarget(render(request, f"{template}#dialog", context), "#dialog"), "innerHTML")


# Delete ---------------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@with_owner
def delete_token(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    require_delete_permission(request, owner, "permanenttoken")
    return delete_secret(request, owner, get_object_or_404(owner.permanent_tokens.endable(), pk=row_id))


@require_http_methods(["GET", "POST"])
@with_owner
def delete_password(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    require_delete_permission(request, owner, "applicationpassword")
    return delete_secret(request, owner, get_object_or_404(owner.application_passwords.endable(), pk=row_id))


def require_delete_permission(request: Request, owner: User, row_kind: str) -> None:
    if not privileges.may_delete(row_kind, owner, request.user):
        raise PermissionDenied


def delete_secret(request: Request, owner: User, row: PermanentToken | ApplicationPassword) -> HttpResponse:
    if request.method == "GET":
        return confirmation_of(request, owner, row, "accounts/delete_secret.html")
    operations.end_secret(row, who=request.user, address=client_address(request))
    messages.success(request, _("“%(name)s” deleted. It no longer works.") % {"name": isolate_name(row.name)})
    return render_page(request, owner) if request.htmx else redirect(page_url(request, owner, "security"))


def confirmation_of(
    request: Request, owner: User, row: PermanentToken | ApplicationPassword, template: str
) -> HttpResponse:
    """The page that asks before the row is deleted or released; for htmx, its dialog alone."""
    context: dict[str, Any] = {"row": row, "owner": owner, "page": page_url(request, owner, "security")}
    context |= {"is_own": owner == request.user, "is_token": isinstance(row, PermanentToken)}
    return render(request, f"{template}#dialog" if request.htmx else template, context)


# Release after a restore ----------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@with_owner
@recently_authenticated
def release_token(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    return release_secret(request, owner, get_object_or_404(owner.permanent_tokens.held(), pk=row_id))


@require_http_methods(["GET", "POST"])
@with_owner
@recently_authenticated
def release_password(request: Request, owner: User, row_id: UUID) -> HttpResponse:
    return release_secret(request, owner, get_object_or_404(owner.application_passwords.held(), pk=row_id))


def release_secret(request: Request, owner: User, row: PermanentToken | ApplicationPassword) -> HttpResponse:
    if not privileges.may_release(owner, request.user):
        raise PermissionDenied
    if request.method == "GET":
        return confirmation_of(request, owner, row, "accounts/release_secret.html")
    holds.release_row(row, who=request.user, address=client_address(request))
    messages.success(request, _("“%(name)s” released. It works again.") % {"name": isolate_name(row.name)})
    return render_page(request, owner) if request.htmx else redirect(page_url(request, owner, "security"))


# Activity -------------------------------------------------------------------------------------------------------------


PAGE_SIZE = 25


@require_GET
@with_owner
def activity(request: Request, owner: User) -> HttpResponse:
    """The page, or its content for htmx. An unknown kind or page number is ignored."""
    if owner != request.user:
        log.write(log.Kind.LOOKED_AT, whose=owner, who=request.user, address=client_address(request))
    counts = log.count_by_kind(owner)
    requested_kind = request.GET.get("kind", "")
    kind = requested_kind if requested_kind in counts else ""
    paginator: Paginator[Event] = Paginator(log.events_of(owner, kind), PAGE_SIZE)
    paginator.count = counts[kind] if kind else sum(counts.values())  # saves the COUNT query
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "owner": owner,
        "is_own": owner == request.user,
        "back": page_url(request, owner, "security"),
        "page": page,
        "previous": page.number - 1 if page.has_previous() else None,
        "next": page.number + 1 if page.has_next() else None,
        "kind": kind,
        "kinds": [(name, words, counts[name]) for name, words in log.all_kinds() if name in counts],
    }
    template = "accounts/activity.html"
    return render(request, f"{template}#security" if request.htmx else template, context)
