"""A pytest plugin that keeps tests on this machine: only loopback can be connected to, and no name is looked up.

Knows nothing of Keyrack. It holds for everything in this process that goes through Python's sockets.
"""

import contextlib
import ipaddress
import socket
from typing import Any

import pytest

# RFC 2606 and RFC 6761 keep these names for use in examples and tests: nobody answers to them, anywhere.
RESERVED = (".test", ".example", ".invalid", "example.com", "example.net", "example.org")

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


class LeftTheMachine(Exception):
    """A test was about to talk to the world. No OSError: code that expects failing networks must not catch it."""


def connect(sock: socket.socket, address: Any) -> None:
    _connect(sock, _checked(sock, address))


def connect_ex(sock: socket.socket, address: Any) -> int:
    return _connect_ex(sock, _checked(sock, address))


def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    name = (host.decode() if isinstance(host, bytes) else host or "localhost").rstrip(".").lower()
    if name.endswith(RESERVED):
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is reserved for tests: no such name")
    if name != "localhost" and not name.endswith(".localhost") and _number(name) is None:
        raise LeftTheMachine(f"a test looked up {name}")
    return _getaddrinfo(host, *arguments, **options)


def _checked(sock: socket.socket, address: Any) -> Any:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and address[0] != "localhost":
        number = _number(str(address[0]))
        if number is None or not number.is_loopback:
            raise LeftTheMachine(f"a test connected to {address[0]}, port {address[1]}")
    return address


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """What nobody has to be asked for: 127.0.0.1 and ::1%lo, but also what C takes for one, as 127.1 and 0x7f000001."""
    with contextlib.suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0])
    return None


def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    patch.setattr(socket.socket, "connect_ex", connect_ex)
    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    config.add_cleanup(patch.undo)
