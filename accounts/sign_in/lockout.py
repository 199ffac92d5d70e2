"""Which counters an attempt to sign in is reserved at, at every place that takes a password or a code.

A browser that this person has signed in with before has a counter of its own: guesses from elsewhere don't lock it.
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

NOBODY_KNOWS = "::"  # a socket file has no address
ADDRESS_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
WRONG_CODES = 5
WRONG_CODES_WITHIN = timedelta(minutes=5)


class LockedOut(Exception):
    """Too many attempts failed. `was_tried`: this one was looked at, failed, and was the last."""

    def __init__(self, *, was_tried: bool = False) -> None:
        super().__init__()
        self.was_tried = was_tried


class TooManyCodes(LockedOut):
    """The narrow limit of codes is reached; passwords of this account still work."""


class Attempt:
    """What came of an attempt; failed, unless somebody says otherwise."""

    has_succeeded = False


def client_address(request: HttpRequest) -> str:
    """Who connected; behind proxies of ours, what the outermost of them saw. What a client claims itself is ignored."""
    seen = [without_port(entry.strip()) for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if settings.PROXY_COUNT and len(seen) >= settings.PROXY_COUNT and is_address(seen[-settings.PROXY_COUNT]):
        return plain_address(seen[-settings.PROXY_COUNT])
    return plain_address(str(request.META.get("REMOTE_ADDR") or NOBODY_KNOWS))


def without_port(entry: str) -> str:
    """Some proxies write the port of the connection behind the address, and brackets around one of IPv6."""
    match = ADDRESS_WITH_PORT.fullmatch(entry)
    return match[1] or match[2] if match else entry


def plain_address(text: str) -> str:
    """The same address always in the same way: a server that listens on "::" says "::ffff:192.0.2.1" of 192.0.2.1."""
    if not is_address(text):
        return text
    address = ip_address(text.partition("%")[0])  # behind it stands an interface of one machine
    return str(getattr(address, "ipv4_mapped", None) or address)


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


@contextmanager
def attempt(
    request: HttpRequest, user: User | None, *, name: str = "", known_place: str = "", with_code: bool = False
) -> Iterator[Attempt]:
    """Reserve an attempt for the work inside, which sets `has_succeeded`. `LockedOut` before it, or after the last one.

    `user` is who is meant, else `name` is counted. `known_place`: from where this user's programs are known to come.
    A `ValidationError` is a failure; with any other exception nothing was tried.
    """
    limits = limits_of(request, user, name=name, known_place=known_place, with_code=with_code)
    reached = attempt_counters.reserve(limits)
    if reached is not None:
        raise TooManyCodes if reached.counter.startswith("codes ") else LockedOut
    current = Attempt()
    try:
        yield current
    except ValidationError:
        fail(request, user, limits)
        raise
    except BaseException:
        attempt_counters.give_back(limits)
        raise
    if current.has_succeeded:
        attempt_counters.give_back(limits)
    else:
        fail(request, user, limits)


def fail(request: HttpRequest, user: User | None, limits: list[Limit]) -> None:
    """Count it and write it down, unless the name is nobody's: it may be a password typed into the wrong field."""
    reached = [limit for limit in attempt_counters.count_failure(limits) if not limit.counter.startswith("codes ")]
    if user:
        log.write(Kind.SIGN_IN_REFUSED, whose=user, address=client_address(request))
    if reached and user:
        log.write(Kind.LOCKED_OUT, whose=user, address=client_address(request))
    if reached:
        raise LockedOut(was_tried=True)


def limits_of(request: HttpRequest, user: User | None, *, name: str, known_place: str, with_code: bool) -> list[Limit]:
    """The address comes first: one that is locked makes no rows for the names that it goes on to make up."""
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
    """Answers `LockedOut`: the same page whether the name exists or not, and whether the password was right or not."""

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
