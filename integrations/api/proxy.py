"""The proxy: passes a call on to the third party with the user's token, and streams the response back.

A response must not set cookies, run scripts, redirect a browser or be cached: the header policy of `calls` filters its
headers, and `SANDBOX` adds ours. A session is for Keyrack's own pages only: a GET isn't harmless here, since it is
passed on to a server that may act on it, and the response is loaded from our origin.
"""

import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, ClassVar, cast
from urllib.parse import quote, unquote_to_bytes

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.encoding import repercent_broken_unicode
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from gunicorn.http.errors import ParseException
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from accounts.api.authentication import BearerToken, Session
from accounts.api.permissions import Rights
from accounts.models import User
from foundation.oauth_client import transport
from foundation.oauth_client.errors import Unusable
from integrations import calls
from integrations.api.calls_at_once import limit_at_once
from integrations.api.views import SERVICE, ApiView, program_of
from integrations.calls import BadPath
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI

OUR_PAGES = {"same-origin", "none"}  # Sec-Fetch-Site; none: typed into the address bar
LOADED_AS = {"", "empty", "document", "image"}  # Sec-Fetch-Dest


class SessionOfOwnPages(Session):
    def enforce_csrf(self, request: Request) -> None:
        """Check the CSRF token in the headers only: reading a form would consume the body that is passed on."""
        if not is_of_our_pages(request) or request.headers.get("Sec-Fetch-Dest", "") not in LOADED_AS:
            raise PermissionDenied("Only Keyrack's own pages may use a session, and not for a part of a page.")
        if not getattr(request._request, "_dont_enforce_csrf_checks", False):  # set by Django's test client
            # Without body, and without path, which Django has decoded in place and can't decode again
            empty = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0", "CONTENT_TYPE": ""}
            headers_only: Any = WSGIRequest({**request.META, **empty, "PATH_INFO": "/", "SCRIPT_NAME": ""})
            super().enforce_csrf(headers_only)


def is_of_our_pages(request: Request) -> bool:
    """Tell whether our page sent the request: by Sec-Fetch-Site, or by Origin with plain http and old browsers."""
    if "Sec-Fetch-Site" in request.headers:
        return request.headers["Sec-Fetch-Site"] in OUR_PAGES
    page = request.headers.get("Origin") or request.headers.get("Referer")
    return not page or page.split("/", 3)[2:3] == [request._request.get_host()]


# View -----------------------------------------------------------------------------------------------------------------


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
A_NUMBER = re.compile(r"[0-9]{1,6}")
AT_ONCE = 64 << 10  # bytes; a response up to this size is read whole, so that a broken one becomes an error
RETRIES = OpenApiParameter(
    "Keyrack-Retries",
    {"type": "integer", "minimum": 0, "maximum": calls.MOST_RETRIES},
    OpenApiParameter.HEADER,
    description="How often (0 to 5) an idempotent call is repeated if the third party doesn't answer or asks to wait.",
)
TIMEOUT = OpenApiParameter(
    "Keyrack-Timeout",
    {"type": "integer", "minimum": 1},
    OpenApiParameter.HEADER,
    description="Seconds until the response must begin (30 without this header). A body must make progress within 60"
    " seconds, or this time if it is longer. Each site has its own maximum.",
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
    parameters=[PATH, RETRIES, TIMEOUT],
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
            return pass_on(request._request, user, alias, path, rights=cast("Rights | None", request.auth))
        except NotAuthenticated as error:
            if error.code == "not_available":  # an integration that is not the person's looks like none, as elsewhere
                raise Http404 from None
            raise

    get = head = post = put = patch = delete = options = http_method_not_allowed = forward  # type: ignore[assignment]  # any


def pass_on(
    request: HttpRequest, user: User, alias: str, path: str, *, rights: Rights | None, **options: Any
) -> HttpResponseBase:
    """Make the call, within the program's limit of calls at once."""
    options |= {"used_by": program_of(rights), "program": rights.counted_as if rights else ""}
    make_call = partial(call_third_party, request, user, alias, path, **options)
    return limit_at_once(user, rights, make_call)


def call_third_party(request: HttpRequest, user: User, alias: str, path: str, **options: Any) -> HttpResponseBase:
    third_party_path, body = requested_path(request, path), body_of(request)
    retries, timeout = retries_of(request), timeout_of(request)
    api = PersonalAuthAPI(user)
    try:
        streamed = api.stream(
            alias,
            str(request.method),
            third_party_path,
            headers=request.headers,
            body=body,
            retries=retries,
            timeout=timeout,
            **options,
        )
        return response_of(streamed, has_body=request.method != "HEAD" and streamed.status_code not in (204, 304))
    except transport.Interrupted:
        url = api.get_initiator_url(alias)
        raise NotAuthenticated(url, code="not_connected" if url else "not_available") from None


def retries_of(request: HttpRequest) -> int:
    retries = request.headers.get("Keyrack-Retries", "0")
    if retries not in {str(number) for number in range(calls.MOST_RETRIES + 1)}:
        raise BadPath("Keyrack-Retries must be a number from 0 to 5.")
    return int(retries)


def timeout_of(request: HttpRequest) -> float:
    text, longest = request.headers.get("Keyrack-Timeout", ""), settings.PROXY_TIMEOUT_MAX_SECONDS
    if not text:
        return calls.DEADLINE
    if not (A_NUMBER.fullmatch(text) and 1 <= int(text) <= longest):
        raise BadPath(f"Keyrack-Timeout must be a number of seconds from 1 to {longest}.")
    return float(text)


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
    values_by_name: dict[str, list[str]] = {}
    for name, value in streamed.headers:
        values_by_name.setdefault(name.title(), []).append(value)
    for name, values in values_by_name.items():
        response.headers[name] = ", ".join(values)
    for name, value in SANDBOX.items():
        response.headers[name] = value
    response._has_been_logged = True  # type: ignore[attr-defined]  # else Django mails a third party's 500 to our administrators
    return response


# Raw path -------------------------------------------------------------------------------------------------------------


UNENCODED = "/:@!$&'()*+,;=-._~"  # characters that need no encoding in a path (RFC 3986 §3.3)
IN_QUERY = UNENCODED + '%?[]|^`{}"<>'
BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")  # a % that starts no escape; urllib3 would encode all others again
ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")  # in the absolute form of a request target (RFC 9112 §3.2.2)


def requested_path(request: HttpRequest, path: str) -> str:
    """Return the raw form of `path`, the decoded end of the address, with its query."""
    query = quote(str(request.META.get("QUERY_STRING", "")).encode("latin-1"), safe=IN_QUERY)
    return BARE_PERCENT.sub("%25", raw_path(request, path) + (f"?{query}" if query else ""))


def raw_path(request: HttpRequest, path: str) -> str:
    """Return the raw form of `path`. If the server passes no raw address, encode the decoded one."""
    raw = ORIGIN.sub("", str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "").partition("?")[0])
    if not raw:
        return quote(path, safe=UNENCODED)
    slashes = request.path.removesuffix(path).count("/")
    *before, tail = raw.split("/", slashes)
    if decode_path(raw) != request.path or decode_path(tail) != path or len(before) != slashes:
        raise BadPath("The address is ambiguous.")
    return quote(tail.encode("latin-1"), safe=UNENCODED + "%")


def decode_path(raw: str) -> str:
    """Decode a path as Django decodes PATH_INFO."""
    return repercent_broken_unicode(unquote_to_bytes(raw.encode("latin-1"))).decode()
