"""Lockout: limits of failed attempts, wherever a password or a code is accepted. Also finds the client's address.

A known device of the user has a counter of its own, so that guesses from elsewhere don't lock it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.sign_in import attempt_counters, known_devices
from accounts.sign_in.attempt_counters import Limit

UNKNOWN_ADDRESS = "::"  # of a client on a Unix socket
ADDRESS_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
WRONG_CODES = 5
WRONG_CODES_WITHIN = timedelta(minutes=5)


class LockedOut(Exception):
    """Too many attempts failed. `was_tried`: this attempt was made, failed, and reached the limit."""

    def __init__(self, *, was_tried: bool = False) -> None:
        super().__init__()
        self.was_tried = was_tried


class TooManyCodes(LockedOut):
    """The limit of wrong codes is reached. Passwords of this account still work."""


class Attempt:
    """Outcome of an attempt: a failure, unless `has_succeeded` is set."""

    has_succeeded = False


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


@contextmanager
def attempt(
    request: HttpRequest, user: User | None, *, name: str = "", known_place: str = "", with_code: bool = False
) -> Iterator[Attempt]:
    """Reserve an attempt for the block, which sets `has_succeeded`.

    Raises `LockedOut` before the block, or after it if it fails and reaches a limit. `user` is the account that the
    attempt is for; if there is none, `name` is counted. `known_place` is set if the request comes
    from where this user's programs connect from. A `ValidationError` in the block is a failure; any other exception
    does not count.
    """
    limits = limits_of(request, user, name=name, known_place=known_place, with_code=with_code)
    reached = attempt_counters.reserve(limits)
    if reached is not None:
        raise TooManyCodes if reached.counter.startswith("codes ") else LockedOut
    current = Attempt()
    try:
        yield current
    except ValidationError:
        record_failure(request, user, limits)
        raise
    except BaseException:
        attempt_counters.give_back(limits)
        raise
    if current.has_succeeded:
        attempt_counters.give_back(limits)
    else:
        record_failure(request, user, limits)


def record_failure(request: HttpRequest, user: User | None, limits: list[Limit]) -> None:
    """Count a failure and log it. Unknown names are not logged: they may be passwords typed into the wrong field."""
    reached = [limit for limit in attempt_counters.count_failure(limits) if not limit.counter.startswith("codes ")]
    if user:
        log.write(Kind.SIGN_IN_REFUSED, whose=user, address=client_address(request))
    if reached and user:
        log.write(Kind.LOCKED_OUT, whose=user, address=client_address(request))
    if reached:
        raise LockedOut(was_tried=True)


def limits_of(request: HttpRequest, user: User | None, *, name: str, known_place: str, with_code: bool) -> list[Limit]:
    """The limits of an attempt. The address comes first: once locked, it adds no rows for more invented names."""
    device = known_devices.device_of(request, user) if user else ""
    if user and (device or known_place):
        counters = [f"device {user.get_username()} {device or known_place}"]
    elif user:
        counters = [f"address {counted_address(request)}", f"name {user.get_username()}"]
    else:
        digest = sha256(name.strip().lower().encode(errors="replace")).hexdigest()
        counters = [f"address {counted_address(request)}", f"unknown name {digest}"]
    limits = [
        Limit(counter=counter, times=settings.SIGN_IN_ATTEMPTS, duration=settings.SIGN_IN_LOCK) for counter in counters
    ]
    if with_code and user:
        codes = Limit(counter=f"codes {user.pk} {device}", times=WRONG_CODES, duration=WRONG_CODES_WITHIN)
        limits.append(codes)
    return limits


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
