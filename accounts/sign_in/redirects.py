"""Marks sessions that one of our redirects leads to a view that may leave this site.

A redirect in response to a form belongs to the submission of that form: browsers apply the form page's `form-action`
to every hop (CSP 3 §6.4.1.1), and `Sec-Fetch-Site` calls the request same-origin, whoever chose the target in `?next=`.
A view that sends browsers elsewhere therefore asks `was_redirected`, and answers with a page of its own first. That
ends the submission, and shows the user where the link leads.
"""

import time
from collections.abc import Callable
from posixpath import normpath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

REDIRECTED_AT = "redirected_at"
REDIRECT_SECONDS = 60  # for the browser to follow
HEADERS = ("Location", "HX-Redirect", "HX-Location")

View = Callable[..., Any]


def leaves_site(view: View) -> View:
    """Decorator: mark redirects to this view. `functools.wraps` copies the attribute to other decorators."""
    view.leaves_site = True  # type: ignore[attr-defined]
    return view


def mark_redirects(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: store the time of a redirect to a view that leaves this site in the session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        targets = [response.headers[name] for name in HEADERS if name in response.headers]
        if targets:
            page_url = f"{request.scheme}://{request.get_host()}{request.path}"
            if any(leads_to_leaving_view(target, page_url=page_url) for target in targets):
                request.session[REDIRECTED_AT] = time.time()
        return response

    return middleware


def was_redirected(request: HttpRequest) -> bool:
    """Whether we redirected this browser to a view that leaves the site within the last minute."""
    return float(request.session.get(REDIRECTED_AT, 0)) > time.time() - REDIRECT_SECONDS


def leads_to_leaving_view(address: str, *, page_url: str) -> bool:
    """Whether this redirect target leads a browser on this page to a view that leaves the site."""
    target = urlsplit(urljoin(page_url, address.replace("\\", "/")))
    if target.netloc != urlsplit(page_url).netloc:
        return False
    path = normpath(f"/{unquote(target.path).lstrip('/')}")  # browsers take "%2e" for a dot
    return any(is_leaving_path(candidate) for candidate in (path, f"{path}/"))


def is_leaving_path(path: str) -> bool:
    try:
        return getattr(resolve(path).func, "leaves_site", False)
    except Resolver404:
        return False
