"""Guarded sockets: where a connection may go, for how long, and how much it may receive.

The only module that opens sockets to third parties. The table of addresses is our own because `ipaddress.is_global`
changed between Python releases (CVE-2024-4032) and does not know transition prefixes that carry an IPv4 address inside.
"""

import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ReferenceType, ref

from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

DEADLINE = 20.0  # seconds, of an exchange for which none is set
MAX_BYTES = 1 << 20  # of its response
IDLE = 60.0  # seconds in which a streamed body must make progress
LONGEST = 6 * 3600.0  # seconds, for any exchange


@dataclass(frozen=True)
class Bounds:
    """Limits of a buffered exchange."""

    ends_at: float  # by the monotonic clock
    max_bytes: int

    def seconds_left(self) -> float:
        seconds = self.ends_at - monotonic()
        if seconds <= 0:
            raise Unreachable("timeout")
        return seconds


class Flow:
    """Limits of a streamed exchange of any size. They change as the exchange goes on.

    `deadline`: seconds from the end of the request to the start of the response. `idle`: seconds for each piece of a
    body. `subject`: whose exchange it is, for `interrupt`.
    """

    max_bytes = sys.maxsize >> 1

    def __init__(self, *, deadline: float, idle: float, subject: Any = None) -> None:
        self.deadline, self.idle, self.subject = deadline, idle, subject
        self.is_interrupted = False
        self.socket: ReferenceType[GuardedSocket] | None = None
        self.began_at = monotonic()
        self.ends_at = self.began_at + LONGEST
        self._due_at: float | None = None
        self.wait_for_answer()

    def wait_for_answer(self) -> None:
        self._due_at = monotonic() + self.deadline

    def let_body_pass(self) -> None:
        self._due_at = None

    def interrupt(self) -> None:
        """End the exchange from another thread. The one that reads or writes wakes up with an error or at an end."""
        self.is_interrupted = True
        sock = self.socket and self.socket()
        if sock and sock.bounds is self:  # else another exchange has the connection by now
            with suppress(OSError):
                # Not the method of SSLSocket, which would take the TLS state away from the thread that reads
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def seconds_left(self) -> float:
        if self.is_interrupted:
            raise Unreachable("connection_failed")
        now = monotonic()
        seconds = min(self.ends_at - now, self.idle if self._due_at is None else self._due_at - now)
        if seconds <= 0:
            raise Unreachable("timeout")
        return seconds


Limits: TypeAlias = Bounds | Flow

_current: ContextVar[Limits | None] = ContextVar("bounds", default=None)


def current_limits() -> Limits:
    return _current.get() or Bounds(monotonic() + DEADLINE, MAX_BYTES)


@contextmanager
def deadline(seconds: float, max_bytes: int | None = None) -> Iterator[None]:
    """A context in which all calls together take at most so many seconds. Never extends an outer deadline.

    `max_bytes`: for each response; defaults to the outer one.
    """
    ends_at = monotonic() + seconds
    outer = _current.get()
    if outer is not None:
        ends_at = min(ends_at, outer.ends_at)
        max_bytes = outer.max_bytes if max_bytes is None else max_bytes
    with use_limits(Bounds(ends_at, MAX_BYTES if max_bytes is None else max_bytes)):
        yield


@contextmanager
def use_limits(limits: Limits) -> Iterator[None]:
    token = _current.set(limits)
    try:
        yield
    finally:
        _current.reset(token)


Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's IPv4 special-purpose registry, plus one public address that Azure serves internally.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # "this host", which Linux routes to loopback
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# Global unicast. Everything outside is loopback, local, mapped, translated (64:ff9b::/96), multicast or unassigned.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


def parse_networks(spelled: Iterable[str]) -> tuple[Network, ...]:
    """Parse the configured networks. Raises ValueError, which quotes the invalid one."""
    return tuple(ip_network(text.strip()) for text in spelled if text.strip())


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_inside(address: Address, allowed: Iterable[Network]) -> bool:
    return any(address in network for network in allowed)


# An entry of socket.getaddrinfo: family, kind, protocol, canonical name, socket address.
Target = tuple[Any, Any, int, str, tuple[Any, ...]]

_HEADROOM = 128 << 10  # status line, headers and chunk framing, on top of a body of the permitted size

_networks: tuple[Network, ...] = ()


def allow_networks(spelled: Iterable[str]) -> None:
    """Set the configured networks. Raises ValueError, and changes nothing, if one cannot be parsed."""
    global _networks
    _networks = parse_networks(spelled)


class GuardedSocket(socket.socket):
    """A socket that enforces the deadline and the size limit of its exchange.

    The limits are stored on the socket, not in a context, so that they also hold for a body that is streamed later.
    """

    bounds: Limits = Bounds(0.0, 0)  # nothing is allowed before `obey`
    received = 0

    def obey(self, bounds: Limits) -> None:
        self.bounds = bounds
        self.received = 0
        if isinstance(bounds, Flow):
            bounds.socket = ref(self)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        self.settimeout(self.bounds.seconds_left())
        try:
            yield
        except TimeoutError:
            raise Unreachable("timeout") from None

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        with self._in_time():
            count = super().recv_into(buffer, nbytes or memoryview(buffer).nbytes, flags)
        self.received += count
        if self.received > self.bounds.max_bytes + _HEADROOM:
            raise Unusable("too_large")
        return count

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        with self._in_time():
            return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        with self._in_time():
            super().sendall(data, flags)


class GuardedTLSSocket(GuardedSocket, ssl.SSLSocket):
    pass


def _resolve(host: str, port: int) -> list[Target]:
    """Resolve in a thread, because getaddrinfo has no timeout. The thread may outlive this call."""
    future: Future[list[Target]] = Future()

    def resolve() -> None:
        try:
            future.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as exc:
            future.set_exception(exc)
        finally:
            future.cancel()  # no effect once there is a result; otherwise a bug of ours would look like a slow resolver

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    try:
        return future.result(timeout=current_limits().seconds_left())
    except TimeoutError:
        raise Unreachable("timeout", "the name could not be resolved in time") from None
    except OSError as exc:
        raise Unreachable("dns_failed", "the name cannot be resolved") from exc
    except ValueError:
        raise Misconfigured("bad_url", "the host is not a valid name") from None


def resolve_targets(host: str, port: int, *, plain: bool) -> list[Target]:
    """Resolve a name to the addresses that a connection may go to. Raises `Misconfigured` if there are none."""
    inside, public = [], []
    for target in _resolve(host.strip("[]"), port):
        address = ip_address(target[4][0])  # with its zone, which is needed to connect: "fe80::1%eth0"
        if is_inside(address, _networks):
            inside.append(target)
        elif is_public(address):
            public.append(target)
    if not inside and not public:
        raise Misconfigured("blocked_address", "the address is neither public nor in a configured network")
    if plain and not inside:
        raise Misconfigured("insecure_url", "plain http is for configured networks only")
    return inside if plain else inside + public


def _connect(target: Target, seconds: float) -> GuardedSocket:
    family, kind, protocol, _, address = target
    sock = GuardedSocket(family, kind, protocol)
    try:
        sock.settimeout(seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
        sock.settimeout(current_limits().seconds_left())  # for the TLS handshake, which OpenSSL times as a whole
    except (OSError, OAuthError):
        sock.close()
        raise
    return sock


def dial(host: str, port: int, *, plain: bool) -> GuardedSocket:
    limits = current_limits()
    permitted = resolve_targets(host, port, plain=plain)
    failure: OSError | None = None
    for position, target in enumerate(permitted):
        try:
            # A dead address (IPv6 without a route) must not use up the time of the next one.
            return _connect(target, limits.seconds_left() / (len(permitted) - position))
        except OSError as exc:
            failure = exc
    raise Unreachable("timeout" if isinstance(failure, TimeoutError) else "connection_failed") from failure
