"""Reauthentication: some pages require a recent sign-in, with both steps if the user has two-step sign-in.

A session lasts for days. Pages that could lock its user out, or create what outlives it, ask again after
ACCOUNT_REAUTHENTICATION_TIMEOUT seconds (ASVS 7.5.1, 7.5.3).
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from accounts.sign_in import mfa

View = Callable[..., HttpResponse]


def recently_authenticated(view: View) -> View:
    """Decorator: require a recent authentication, else redirect to the page that asks for it.

    A form that was sent too late comes back empty: it is not stored meanwhile, since it may hold secrets.
    """

    @wraps(view)
    def require_recent_authentication(request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(return_url(request))
        step = missing_step(request)
        if step is None:
            return view(request, *arguments, **names)
        address = f"{reverse(step)}?{urlencode({REDIRECT_FIELD_NAME: return_url(request)})}"
        return HttpResponseClientRedirect(address) if "HX-Request" in request.headers else HttpResponseRedirect(address)

    return require_recent_authentication


def missing_step(request: HttpRequest) -> str | None:
    """URL name of the page that asks for the missing step; None if nothing is missing."""
    user = cast(User, request.user)
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = [record for record in get_authentication_records(request, user) if record["at"] > oldest]
    if any(record.get("passwordless") for record in records):
        return None  # a passkey that verified the user counts as both steps
    methods = {record["method"] for record in records}
    if user.has_usable_password() and "password" not in methods:
        return "account_reauthenticate"
    if mfa.is_on(user) and "mfa" not in methods:
        has_app = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
        return "mfa_reauthenticate" if has_app else "mfa_reauthenticate_webauthn"
    return None if methods else "account_reauthenticate"


def return_url(request: HttpRequest) -> str:
    """Where to return after reauthentication: this page, or after a form the page and dialog that it was on.

    The fragment names the dialog, by the path of its content. If the previous page is unknown, it is the form's own
    URL: all forms of protected views can be opened by GET.
    """
    if request.method in {"GET", "HEAD"} and "HX-Request" not in request.headers:
        return request.get_full_path()
    before = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if before.netloc != request.get_host():
        return request.get_full_path()
    page = before.path + (f"?{before.query}" if before.query else "")
    is_in_dialog = "HX-Target" in request.headers and before.path != request.path
    return f"{page}#{request.path}" if is_in_dialog else page
