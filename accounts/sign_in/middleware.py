"""Middleware of the accounts, and what it shares with views: client addresses, known devices, redirects, lockouts.

Known devices are browsers that a user has signed in with, whose failed attempts are counted separately. The cookie
grants nothing. It holds a signed random id, and a row links the id to the user until the password changes or the user
signs out elsewhere.

Redirects of ours to a view that may leave this site are marked in the session. A redirect in response to a form belongs
to the submission of that form: browsers apply the form page's `form-action` to every hop (CSP 3 §6.4.1.1), and
`Sec-Fetch-Site` calls the request same-origin, whoever chose the target in `?next=`. A view that sends browsers
elsewhere therefore asks `was_redirected`, and answers with a page of its own first. That ends the submission, and shows
the user where the link leads.
"""

import re
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from posixpath import normpath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from allauth.account.signals import password_changed, password_reset, password_set
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from accounts.audit import log
from accounts.current_user import acting_for
from accounts.models import User
from accounts.sign_in.models import KnownDevice
from foundation.exceptions import Explained

# Client addresses -----------------------------------------------------------------------------------------------------


UNKNOWN_ADDRESS = "::"  # of a client on a Unix socket
ADDRESS_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


def client_address(request: HttpRequest) -> str:
    """The network address of the client, as seen by the outermost of PROXY_COUNT proxies. Ignores forged headers."""
    forwarded_for = [without_port(entry.strip()) for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if (
        settings.PROXY_COUNT
        and len(forwarded_for) >= settings.PROXY_COUNT
        and is_address(forwarded_for[-settings.PROXY_COUNT])
    ):
        return plain_address(forwarded_for[-settings.PROXY_COUNT])
    return plain_address(str(request.META.get("REMOTE_ADDR") or UNKNOWN_ADDRESS))


def without_port(entry: str) -> str:
    """The address without the port and brackets that some proxies add."""
    match = ADDRESS_WITH_PORT.fullmatch(entry)
    return match[1] or match[2] if match else entry


def plain_address(text: str) -> str:
    """One spelling for each address: a server that listens on "::" reports 192.0.2.1 as "::ffff:192.0.2.1"."""
    if not is_address(text):
        return text
    address = ip_address(text.partition("%")[0])  # drop an IPv6 zone
    return str(getattr(address, "ipv4_mapped", None) or address)


def counted_address(request: HttpRequest) -> str:
    """The address that failures are counted for: of IPv6 the /64 network, in which a client can choose any address."""
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


# Audit log ------------------------------------------------------------------------------------------------------------


def attribute_admin_changes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: changes by forms of the admin are logged with the administrator and their address."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" or not request.path_info.startswith(reverse("admin:index")):
            return get_response(request)
        if not isinstance(request.user, User):  # not signed in
            return get_response(request)
        with log.attributed_to(request.user, client_address(request)):
            return get_response(request)

    return middleware


def set_current_user(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: make the user of the request the current one. The API sets it when it authenticates."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with acting_for(lambda: request.user):
            return get_response(request)

    return middleware


# Known devices --------------------------------------------------------------------------------------------------------


DEVICE_SALT = "accounts.sign_in.known_devices"  # a name of its own: with another, all known devices would be forgotten
DEVICE_LIFETIME = timedelta(days=365)


def device_id_in(request: HttpRequest) -> str:
    """The device id in the cookie; "" if there is none or its signature is wrong."""
    try:
        device_id = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=DEVICE_SALT, max_age=DEVICE_LIFETIME
        )
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
    request.device_id = device_id  # type: ignore[attr-defined]  # for `set_device_cookie`


def forget_devices(user: User, *, but: HttpRequest | None = None) -> None:
    """Forget the known devices of a user, except the browser of the request `but`."""
    device_id = device_id_in(but) if but else ""
    KnownDevice.objects.filter(user=user).exclude(device_id=device_id).delete()


def set_device_cookie(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: set the device cookie after `remember_device`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if device_id := getattr(request, "device_id", ""):
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                signing.dumps(device_id, salt=DEVICE_SALT),
                max_age=DEVICE_LIFETIME,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


# Redirects ------------------------------------------------------------------------------------------------------------


REDIRECTED_AT = "redirected_at"
REDIRECT_SECONDS = 60  # for the browser to follow
REDIRECT_HEADERS = ("Location", "HX-Redirect", "HX-Location")
View = Callable[..., Any]


def leaves_site(view: View) -> View:
    """Decorator: mark redirects to this view. `functools.wraps` copies the attribute to other decorators."""
    view.leaves_site = True  # type: ignore[attr-defined]
    return view


def mark_redirects(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: store the time of a redirect to a view that leaves this site in the session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        targets = [response.headers[name] for name in REDIRECT_HEADERS if name in response.headers]
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


# Lockouts -------------------------------------------------------------------------------------------------------------


class LockedOut(Explained):
    """Too many attempts failed. `was_tried`: this attempt was made, failed, and reached the limit."""

    message = "Too many attempts failed. Wait and try again."

    def __init__(self, *, was_tried: bool = False) -> None:
        super().__init__()
        self.was_tried = was_tried


class TooManyCodes(LockedOut):
    """The limit of wrong codes is reached. Passwords of this account still work."""

    message = "Too many wrong codes. Wait and try again."


def seconds_locked() -> int:
    return int(settings.SIGN_IN_LOCK.total_seconds())


class LockedOutMiddleware:
    """Answers `LockedOut` with one page, which reveals neither whether the name exists nor the password is right."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, LockedOut):
            return None
        page = render(request, "accounts/locked.html", {"minutes": seconds_locked() // 60}, status=429)
        page.headers["Retry-After"] = str(seconds_locked())
        return page
