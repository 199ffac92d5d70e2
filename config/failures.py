"""Error handlers of the site: HTML pages for browsers, and JSON for programs at the REST API, /mcp and below /o/."""

import sqlite3
import sys
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults
from django.views.decorators.csrf import csrf_exempt
from psycopg.errors import UndefinedColumn, UndefinedTable

from integrations.api.errors import CODES, error_body

FOR_PROGRAMS = ("/api/", "/mcp")
OAUTH, OAUTH_PAGES, DEVICE_ENDPOINT = "/o/", ("/o/authorize", "/o/device"), "/o/device/authorize/"
WORDS = {
    400: "The request cannot be understood.",
    403: "You may not do this.",
    404: "There is nothing at this address. All addresses of the API end with a slash, that of agents does not.",
    500: "Something went wrong on our side. The error has been logged.",
    503: "The database cannot be used at the moment. Try again.",
}
SERVER_ERROR = "server_error"
NOT_MIGRATED = ("no such table", "no such column")  # says SQLite
SQLITE_WRONG_STATEMENT = "SQLITE_ERROR"  # of the others, a full disk and a lock are examples


def is_api_request(request: HttpRequest) -> bool:
    return request.path.startswith(FOR_PROGRAMS) or is_oauth_endpoint(request.path)


def is_oauth_endpoint(path: str) -> bool:
    """Whether programs send requests there, as opposed to the pages of the OAuth server."""
    return path == DEVICE_ENDPOINT or (path.startswith(OAUTH) and not path.startswith(OAUTH_PAGES))


def json_error(status: int, words: str = "") -> JsonResponse:
    body = error_body(CODES.get(status, SERVER_ERROR), words or WORDS[status])
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(400) if is_api_request(request) else defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(403) if is_api_request(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(404) if is_api_request(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_busy(sys.exception()):
        return answer_unavailable(request)
    return json_error(500) if is_api_request(request) else defaults.server_error(request)


def is_busy(error: BaseException | None) -> bool:
    """Tell whether the database is unreachable, locked for too long, read-only or without space.

    The statement may succeed later. SQLite raises one exception for this and for a wrong statement; PostgreSQL has two
    for it.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    if isinstance(error.__cause__, sqlite3.Error):
        return error.__cause__.sqlite_errorname != SQLITE_WRONG_STATEMENT
    return True


def describe_for_operators(error: DatabaseError) -> str:
    """Return a sentence about a database that cannot be used, or "" if a statement was wrong."""
    words = " ".join(str(error).split())
    if isinstance(error.__cause__, UndefinedTable | UndefinedColumn) or words.startswith(NOT_MIGRATED):
        return "The database is not migrated. Run `python3 manage.py migrate`."
    return f"The database cannot be used: {words}" if is_busy(error) else ""


def answer_unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 without another database query. It is unknown what was done before the failure."""
    if is_oauth_endpoint(request.path):
        answer: HttpResponse = JsonResponse(error_body("temporarily_unavailable", WORDS[503]), status=503)
    elif is_api_request(request):
        answer = json_error(503)
    else:
        answer = HttpResponse(render_to_string("503.html"), status=503)
    answer["Retry-After"], answer["Cache-Control"] = "1", "no-store"
    return answer


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    words = "A call with a session needs its CSRF token."
    return json_error(403, words) if is_api_request(request) else csrf.csrf_failure(request, reason)


@csrf_exempt
def api_not_found(request: HttpRequest, **_rest: Any) -> HttpResponse:
    """Answer 404 below /api/. An address without its final slash is not redirected."""
    return json_error(404)
