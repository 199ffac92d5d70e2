"""Known devices: browsers that a user has signed in with, whose failed attempts are counted separately.

The cookie grants nothing. It holds a signed random id, and a row links the id to the user until the password changes or
the user signs out elsewhere.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import User
from accounts.sign_in.models import KnownDevice

SALT = "accounts.sign_in.known_devices"
LIFETIME = timedelta(days=365)


def device_id_in(request: HttpRequest) -> str:
    """The device id in the cookie; "" if there is none or its signature is wrong."""
    try:
        device_id = signing.loads(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return ""
    return str(device_id)


def device_of(request: HttpRequest, user: User) -> str:
    """The id of this browser if it is a known device of the user; else ""."""
    device_id = device_id_in(request)
    return device_id if device_id and KnownDevice.objects.filter(user=user, device_id=device_id).exists() else ""


@receiver([user_logged_in, password_changed, password_reset, password_set])
def remember_device(request: HttpRequest | None, user: User, **_details: Any) -> None:
    """Store this browser as a known device, also after a password reset by mail. The middleware sets the cookie."""
    if request is None:
        return
    device_id = device_id_in(request) or secrets.token_urlsafe(16)
    KnownDevice.objects.update_or_create(user=user, device_id=device_id, defaults={"last_used_at": timezone.now()})
    request.device_id = device_id  # type: ignore[attr-defined]  # for `set_cookie`


def forget_devices(user: User, *, but: HttpRequest | None = None) -> None:
    """Forget the known devices of a user, except the browser of the request `but`."""
    device_id = device_id_in(but) if but else ""
    KnownDevice.objects.filter(user=user).exclude(device_id=device_id).delete()


def forget_unused() -> None:
    KnownDevice.objects.filter(last_used_at__lte=timezone.now() - LIFETIME).delete()


def set_cookie(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: set the device cookie after `remember_device`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if device_id := getattr(request, "device_id", ""):
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                signing.dumps(device_id, salt=SALT),
                max_age=LIFETIME,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware
