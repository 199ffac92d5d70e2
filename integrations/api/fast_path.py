"""Fast path of the calls that programs make most: `token/`, `token-valid/` and the proxy.

Middleware behind Django's SecurityMiddleware that skips sessions, messages and most of the framework. One SQL statement
finds the caller and the user's token (`renewal.ready_call_for`); the view's own permission and throttle classes apply.
If anything is unusual, the request goes on to the view: nothing has happened by then and no body has been read. Unknown
middleware turns the fast path off.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from accounts.api import authentication
from accounts.api.authentication import Bearer, BearerToken
from foundation.oauth_client.errors import OAuthError
from integrations.api import proxy
from integrations.api.errors import error_response
from integrations.api.views import ApiView, MayUseIntegrations, Token, TokenValid, program_of
from integrations.calls import NEVER_SENT, BadPath
from integrations.connections import renewal
from integrations.connections.renewal import ReadyCall
from integrations.personal_auth import NotAuthenticated, export_token

LONGEST = 86_400.0  # seconds that `minimum_seconds` may be
# Skipped for these calls: they concern pages, sessions and static files. `proxy.PLAIN` has the headers they would set.
SKIPPED_MIDDLEWARE = frozenset({
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.page_headers",
    "config.middleware.RefuseNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.preferences.apply_preferences",
    "accounts.sign_in.middleware.attribute_admin_changes",
    "accounts.sign_in.middleware.set_current_user",
    "accounts.sign_in.two_step_requirement.RequireSecondStep",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.sign_in.middleware.set_device_cookie",
    "accounts.sign_in.middleware.mark_redirects",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.sign_in.middleware.LockedOutMiddleware",
})  # fmt: skip

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def fast_path_middleware(get_response: GetResponse) -> GetResponse:
    """Middleware of the fast path."""
    if unknown_middleware():
        return get_response

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return fast_answer(request) or get_response(request)

    return middleware


def unknown_middleware() -> list[str]:
    """Return installed middleware that would be skipped but is not in `SKIPPED_MIDDLEWARE`."""
    name = f"{__name__}.{fast_path_middleware.__name__}"
    installed = list(settings.MIDDLEWARE)
    behind = installed[installed.index(name) + 1 :] if name in installed else []
    return [path for path in behind if path not in SKIPPED_MIDDLEWARE]


def fast_answer(request: HttpRequest) -> HttpResponseBase | None:
    """Return the response, or None if the view has to answer."""
    if "HTTP_AUTHORIZATION" not in request.META:
        return None
    match = call_pattern().fullmatch(request.path_info)
    if match is None:
        return None
    request.get_host()  # refuses unknown hosts, as the skipped CommonMiddleware would
    view_class, answer = ANSWERS[match["call"] or "proxy"]
    presented = authentication.bearer_token_in(request)
    seconds = minimum_seconds(request) if match["call"] == "token" else 0
    if presented is None or seconds is None:
        return None
    caller_and_call = renewal.ready_call_for(presented, match["alias"], minimum_seconds=seconds)
    if caller_and_call is None:
        return None
    bearer, call = caller_and_call
    if not is_ordinary(request, match["call"], call) or not may_answer(request, view_class, bearer, call):
        return None
    authentication.record_token_use(presented, bearer)
    return answer(request, bearer, call, match["path"] or "")


def is_ordinary(request: HttpRequest, name: str | None, call: ReadyCall) -> bool:
    """Tell whether the fast path can answer this call, if the caller may have the token."""
    if name is None:
        return bool(call.connection_url) and str(request.method).upper() not in NEVER_SENT
    return request.method == "GET" and (name == "token-valid" or call.allow_export)


def may_answer(request: HttpRequest, view_class: type[ApiView], bearer: Bearer, call: ReadyCall) -> bool:
    """Apply the view's permissions and throttles.

    Throttles come last, so that a call that goes on to the view is not counted twice.
    """
    view = view_class()
    if view.authentication_classes[0] is not BearerToken:
        return False
    view.request = api_request = Request(request)
    view.kwargs, view.alias_name = {"alias": call.alias}, call.alias
    api_request.user, api_request.auth = bearer.user, bearer.auth
    try:
        # `MayUseIntegrations` applies rules of admission, which the SQL statement contained.
        permissions = [rule for rule in view.get_permissions() if type(rule) is not MayUseIntegrations]
        if not all(rule.has_permission(api_request, view) for rule in permissions):
            return False
    except APIException:
        return False
    return all(throttle.allow_request(api_request, view) for throttle in view.get_throttles())


def answer_token(request: HttpRequest, bearer: Bearer, call: ReadyCall, _path: str) -> HttpResponse:
    renewal.note_use(call, program_of(bearer.auth))
    token = export_token(call)
    return json_response(
        {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "expires_in": token.expires_in,
            "scope": " ".join(token.scopes),
        }
    )


def answer_token_valid(_request: HttpRequest, _bearer: Bearer, _call: ReadyCall, _path: str) -> HttpResponse:
    return json_response({"token_valid": True})


def answer_proxy(request: HttpRequest, bearer: Bearer, call: ReadyCall, path: str) -> HttpResponseBase:
    """Make the call. Its errors are answered here: once anything was sent, the view must not send it again."""
    try:
        return proxy.pass_on(request, bearer.user, call.alias, path, rights=bearer.auth, call=call)
    except (NotAuthenticated, BadPath, OAuthError, APIException) as error:
        return error_response(error)


Answer = Callable[[HttpRequest, Bearer, ReadyCall, str], HttpResponseBase]
ANSWERS: dict[str, tuple[type[ApiView], Answer]] = {
    "token": (Token, answer_token),
    "token-valid": (TokenValid, answer_token_valid),
    "proxy": (proxy.Proxy, answer_proxy),
}


def minimum_seconds(request: HttpRequest) -> float | None:
    """Return the parameter, or None if it is invalid."""
    if not request.META.get("QUERY_STRING"):
        return 0
    try:
        seconds = float(request.GET.get("minimum_seconds", 0))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST else None


def json_response(content: dict[str, Any]) -> HttpResponse:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()  # in the framework's format
    headers = {**proxy.PLAIN, "Content-Length": str(len(body))}
    return HttpResponse(body, content_type="application/json", headers=headers)


@cache
def call_pattern() -> re.Pattern[str]:
    """Return one pattern for the addresses of these calls, derived from the URL configuration."""
    prefix = re.escape(reverse("api:token", args=["ALIAS"]).removesuffix("ALIAS/token/"))
    return re.compile(rf"{prefix}(?P<alias>[^/\x00]+)/(?:(?P<call>token|token-valid)/|proxy/(?P<path>[\s\S]*))")
