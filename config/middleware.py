"""Middleware and request classes of the site: refuse what cannot be stored, and set headers of responses.

Requests with NUL characters, unknown character sets or incomplete bodies are answered with 400. PostgreSQL refuses NUL
in a text, and C libraries end a text there. It can come percent-encoded in a path, query or form, escaped in a quoted
cookie, or within Basic credentials. The views of `integrations` and the API are exempt: they answer that there is no
such name, state or search result. The proxy passes bodies on, for the third party to judge.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import UnreadablePostError
from django.utils.datastructures import MultiValueDict
from django.utils.http import parse_header_parameters

from config import failures

API = "/api/"
EXEMPT = (API, "/integrations/", "/remote-tables/", "/oauth_")
NUL = "\0"

# Django's forms check these and show the error beside the field. A password is only hashed, so any character will do.
IN_SIGN_IN_FORMS = frozenset({"username", "login", "password", "oldpassword", "password1", "password2"})
IN_TOKEN_REQUESTS = frozenset({"password"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

# Anyone can cause these, and Django would log each as an error and mail it to administrators.
TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})  # that `Utf8` decodes correctly


class RefuseNul:
    """The middleware. Comes before everything that looks something up by a cookie, a header or a path."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            if is_refused(request):
                return failures.bad_request(request, BadRequest(NUL))
        except TOO_MUCH as error:
            return failures.bad_request(request, error)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, _arguments: Any, _names: Any) -> HttpResponseBase | None:
        """Check form fields, before the CSRF check reads them."""
        if is_exempt(request) or request.method != "POST" or request.content_type not in FORMS:
            return None
        if (request.content_params or {}).get("charset", "utf-8").lower() not in CHARSETS:
            return failures.bad_request(request, BadRequest("charset"))
        try:
            file_names = (file.name or "" for _name, files in request.FILES.lists() for file in files)
            has_nul = any(NUL in text for text in (*texts_in_form(request), *file_names))
        except (*TOO_MUCH, UnreadablePostError, LookupError, ValueError) as error:  # also for a part's invalid header
            return failures.bad_request(request, error)
        return failures.bad_request(request, BadRequest(NUL)) if has_nul else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer 400 to a caller that hangs up or sends too much: no error to mail to administrators."""
        is_caused_by_caller = isinstance(error, (*TOO_MUCH, UnreadablePostError))
        return failures.bad_request(request, error) if is_caused_by_caller else None


def is_refused(request: HttpRequest) -> bool:
    headers = (value for name, value in request.META.items() if name.startswith("HTTP_") and isinstance(value, str))
    if any(NUL in value for value in headers) or has_nul_in_credentials(request):
        return True
    if any(NUL in f"{name}{value}" for name, value in request.COOKIES.items()):
        return True
    return not is_exempt(request) and (NUL in request.path or any(NUL in text for text in texts_in(request.GET)))


def is_exempt(request: HttpRequest) -> bool:
    return request.path.startswith(EXEMPT)


def texts_in(parameters: "MultiValueDict[str, str]") -> Iterable[str]:
    for name, values in parameters.lists():
        yield name
        yield from values


def texts_in_form(request: HttpRequest) -> Iterable[str]:
    exempt_names = IN_TOKEN_REQUESTS if request.path.startswith("/o/") else IN_SIGN_IN_FORMS
    for name, values in request.POST.lists():
        yield name
        yield from values if name not in exempt_names else ()


def has_nul_in_credentials(request: HttpRequest) -> bool:
    """Clients may percent-encode their id and secret within the Base64 (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        decoded = b64decode(encoded.strip())
    except ValueError:
        return False
    return b"\0" in decoded or b"\0" in unquote_to_bytes(decoded)


# Headers --------------------------------------------------------------------------------------------------------------
EVERYWHERE = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Set the headers unless a view has. Pages, including error pages, and answers of the API are never cached."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in EVERYWHERE.items():
            response.headers.setdefault(name, value)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if is_page or request.path.startswith(API):  # may hold personal data
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


# Request classes ------------------------------------------------------------------------------------------------------


class Utf8:
    """Decodes texts as UTF-8, whatever character set the Content-Type names. `RefuseNul` refuses forms in others.

    Django decodes query and form with any Python codec that the caller names, before middleware runs: `zlib` and
    `undefined` raise an exception that no middleware sees, `unicode_escape` and `utf-7` produce lone surrogates.
    """

    content_type: str | None
    content_params: dict[str, str] | None

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        """Parse the Content-Type as Django does, without setting `encoding`. An invalid one counts as none."""
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (LookupError, ValueError):
            self.content_type, self.content_params = "", {}


class Utf8WSGIRequest(Utf8, WSGIRequest):
    pass


class Utf8ASGIRequest(Utf8, ASGIRequest):
    pass


class WSGIApplication(WSGIHandler):
    """Django's own, which returns the body of a response as a list if it is complete.

    Granian sends a list together with the headers, and anything else after them: a process that is killed in between
    would leave the caller half an answer, which nginx cannot ask the other host for.
    """

    request_class = Utf8WSGIRequest

    def __call__(  # type: ignore[override]  # the stubs know a response only
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        response = super().__call__(environ, start_response)
        if not isinstance(response, HttpResponse):  # a stream or a file
            return response
        try:
            return list(response)
        finally:
            response.close()


class ASGIApplication(ASGIHandler):
    request_class = Utf8ASGIRequest
