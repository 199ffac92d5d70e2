"""What is answered where no view can: pages for people, and below /api/ the shape of the REST API for programs."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import csrf, defaults
from django.views.decorators.csrf import csrf_exempt

from integrations.api.errors import CODES, shape

API = "/api/"
WORDS = {
    400: "The request cannot be understood.",
    403: "You may not do this.",
    404: "There is nothing at this address. Every address of the API ends with a slash.",
    500: "The fault is ours. It has been noted.",
}
CODE_OF_OURS = "server_error"


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
    return in_json(500) if is_for_programs(request) else defaults.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    words = "A call with a session must show its CSRF token."
    return in_json(403, words) if is_for_programs(request) else csrf.csrf_failure(request, reason)


@csrf_exempt
def nowhere(request: HttpRequest, **_rest: Any) -> HttpResponse:
    """Every address below /api/ that is none: also one without its slash, which is led nowhere else."""
    return in_json(404)
