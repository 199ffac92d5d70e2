"""Middleware: strict headers, the switches, and a record of what arrived. Records no secrets."""

import json
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from demo.provider import callers
from demo.provider.models import Arrival, Client, Server, Switches

Answering = Callable[[HttpRequest], HttpResponseBase]

ENDPOINTS = {"/o/token/": "token", "/o/revoke_token/": "revoke"}
SLOW_PATHS = ("/o/token/", "/o/revoke_token/", "/o/introspect/", "/o/userinfo/", "/api/")
DOWN_PATHS = ("/o/token/", "/api/")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


def page_headers(get_response: Answering) -> Answering:
    """Add the content security policy and forbid caches. `views.pages.allow_forms_to_clients` widens `form-action`."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        targets: list[str] = getattr(response, "form_targets", [])
        response.headers["Content-Security-Policy"] = " ".join([POLICY, *targets])
        return response

    return answer


def switchboard(get_response: Answering) -> Answering:
    """Be slow, down or unwilling where a switch says so, and write down what arrived at the token endpoints."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(SLOW_PATHS):
            return get_response(request)
        client = callers.client_of(request)
        response = _fault(request.path, client) or get_response(request)
        if request.path in ENDPOINTS:
            _note(request, client, response)
        return response

    return answer


def _fault(path: str, client: Client | None) -> HttpResponse | None:
    switches: list[Switches] = [Server.current(), *([client] if client else [])]
    if seconds := max(one.slow_seconds for one in switches):
        time.sleep(seconds)
    if path.startswith(DOWN_PATHS) and any(one.down for one in switches):
        return _unavailable(retry_after=30)
    if path == "/o/revoke_token/" and any(one.revocations_fail for one in switches):
        return _unavailable(retry_after=5)
    return None


def _unavailable(*, retry_after: int) -> HttpResponse:
    response = JsonResponse({"error": "temporarily_unavailable"}, status=503)
    response.headers["Retry-After"] = str(retry_after)
    return response


def _note(request: HttpRequest, client: Client | None, response: HttpResponseBase) -> None:
    newest = Arrival.objects.create(
        endpoint=ENDPOINTS[request.path],
        grant_type=callers.grant_type_of(request),
        client=client,
        status=response.status_code,
        error=_error_code(response),
    )
    Arrival.objects.filter(pk__lte=newest.pk - Arrival.KEPT).delete()


def _error_code(response: HttpResponseBase) -> str:
    if response.status_code < 400 or not isinstance(response, HttpResponse):
        return ""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    return str(body.get("error", ""))[:40] if isinstance(body, dict) else ""
