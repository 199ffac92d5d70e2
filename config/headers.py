"""Middleware for response headers: Permissions-Policy, Cross-Origin-Resource-Policy, Cache-Control."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

EVERYWHERE = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def may_be_personal(request: HttpRequest, response: HttpResponse) -> bool:
    """Tell whether a response may hold personal data: HTML and answers of the API."""
    return request.path.startswith("/api/") or response.headers.get("Content-Type", "").startswith("text/html")


def page_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Set the headers unless a view has. Pages, including error pages, and answers of the API are never cached."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in EVERYWHERE.items():
            response.headers.setdefault(name, value)
        if may_be_personal(request, response):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
