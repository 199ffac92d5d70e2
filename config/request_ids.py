"""Middleware that gives each request an id, and measures how long it takes."""

from collections.abc import Callable
from time import monotonic
from typing import cast

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.utils.log import log_response

from foundation.oauth_client.transport import waited_seconds
from foundation.request_ids import HEADER, accepted_request_id, request_id
from integrations import metrics

OWN_HEADER = "Keyrack-Request-ID"  # if the third party's response to a proxied call has an id of its own
CALLS = "/api/v1/integrations/"
KINDS = {
    "/api/": "api",
    "/oauth_": "sign_in",
    "/o/": "oauth_server",
    "/accounts/": "accounts",
    "/admin/": "admin",
    "/static/": "static",
    "/mcp": "mcp",
}  # by the beginning of the path
UNMEASURED = ("/readyz", "/metrics")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def identify_and_measure(get_response: GetResponse) -> GetResponse:
    """The first middleware. The id is the caller's `X-Request-ID` if that is one, and is told in the response."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        name = accepted_request_id(request.META.get("HTTP_X_REQUEST_ID"))
        started_at, waited_before = monotonic(), waited_seconds()
        with request_id(name):
            response = get_response(request)
            if response.status_code >= 400:  # as Django does, but later, when the id is gone
                log_response(
                    "%s: %s",
                    response.reason_phrase,
                    request.path,
                    response=cast(HttpResponse, response),
                    request=request,
                )
        response.headers[OWN_HEADER if HEADER in response.headers else HEADER] = name
        if not request.path.startswith(UNMEASURED):
            metrics.count_request(
                kind_of(request.path),
                response.status_code,
                seconds=monotonic() - started_at,
                third_party_seconds=waited_seconds() - waited_before,
            )
            if pool := getattr(connection, "pool", None):
                metrics.note_pool(pool.get_stats())
        return response

    return middleware


def kind_of(path: str) -> str:
    """The kind of a request, for metrics. Programs' calls are told apart: they are what has to be fast."""
    if path.startswith(CALLS):
        _alias, _, call = path.removeprefix(CALLS).partition("/")
        if call.startswith("proxy/"):
            return "proxy"
        if call.rstrip("/") in {"token", "token-valid"}:
            return "token"
    return next((kind for beginning, kind in KINDS.items() if path.startswith(beginning)), "page")
