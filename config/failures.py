"""What is answered where no view can: pages for people, and below /api/ the shape of the REST API for programs."""

import sqlite3
import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults
from django.views.decorators.csrf import csrf_exempt

from integrations.api.errors import CODES, shape

API = "/api/"
WORDS = {
    400: "The request cannot be understood.",
    403: "You may not do this.",
    404: "There is nothing at this address. Every address of the API ends with a slash.",
    500: "The fault is ours. It has been noted.",
    503: "The database did not answer in time. Try again in a moment.",
}
CODE_OF_OURS = "server_error"
SQLITE_IS_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")  # and their kinds, as SQLITE_BUSY_SNAPSHOT


def is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(API)


def in_json(status: int, words: str = "") -> JsonResponse:
    return JsonResponse(shape(CODES.get(status, CODE_OF_OURS), words or WORDS[status]), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return in_json(400) if is_for_programs(request) else defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return in_json(403) if is_for_programs(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return in_json(404) if is_for_programs(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_busy(sys.exception()):
        return unavailable(request)
    return in_json(500) if is_for_programs(request) else defaults.server_error(request)


def is_busy(error: BaseException | None) -> bool:
    """The database is away, or others hold it for too long: the same request may succeed later.

    SQLite has one exception for this and for a statement that is wrong, and PostgreSQL two.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if isinstance(error.__cause__, sqlite3.Error):
        return error.__cause__.sqlite_errorname.startswith(SQLITE_IS_BUSY)
    return True


def unavailable(request: HttpRequest) -> HttpResponse:
    """503, without asking the database again. What was done before it failed, nobody knows."""
    if is_for_programs(request):
        answer: HttpResponse = in_json(503)
    elif request.path.startswith("/o/") and not request.path.startswith("/o/authorize"):
        answer = JsonResponse(shape("temporarily_unavailable", WORDS[503]), status=503)
    else:
        answer = HttpResponse(render_to_string("503.html"), status=503)
    answer["Retry-After"], answer["Cache-Control"] = "1", "no-store"
    return answer


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    words = "A call with a session must show its CSRF token."
    return in_json(403, words) if is_for_programs(request) else csrf.csrf_failure(request, reason)


@csrf_exempt
def nowhere(request: HttpRequest, **_rest: Any) -> HttpResponse:
    """Every address below /api/ that is none: also one without its slash, which is led nowhere else."""
    return in_json(404)
