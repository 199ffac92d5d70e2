"""A person's session, as pages of Keyrack's own may use it to call third parties.

Reading is not harmless here: a GET is passed on to a server that may act on it, and what comes back would be loaded
from our own address. So only our pages may send it, and none as a script or a style.
"""

from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.api.authentication import Session

OUR_PAGES = {"same-origin", "none"}  # Sec-Fetch-Site; none: typed in
LOADED_AS = {"", "empty", "document", "image"}  # Sec-Fetch-Dest


class SessionOfOwnPages(Session):
    def enforce_csrf(self, request: Request) -> None:
        """By the headers alone: looking for the token in a form would use up the body that is to be passed on."""
        if not is_of_our_pages(request) or request.headers.get("Sec-Fetch-Dest", "") not in LOADED_AS:
            raise PermissionDenied("A session may be used by Keyrack's own pages, and not as a part of a page.")
        if not getattr(request._request, "_dont_enforce_csrf_checks", False):  # Django's word for tests
            super().enforce_csrf(without_body(request))


def is_of_our_pages(request: Request) -> bool:
    """By plain http, and from old browsers, there is no Sec-Fetch-Site; the page that led here may have a name then."""
    if "Sec-Fetch-Site" in request.headers:
        return request.headers["Sec-Fetch-Site"] in OUR_PAGES
    page = request.headers.get("Origin") or request.headers.get("Referer")
    return not page or page.split("/", 3)[2:3] == [request._request.get_host()]


def without_body(request: Request) -> Any:
    """Nor with its path, which Django has decoded in place, and could not read a second time."""
    empty = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0", "CONTENT_TYPE": "", "PATH_INFO": "/", "SCRIPT_NAME": ""}
    return WSGIRequest({**request.META, **empty})
