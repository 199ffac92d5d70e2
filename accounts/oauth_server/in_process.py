"""Keyrack's own OAuth server, for who asks it in this very process: the same doors as over HTTP, without the network.

Limits, diary and rules hold as they do there. Who asks for a person says from which address that person came.
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

BELOW = "/o/"
DOORS = frozenset({"oauth2_provider:token", "oauth2_provider:revoke-token", "oauth2_provider:introspect"})

_address: ContextVar[str] = ContextVar("address", default="")


def base_url() -> str:
    return f"{settings.SITE_URL}{BELOW}"


def is_own(url: str) -> bool:
    return url.lower().startswith(base_url().lower())


@contextmanager
def called_from(address: str) -> Iterator[None]:
    """For everything inside: the network address of the person who asks, as `lockout.client_address` tells it."""
    before = _address.set(address)
    try:
        yield
    finally:
        _address.reset(before)


@sensitive_variables()
def answer(method: str, path_and_query: str, headers: Mapping[str, str], body: bytes) -> HttpResponse:
    """As the site would answer it."""
    path, _mark, query = path_and_query.partition("?")
    try:
        match = resolve(path)
    except Resolver404:
        return HttpResponseNotFound()
    if match.view_name not in DOORS:
        return HttpResponseNotFound()
    request = WSGIRequest(
        {**environ(headers, body), "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    )
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response


@sensitive_variables()
def environ(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    site = urlsplit(settings.SITE_URL)
    given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    port = site.port or (443 if site.scheme == "https" else 80)
    return {
        **given,
        "CONTENT_TYPE": given.pop("HTTP_CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": site.netloc,
        "HTTP_X_FORWARDED_FOR": "",  # nobody forwarded it
        "REMOTE_ADDR": _address.get(),
        "SERVER_NAME": site.hostname or "",
        "SERVER_PORT": str(port),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": BytesIO(body),
    }
