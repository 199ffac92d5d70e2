"""Response headers that no other middleware sets: what pages may use, and who may load them."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

EVERYWHERE = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_somebodys(request: HttpRequest, response: HttpResponse) -> bool:
    """It may have a person's name in it, or more."""
    return request.path.startswith("/api/") or response.headers.get("Content-Type", "").startswith("text/html")


def page_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Neither pages, error pages included, nor answers of the API are kept by a cache; what says otherwise stays."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in EVERYWHERE.items():
            response.headers.setdefault(name, value)
        if is_somebodys(request, response):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer
