"""Views of connect links: a helper connects an integration of another user, as themselves here.

The secret is in the first address only. The session holds the link's id from then on.
"""

from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.middleware import client_address, leaves_site
from accounts.sign_in.two_step_requirement import without_two_step_requirement
from foundation.name_lists import isolate_name
from integrations.connections import authorization
from integrations.models.card import Integration
from integrations.models.failures import FAILURES, failure_of
from integrations.models.registry import GrantType
from integrations.models.tokens import AttemptStatus, ConnectLink
from integrations.views.permissions import Request, session_binding, with_audit_log
from integrations.views.sign_in import PasswordForm, confirmed_url, done_url, is_confirmed, without_referrer

LINK = "connect_link"  # in the session


@without_two_step_requirement
@require_safe
@never_cache
@sensitive_variables("secret")
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the secret out of the address. The next page asks who it is."""
    link = authorization.find_connect_link(secret)
    if link is None or not authorization.may_be_used(link):
        return no_longer_valid(request)
    request.session[LINK] = link.hex
    return without_referrer(redirect("integrations:connect"))


def with_link(view: Any) -> Any:
    """Decorator: pass the link of the session and its integration, if this person may use it."""

    @wraps(view)
    def wrapper(request: Request) -> HttpResponse:
        link_id = request.session.get(LINK)
        link = ConnectLink.objects.usable().with_people().filter(pk=UUID(link_id)).first() if link_id else None
        is_taken = link is not None and link.helper_id not in {None, request.user.pk}
        if link is None or is_taken or not authorization.may_be_used(link):
            return no_longer_valid(request)
        integration = authorization.integration_of_link(link)
        return view(request, link, integration) if integration else no_longer_valid(request)

    return never_cache(login_required(with_audit_log(wrapper)))


@leaves_site
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@with_link
def connect_page(request: Request, link: ConnectLink, integration: Integration) -> HttpResponse:
    """Say for whom the sign-in is, and begin it; with the password grant, ask for username and password."""
    if integration.credential.profile.grant_type == GrantType.PASSWORD:
        if request.method == "POST" and not is_about_link(request, link):
            alert = _("You have opened another link since. Check for whom this one is before you sign in.")
            return render_page(request, link, integration, form=PasswordForm(), alert=alert, status=409)
        form = PasswordForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return submit_password(request, form, link, integration)
        return render_page(request, link, integration, form=form)
    if request.method == "POST" or not is_confirmed(request, link.hex):
        return render_page(request, link, integration, continue_url=confirmed_url(request, link.hex))
    if not link.claim(request.user):
        return no_longer_valid(request)
    try:
        url = authorization.begin(
            link.user, integration.credential, session_binding=session_binding(request), link=link
        )
    except authorization.NotAvailable:
        return no_longer_valid(request)
    except authorization.TooManyStarts:
        response = render(request, "integrations/too_many.html", status=429)
        response["Retry-After"] = "600"
        return response
    except authorization.NotStarted as stopped:
        return HttpResponseRedirect(done_url(stopped.attempt), status=303)
    return without_referrer(HttpResponseRedirect(url))


@sensitive_variables()
def submit_password(request: Request, form: PasswordForm, link: ConnectLink, integration: Integration) -> HttpResponse:
    if not link.claim(request.user):
        return no_longer_valid(request)
    try:
        attempt = authorization.sign_in(
            link.user,
            integration.credential,
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password"],
            session_binding=session_binding(request),
            address=client_address(request),
            link=link,
        )
    except authorization.TooManyStarts:
        locked = FAILURES["locked_out"]
        alert = str(locked.in_password_window)
        return render_page(request, link, integration, form=form, alert=alert, status=locked.password_status)
    except authorization.NotAvailable:
        return no_longer_valid(request)
    row = failure_of(attempt.failure_code)
    if attempt.status == AttemptStatus.FAILED and row and row.in_password_window:
        alert = str(row.in_password_window) % {"title": isolate_name(integration.title)}
        return render_page(request, link, integration, form=form, alert=alert, status=row.password_status)
    return HttpResponseRedirect(done_url(attempt), status=303)


def is_about_link(request: Request, link: ConnectLink) -> bool:
    """Whether the form was shown for this link. The session's may be another, opened in another tab."""
    try:
        link_id = signing.loads(request.POST.get("link", ""), salt=LINK)
    except signing.BadSignature:
        return False
    return bool(link_id == link.hex)


def render_page(
    request: Request, link: ConnectLink, integration: Integration, *, status: int = 200, **details: Any
) -> HttpResponse:
    signed_link = signing.dumps(link.hex, salt=LINK)
    context = {"link": link, "signed_link": signed_link, "integration": integration, **details}
    return render(request, "integrations/connect.html", context, status=status)


def no_longer_valid(request: HttpRequest) -> HttpResponse:
    """The same page for a link that is used, expired, taken, withdrawn or unknown."""
    response = render(request, "integrations/connect_over.html", status=404)
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the path, which is secret
    return response
