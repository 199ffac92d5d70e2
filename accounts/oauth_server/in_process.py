"""In-process calls of Keyrack's own OAuth server: the same endpoints as over HTTP, without the network.

Rate limits, audit log and rules apply as over HTTP. A caller that acts for a person passes on that person's address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, HttpResponseNotFound
from django.urls import Resolver404, resolve
from django.views.decorators.debug import sensitive_variables

PATH_PREFIX = "/o/"
ENDPOINTS = frozenset({"oauth2_provider:token", "oauth2_provider:revoke-token", "oauth2_provider:introspect"})

_address: ContextVar[str] = ContextVar("address", default="")


def base_url() -> str:
    return f"{settings.SITE_URL}{PATH_PREFIX}"


def is_own_endpoint(url: str) -> bool:
    """Whether the URL is below this server's OAuth endpoints."""
    return url.lower().startswith(base_url().lower())


@contextmanager
def called_from(address: str) -> Iterator[None]:
    """Set the client address of the calls inside the block, as `lockout.client_address` returns it."""
    before = _address.set(address)
    try:
        yield
    finally:
        _address.reset(before)


@sensitive_variables()
def handle_request(method: str, path_and_query: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """Answer a request as the site would; 404 for all but `ENDPOINTS`."""
    path, _mark, query = path_and_query.partition("?")
    try:
        match = resolve(path)
    except Resolver404:
        return HttpResponseNotFound()
    if match.view_name not in ENDPOINTS:
        return HttpResponseNotFound()
    request = WSGIRequest(
        {**wsgi_environ(headers, body), "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    )
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response


@sensitive_variables()
def wsgi_environ(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    site = urlsplit(settings.SITE_URL)
    header_variables = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    port = site.port or (443 if site.scheme == "https" else 80)
    return {
        **header_variables,
        "CONTENT_TYPE": header_variables.pop("HTTP_CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": site.netloc,
        "HTTP_X_FORWARDED_FOR": "",  # no proxy is involved
        "REMOTE_ADDR": _address.get(),
        "SERVER_NAME": site.hostname or "",
        "SERVER_PORT": str(port),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": BytesIO(body),
    }
