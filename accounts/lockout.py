"""What happens after too many wrong passwords, and whose they are counted as. django-axes does the counting.

Wrong codes of the second step count as well: whoever gets that far has the password, and six digits are few.
"""

from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts import backends
from accounts.models import User

NOBODY_KNOWS = "::"  # a socket file has no address


def client_address(request: HttpRequest) -> str:
    """Who connected; behind proxies of ours, what the outermost of them saw. What a client claims itself is ignored."""
    seen = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if settings.PROXY_COUNT and len(seen) >= settings.PROXY_COUNT and is_address(seen[-settings.PROXY_COUNT]):
        return str(seen[-settings.PROXY_COUNT])
    return str(request.META.get("REMOTE_ADDR") or NOBODY_KNOWS)


def counted_address(request: HttpRequest) -> str:
    """The whole network of an IPv6 address: whoever has one address of it has as many as they like."""
    address = client_address(request)
    if is_address(address) and ip_address(address).version == 6:
        return str(ip_network(f"{address}/64", strict=False).network_address)
    return address


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def counted_as(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """One count for a person, however the name is spelled: "ADMIN" and an address are no further twenty tries."""
    asked = credentials or {}
    name = str(asked.get("username") or asked.get("email") or request.POST.get("username", ""))
    meant = backends.meant_by(name)
    return meant.get_username() if meant else name.strip().lower()[:255]


def refuse_if_locked(request: HttpRequest, user: User) -> None:
    """Before a code is looked at: the same refusal as for a password, right or not."""
    if not AxesProxyHandler.is_allowed(request, {"username": user.get_username()}):
        request.axes_locked_out = True  # type: ignore[attr-defined]  # its middleware answers with `locked_out`
        raise ValidationError(_("Too many tries."))


def count_wrong_code(request: HttpRequest, user: User) -> None:
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any]) -> HttpResponse:
    """The same page whether the name exists or not, and whether the password was right or not."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return response  # the REST API has said it in its own shape
    wait = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = render(request, "accounts/locked.html", {"minutes": wait // 60}, status=429)
    page.headers["Retry-After"] = str(wait)
    return page
