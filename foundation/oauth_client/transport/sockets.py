"""Where a connection may go, and sockets that enforce limits. The only module that opens sockets to third parties."""

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable
from foundation.oauth_client.transport import addresses, framing
from foundation.oauth_client.transport.limits import Bounds, Limits, current

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# An entry of socket.getaddrinfo: family, kind, protocol, canonical name, socket address.
Target = tuple[Any, Any, int, str, tuple[Any, ...]]

_HEADROOM = 128 << 10  # status line, headers and chunk framing, on top of a body of the permitted size

_networks: tuple[addresses.Network, ...] = ()


def allow(spelled: Iterable[str]) -> None:
    """Set the configured networks. Raises ValueError, and changes nothing, if one cannot be parsed."""
    global _networks
    _networks = addresses.parse_networks(spelled)


class GuardedSocket(socket.socket):
    """A socket that enforces the deadline and the size limit of its exchange.

    The limits are stored on the socket, not in a context, so that they also hold for a body that is streamed later.
    """

    bounds: Limits = Bounds(0.0, 0)  # nothing is allowed before `obey`
    received = 0

    def obey(self, bounds: Limits) -> None:
        self.bounds = bounds
        self.received = 0

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
        return future.result(timeout=current().seconds_left())
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
        address = addresses.parse_address(target[4][0])
        if addresses.is_inside(address, _networks):
            inside.append(target)
        elif addresses.is_public(address):
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
        sock.settimeout(current().seconds_left())  # for the TLS handshake, which OpenSSL times as a whole
    except (OSError, OAuthError):
        sock.close()
        raise
    return sock


def _dial(host: str, port: int, *, plain: bool) -> GuardedSocket:
    limits = current()
    permitted = resolve_targets(host, port, plain=plain)
    failure: OSError | None = None
    for position, target in enumerate(permitted):
        try:
            # A dead address (IPv6 without a route) must not use up the time of the next one.
            return _connect(target, limits.seconds_left() / (len(permitted) - position))
        except OSError as exc:
            failure = exc
    raise Unreachable("timeout" if isinstance(failure, TimeoutError) else "connection_failed") from failure


class _Connection(HTTPConnection):
    plain: ClassVar[bool] = True
    response_class = framing.Answer

    def _new_conn(self) -> socket.socket:
        """Open a guarded socket in place of urllib3's. connect() adds TLS, checked against the name."""
        return _dial(self.host, self.port, plain=self.plain)

    def connect(self) -> None:
        super().connect()
        self._obey()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._obey()
        super().request(*args, **kwargs)

    def _obey(self) -> None:
        if self.sock is not None:
            cast(GuardedSocket, self.sock).obey(current())


class _TLSConnection(_Connection, HTTPSConnection):
    plain = False


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
