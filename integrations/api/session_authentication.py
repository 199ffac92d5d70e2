"""Session authentication for the proxy, restricted to Keyrack's own pages.

A GET isn't harmless here: it is passed on to a server that may act on it, and the response is loaded from our origin.
So only our pages may send it, and not as a script or a style.
"""

from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.api.authentication import Session

OUR_PAGES = {"same-origin", "none"}  # Sec-Fetch-Site; none: typed into the address bar
LOADED_AS = {"", "empty", "document", "image"}  # Sec-Fetch-Dest


class SessionOfOwnPages(Session):
    def enforce_csrf(self, request: Request) -> None:
        """Check the CSRF token in the headers only: reading a form would consume the body that is passed on."""
        if not is_of_our_pages(request) or request.headers.get("Sec-Fetch-Dest", "") not in LOADED_AS:
            raise PermissionDenied("Only Keyrack's own pages may use a session, and not for a part of a page.")
        if not getattr(request._request, "_dont_enforce_csrf_checks", False):  # set by Django's test client
            super().enforce_csrf(without_body(request))


def is_of_our_pages(request: Request) -> bool:
    """Tell whether our page sent the request: by Sec-Fetch-Site, or by Origin with plain http and old browsers."""
    if "Sec-Fetch-Site" in request.headers:
        return request.headers["Sec-Fetch-Site"] in OUR_PAGES
    page = request.headers.get("Origin") or request.headers.get("Referer")
    return not page or page.split("/", 3)[2:3] == [request._request.get_host()]


def without_body(request: Request) -> Any:
    """Copy the request without body, and without path, which Django has decoded in place and can't decode again."""
    empty = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0", "CONTENT_TYPE": "", "PATH_INFO": "/", "SCRIPT_NAME": ""}
    return WSGIRequest({**request.META, **empty})
