"""Fast path of the calls that programs make again and again: `token/`, `token-valid/` and the proxy.

Middleware that stands behind Django's SecurityMiddleware and skips sessions, messages and most of the framework. One
statement finds the caller and the person's token (`tokens.ready_call_for`); the view's own permission and throttle
classes are asked as ever. Where anything is out of the ordinary, nothing has happened yet and no body has been read:
the request goes on to the view. If a middleware is installed that this does not know, it is off.
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

from accounts.api import bearer_tokens
from accounts.api.authentication import BearerToken
from accounts.api.bearer_tokens import Bearer
from foundation.oauth_client.errors import OAuthError
from integrations.api import proxy
from integrations.api.errors import answered
from integrations.api.views import ApiView, MayUseIntegrations, Token, TokenValid, program_of
from integrations.calls import NEVER_SENT, BadPath
from integrations.connections import renewal
from integrations.connections.renewal import ReadyCall
from integrations.personal_auth import NotAuthenticated, exported

LONGEST = 86_400.0  # seconds for which a token may be asked
# Skipped for these calls. They concern pages, sessions and static files; `proxy.PLAIN` has the headers they would add.
SKIPPED_MIDDLEWARE = frozenset({
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.headers.page_headers",
    "config.characters.RefuseNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.audit_middleware.name_who_changes",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.sign_in.known_devices.set_cookie",
    "accounts.sign_in.redirects.mark_redirects",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.sign_in.lockout.LockedOutMiddleware",
})  # fmt: skip

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def for_programs(get_response: GetResponse) -> GetResponse:
    """The middleware."""
    if unknown_middleware():
        return get_response

    def answer(request: HttpRequest) -> HttpResponseBase:
        return fast_answer(request) or get_response(request)

    return answer


def unknown_middleware() -> list[str]:
    """What is installed behind this middleware and would be skipped without anybody having thought of it."""
    name = f"{__name__}.{for_programs.__name__}"
    installed = list(settings.MIDDLEWARE)
    behind = installed[installed.index(name) + 1 :] if name in installed else []
    return [each for each in behind if each not in SKIPPED_MIDDLEWARE]


def fast_answer(request: HttpRequest) -> HttpResponseBase | None:
    """The whole answer, or None where the view has to be asked."""
    if "HTTP_AUTHORIZATION" not in request.META:
        return None
    match = call_addresses().fullmatch(request.path_info)
    if match is None:
        return None
    request.get_host()  # refuses other names than the site's, as the middleware behind would
    view_class, answer = ANSWERS[match["call"] or "proxy"]
    presented = bearer_tokens.presented(request)
    seconds = minimum_seconds(request) if match["call"] == "token" else 0
    if presented is None or seconds is None:
        return None
    found = renewal.ready_call_for(presented, match["alias"], minimum_seconds=seconds)
    if found is None:
        return None
    bearer, call = found
    if not is_ordinary(request, match["call"], call) or not may_answer(request, view_class, bearer, call):
        return None
    bearer_tokens.note_use(presented, bearer)
    return answer(request, bearer, call, match["path"] or "")


def is_ordinary(request: HttpRequest, name: str | None, call: ReadyCall) -> bool:
    """Whether the call can be answered with the token, once its caller may have it."""
    if name is None:
        return bool(call.connection_url) and str(request.method).upper() not in NEVER_SENT
    return request.method == "GET" and (name == "token-valid" or call.allow_export)


def may_answer(request: HttpRequest, view_class: type[ApiView], bearer: Bearer, call: ReadyCall) -> bool:
    """Whether the view's own classes let the call pass. Throttles come last, so that a call that goes on to the view
    is not counted twice.
    """
    view = view_class()
    if view.authentication_classes[0] is not BearerToken:
        return False
    view.request = asked = Request(request)
    view.kwargs, view.alias_name = {"alias": call.alias}, call.alias
    asked.user, asked.auth = bearer.user, bearer.auth
    try:
        # `MayUseIntegrations` asks the rules of admission, which were part of the statement.
        permissions = [each for each in view.get_permissions() if type(each) is not MayUseIntegrations]
        if not all(each.has_permission(asked, view) for each in permissions):
            return False
    except APIException:
        return False
    return all(throttle.allow_request(asked, view) for throttle in view.get_throttles())


def hand_out_token(request: HttpRequest, bearer: Bearer, call: ReadyCall, _path: str) -> HttpResponse:
    renewal.note_use(call, program_of(bearer.auth))
    token = exported(call)
    return json_response(
        {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "expires_in": token.expires_in,
            "scope": " ".join(token.scopes),
        }
    )


def say_valid(_request: HttpRequest, _bearer: Bearer, _call: ReadyCall, _path: str) -> HttpResponse:
    return json_response({"token_valid": True})


def pass_on(request: HttpRequest, bearer: Bearer, call: ReadyCall, path: str) -> HttpResponseBase:
    """Once anything was sent, this is the answer."""
    try:
        return proxy.passed_on(request, bearer.user, call.alias, path, used_by=program_of(bearer.auth), call=call)
    except (NotAuthenticated, BadPath, OAuthError) as error:
        return answered(error)


Answer = Callable[[HttpRequest, Bearer, ReadyCall, str], HttpResponseBase]
ANSWERS: dict[str, tuple[type[ApiView], Answer]] = {
    "token": (Token, hand_out_token),
    "token-valid": (TokenValid, say_valid),
    "proxy": (proxy.Proxy, pass_on),
}


def minimum_seconds(request: HttpRequest) -> float | None:
    """None: not a number that can be meant."""
    if not request.META.get("QUERY_STRING"):
        return 0
    try:
        seconds = float(request.GET.get("minimum_seconds", 0))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST else None


def json_response(content: dict[str, Any]) -> HttpResponse:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()  # as the framework writes it
    headers = {**proxy.PLAIN, "Content-Length": str(len(body))}
    return HttpResponse(body, content_type="application/json", headers=headers)


@cache
def call_addresses() -> re.Pattern[str]:
    """Those of the URL configuration, in one expression."""
    before = re.escape(reverse("api:token", args=["ALIAS"]).removesuffix("ALIAS/token/"))
    return re.compile(rf"{before}(?P<alias>[^/\x00]+)/(?:(?P<call>token|token-valid)/|proxy/(?P<path>[\s\S]*))")
