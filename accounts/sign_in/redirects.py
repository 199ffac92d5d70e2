"""Mark sessions that a redirect of ours leads to a page which may leave this site.

A redirect that answers a form belongs to the form's submission: browsers apply the `form-action` of the form's page to
every hop (CSP 3 §6.4.1.1), and `Sec-Fetch-Site` calls the request same-origin, whoever chose the target in `?next=`. A
view that sends browsers elsewhere asks `was_redirected` and answers with a page of its own first: it ends the
submission, and a person reads where the way leads.
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
    """Decorator: redirects to this view are marked. `functools.wraps` hands the mark on to what wraps it."""
    view.leaves_site = True  # type: ignore[attr-defined]
    return view


def mark_redirects(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: note in the session each redirect to a view that leaves this site."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        targets = [response.headers[name] for name in HEADERS if name in response.headers]
        if targets:
            page_url = f"{request.scheme}://{request.get_host()}{request.path}"
            if any(leads_to_leaving_view(target, page_url=page_url) for target in targets):
                request.session[REDIRECTED_AT] = time.time()
        return response

    return answer


def was_redirected(request: HttpRequest) -> bool:
    """Whether a redirect of ours has led this browser to a leaving view within the last minute."""
    return float(request.session.get(REDIRECTED_AT, 0)) > time.time() - REDIRECT_SECONDS


def leads_to_leaving_view(address: str, *, page_url: str) -> bool:
    """Whether a browser that is on this page of ours would come to a leaving view."""
    target = urlsplit(urljoin(page_url, address.replace("\\", "/")))
    if target.netloc != urlsplit(page_url).netloc:
        return False
    path = normpath(f"/{unquote(target.path).lstrip('/')}")  # browsers take "%2e" for a dot
    return any(is_leaving_path(each) for each in (path, f"{path}/"))


def is_leaving_path(path: str) -> bool:
    try:
        return getattr(resolve(path).func, "leaves_site", False)
    except Resolver404:
        return False
