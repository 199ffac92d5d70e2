"""Middleware that leads users to set up two-step sign-in if it is required and missing."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from accounts.sign_in import mfa

# URL names that a user needs to set it up, or to leave.
ALLOWED = {
    "mfa_index", "mfa_activate_totp", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes", "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "account_reauthenticate",
    "account_logout", "accounts:logout", "accounts:continue",
}  # fmt: skip
API = "/api/"  # answers programs in its own words (`accounts.api.authentication`)
LED_AWAY_FROM = "led_away_from"  # in the session: the page to continue with afterwards

GetResponse = Callable[[HttpRequest], HttpResponseBase]
View = Callable[..., Any]


def without_two_step_requirement(view: View) -> View:
    """Decorator: let users open this view who must set up two-step sign-in first."""
    view.needs_no_second_step = True  # type: ignore[attr-defined]
    return view


def with_secret_address(view: View) -> View:
    """Decorator: don't store the address of this view as the page to continue with."""
    view.has_secret_address = True  # type: ignore[attr-defined]
    return view


class RequireSecondStep:
    """Redirects every page to the set-up of two-step sign-in, for a signed-in user who must set it up."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, _arguments: Any, _names: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        if match is None or match.view_name in ALLOWED or request.path_info.startswith(API):
            return None
        if getattr(view, "needs_no_second_step", False) or not request.user.is_authenticated:
            return None
        if not mfa.is_missing(request.user):
            request.session.pop(LED_AWAY_FROM, None)
            return None
        set_up = reverse("mfa_index")
        if "HX-Request" in request.headers:
            return HttpResponseClientRedirect(set_up)
        if request.method == "GET" and not getattr(view, "has_secret_address", False):
            request.session[LED_AWAY_FROM] = request.get_full_path()
        return HttpResponseRedirect(set_up)
