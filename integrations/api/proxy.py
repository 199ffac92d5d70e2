"""The proxy: passes a call on to the third party with the user's token, and streams the response back.

A response must not set cookies, run scripts, redirect a browser or be cached: the header policy of `calls` filters its
headers, and `SANDBOX` adds ours.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
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
from integrations.api.raw_paths import requested_path
from integrations.api.session_authentication import SessionOfOwnPages
from integrations.api.views import SERVICE, ApiView, program_of
from integrations.calls import BadPath
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # those in the OpenAPI description; others work too
PLAIN = {  # headers that the skipped middleware would set
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
    "X-Accel-Buffering": "no",  # nginx must not buffer the stream
}
AT_ONCE = 64 << 10  # bytes; a response up to this size is read whole, so that a broken one becomes an error
RETRIES = OpenApiParameter(
    "Keyrack-Retries",
    {"type": "integer", "minimum": 0, "maximum": calls.MOST_RETRIES},
    OpenApiParameter.HEADER,
    description="How often (0 to 5) an idempotent call is repeated if the third party doesn't answer or asks to wait.",
)


class PassOnNegotiation(BaseContentNegotiation):
    """Passes the Accept header on to the third party. Our own errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


PATH = OpenApiParameter(
    "path",
    {"type": "string", "pattern": r"^[^\x00-\x1f\x7f\\]*$"},
    OpenApiParameter.PATH,
    description="Path below the connection URL, with slashes. 400 if it leads elsewhere, by dots or a full address.",
)
AUTH: Any = [{"bearer": []}, {"session": []}]  # the session has additional checks here


@extend_schema(
    auth=AUTH,
    parameters=[PATH, RETRIES],
    request=OpenApiTypes.BINARY,
    responses={(200, "*/*"): OpenApiTypes.BINARY},
)
class Proxy(ApiView):
    """Call the third party with the person's token, and return its response."""

    authentication_classes = [BearerToken, SessionOfOwnPages]
    content_negotiation_class = PassOnNegotiation
    parser_classes = []
    scopes = {method: [SERVICE] for method in METHODS}
    passes_on = True
    default_response_headers: ClassVar[dict[str, str]] = {}  # `Allow` and `Vary` are the third party's

    def needed_scopes(self, method: str) -> list[str]:
        return super().needed_scopes("GET")

    def forward(self, request: Request, alias: str, path: str = "") -> HttpResponseBase:
        if str(request.method).upper() in calls.NEVER_SENT:
            raise MethodNotAllowed(str(request.method))
        user: User = request.user  # type: ignore[assignment]  # HasScopes admits users only
        try:
            return pass_on(request._request, user, alias, path, used_by=program_of(request.auth))
        except NotAuthenticated as error:
            if error.code == "not_available":  # an integration that is not the person's looks like none, as elsewhere
                raise Http404 from None
            raise

    get = head = post = put = patch = delete = options = http_method_not_allowed = forward  # type: ignore[assignment]  # any


def pass_on(request: HttpRequest, user: User, alias: str, path: str, **options: Any) -> HttpResponseBase:
    streamed = PersonalAuthAPI(user).stream(
        alias,
        str(request.method),
        requested_path(request, path),
        headers=request.headers,
        body=body_of(request),
        retries=retries_of(request),
        **options,
    )
    return response_of(streamed, has_body=request.method != "HEAD" and streamed.status_code not in (204, 304))


def body_of(request: HttpRequest) -> calls.Body | None:
    """Return the body, to be framed anew: two readings of its end would allow request smuggling (RFC 9112 §11.2)."""
    read, coding = reader_of(request.META["wsgi.input"]), request.META.get("HTTP_TRANSFER_ENCODING", "")
    if coding:
        if coding.strip().lower() != "chunked" or not request.META.get("wsgi.input_terminated"):
            raise BadPath("Send a Content-Length. A body with another framing can't be read here.")
        return calls.Body(read, length=None)
    length = str(request.META.get("CONTENT_LENGTH") or "")
    if length and not (length.isascii() and length.isdigit() and len(length) < 19):
        raise BadPath("Content-Length must be a number.")
    return calls.Body(read, length=int(length)) if length else None


def reader_of(stream: Any) -> Callable[[int], bytes]:
    """Return a read function that raises `OSError` for malformed chunks, instead of gunicorn's exceptions."""

    def read(size: int) -> bytes:
        try:
            return bytes(stream.read(size))
        except ParseException as error:
            raise OSError(type(error).__name__) from None

    return read


def retries_of(request: HttpRequest) -> int:
    value = request.headers.get("Keyrack-Retries", "0")
    if value not in {str(number) for number in range(calls.MOST_RETRIES + 1)}:
        raise BadPath("Keyrack-Retries must be a number from 0 to 5.")
    return int(value)


def response_of(streamed: calls.Streamed, *, has_body: bool) -> HttpResponseBase:
    if not 200 <= streamed.status_code <= 599:
        streamed.close()
        raise Unusable("bad_status", "the status is none")
    if has_body and streamed.length is not None and streamed.length <= AT_ONCE:
        response: HttpResponseBase = HttpResponse(b"".join(streamed.body), status=streamed.status_code)
    else:
        response = StreamingHttpResponse(streamed.body, status=streamed.status_code)
    response.headers["Content-Type"] = "application/octet-stream"
    if streamed.length is not None and streamed.status_code != 204:
        response.headers["Content-Length"] = str(streamed.length)
    for name, values in by_name(streamed.headers).items():
        response.headers[name] = ", ".join(values)
    for name, value in SANDBOX.items():
        response.headers[name] = value
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django mails a third party's 500 to our administrators
    return response


def by_name(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    values_by_name: dict[str, list[str]] = {}
    for name, value in headers:
        values_by_name.setdefault(name.title(), []).append(value)
    return values_by_name
