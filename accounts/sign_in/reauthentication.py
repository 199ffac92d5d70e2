"""Pages that are for people who have just shown who they are: by their password and, where it is on, by two steps.

A session is good for days. What could lock its owner out, or outlive it, asks again after
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
    """For views: lets in who proved everything in the last five minutes, and leads all others by way of the proof.

    A form that was sent too late is not kept meanwhile, since it may hold secrets: it comes back empty.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(page_of(request))
        missing = missing_proof(request)
        if missing is None:
            return view(request, *arguments, **names)
        address = f"{reverse(missing)}?{urlencode({REDIRECT_FIELD_NAME: page_of(request)})}"
        return HttpResponseClientRedirect(address) if "HX-Request" in request.headers else HttpResponseRedirect(address)

    return guarded


def is_recent(request: HttpRequest) -> bool:
    return request.user.is_authenticated and missing_proof(request) is None


def missing_proof(request: HttpRequest) -> str | None:
    """The name of the page that asks for what was not shown lately; None where all of it was."""
    user = cast(User, request.user)
    shown = lately_shown(request, user)
    if any(record.get("passwordless") for record in shown):
        return None  # a passkey that has checked a finger or a PIN is both at once
    methods = {record["method"] for record in shown}
    if user.has_usable_password() and "password" not in methods:
        return "account_reauthenticate"
    if mfa.is_on(user) and "mfa" not in methods:
        return page_of_second_factor(user)
    return None if methods else "account_reauthenticate"


def lately_shown(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    since = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return [record for record in get_authentication_records(request, user) if record["at"] > since]


def page_of_second_factor(user: User) -> str:
    has_app = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
    return "mfa_reauthenticate" if has_app else "mfa_reauthenticate_webauthn"


def page_of(request: HttpRequest) -> str:
    """Where the person comes back to: this page, or after a form the page that it was on, with the dialog it was in.

    A dialog is named by the fragment: the path of what is shown in it. Every form that is guarded can be opened by GET,
    so where the page before is not known, the form's own address is it.
    """
    if request.method in {"GET", "HEAD"} and "HX-Request" not in request.headers:
        return request.get_full_path()
    before = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if before.netloc != request.get_host():
        return request.get_full_path()
    page = before.path + (f"?{before.query}" if before.query else "")
    is_in_dialog = "HX-Target" in request.headers and before.path != request.path
    return f"{page}#{request.path}" if is_in_dialog else page
