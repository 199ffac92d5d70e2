"""Any call to a third party in the person's name: passed on as it comes, answered as it comes.

What a third party says is never at home here. Its answer may not set cookies, run anything, lead a browser elsewhere or
stay in a cache; `rest.borders` says what may come back, and `SANDBOX` what a browser makes of it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from gunicorn.http.errors import ParseException
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from accounts.api.authentication import BearerToken
from accounts.models import User
from foundation.oauth_client.errors import Unusable
from integrations import calls
from integrations.api.raw_paths import asked_for
from integrations.api.session_authentication import SessionOfOwnPages
from integrations.api.views import SERVICE, ApiView, program_of
from integrations.calls import BadPath
from integrations.personal_auth import PersonalAuthAPI

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # those with a name in the schema; others work as well
PLAIN = {  # what the middleware would add
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SANDBOX = {
    **PLAIN,
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Accel-Buffering": "no",  # of our own reverse proxy
}
AT_ONCE = 64 << 10  # bytes; an answer of no more is read before it is passed on, and a third party that breaks off seen
RETRIES = OpenApiParameter(
    "Keyrack-Retries",
    int,
    OpenApiParameter.HEADER,
    description="How often, 0 to 5, an idempotent call is repeated while the third party is away or asks for patience.",
)


class Anything(BaseContentNegotiation):
    """What the caller accepts, the third party is asked for; errors of ours are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


PATH = OpenApiParameter(
    "path",
    {"type": "string", "pattern": r"^[^\x00-\x1f\x7f\\]*$"},
    OpenApiParameter.PATH,
    description="Below the connection URL, with slashes. 400 where it would lead out of it, by dots or an address.",
)
AUTH: Any = [{"bearer": []}, {"session": []}]  # the session is the same, and only asked more strictly


@extend_schema(
    auth=AUTH,
    parameters=[PATH, RETRIES],
    request=OpenApiTypes.BINARY,
    responses={(200, "*/*"): OpenApiTypes.BINARY},
)
class Proxy(ApiView):
    """The third party is asked with the person's token, and its answer is passed on."""

    authentication_classes = [BearerToken, SessionOfOwnPages]
    content_negotiation_class = Anything
    parser_classes = []
    scopes = {method: [SERVICE] for method in METHODS}
    passes_on = True
    default_response_headers: ClassVar[dict[str, str]] = {}  # `Allow` and `Vary` are the third party's

    def needed_scopes(self, method: str) -> list[str]:
        return super().needed_scopes("GET")

    def forward(self, request: Request, alias: str, path: str = "") -> HttpResponseBase:
        if str(request.method).upper() in calls.NEVER_SENT:
            raise MethodNotAllowed(str(request.method))
        user: User = request.user  # type: ignore[assignment]  # HasScopes lets in nobody else
        return passed_on(request._request, user, alias, path, used_by=program_of(request.auth))

    get = head = post = put = patch = delete = options = http_method_not_allowed = forward  # type: ignore[assignment]  # any


def passed_on(request: HttpRequest, user: User, alias: str, path: str, **told: Any) -> HttpResponseBase:
    answer = PersonalAuthAPI(user).stream(
        alias,
        str(request.method),
        asked_for(request, path),
        headers=request.headers,
        body=body_of(request),
        retries=retries_of(request),
        **told,
    )
    return answer_of(answer, has_body=request.method != "HEAD" and answer.status_code not in (204, 304))


def body_of(request: HttpRequest) -> calls.Body | None:
    """Framed anew when it is passed on: two readings of where it ends would be one too many (RFC 9112 §11.2)."""
    read, coding = reader_of(request.META["wsgi.input"]), request.META.get("HTTP_TRANSFER_ENCODING", "")
    if coding:
        if coding.strip().lower() != "chunked" or not request.META.get("wsgi.input_terminated"):
            raise BadPath("Send a Content-Length: a body in another framing cannot be read here.")
        return calls.Body(read, length=None)
    length = str(request.META.get("CONTENT_LENGTH") or "")
    if length and not (length.isascii() and length.isdigit() and len(length) < 19):
        raise BadPath("A Content-Length is a number.")
    return calls.Body(read, length=int(length)) if length else None


def reader_of(stream: Any) -> Callable[[int], bytes]:
    """Gunicorn finds out that chunks are malformed while they are read, and has exceptions of its own for it."""

    def read(size: int) -> bytes:
        try:
            return bytes(stream.read(size))
        except ParseException as error:
            raise OSError(type(error).__name__) from None

    return read


def retries_of(request: HttpRequest) -> int:
    told = request.headers.get("Keyrack-Retries", "0")
    if told not in {str(number) for number in range(calls.MOST_RETRIES + 1)}:
        raise BadPath("Keyrack-Retries is a number from 0 to 5.")
    return int(told)


def answer_of(answer: calls.Streamed, *, has_body: bool) -> HttpResponseBase:
    if not 200 <= answer.status_code <= 599:
        answer.close()
        raise Unusable("bad_status", "the status is none")
    if has_body and answer.length is not None and answer.length <= AT_ONCE:
        response: HttpResponseBase = HttpResponse(b"".join(answer.body), status=answer.status_code)
    else:
        response = StreamingHttpResponse(answer.body, status=answer.status_code)
    response.headers["Content-Type"] = "application/octet-stream"
    if answer.length is not None and answer.status_code != 204:
        response.headers["Content-Length"] = str(answer.length)
    for name, values in by_name(answer.headers).items():
        response.headers[name] = ", ".join(values)
    for name, value in SANDBOX.items():
        response.headers[name] = value
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django mails their 500 to our administrators
    return response


def by_name(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.title(), []).append(value)
    return found
