"""What happens after too many wrong passwords, and whose they are counted as. django-axes does the counting."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def client_address(request: HttpRequest) -> str:
    """Who connected; behind proxies of ours, what the outermost of them saw. What a client claims itself is ignored."""
    seen = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if settings.PROXY_COUNT and len(seen) >= settings.PROXY_COUNT:
        return str(seen[-settings.PROXY_COUNT])
    return str(request.META.get("REMOTE_ADDR", ""))


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any]) -> HttpResponse:
    """The same page whether the name exists or not, and whether the password was right or not."""
    wait = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = render(request, "accounts/locked.html", {"minutes": wait // 60}, status=429)
    page.headers["Retry-After"] = str(wait)
    return page
