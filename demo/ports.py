"""Which ports are free on this machine."""

import errno
import socket
from collections.abc import Iterable

TRIED = 100
# The provider is called `localhost`, which browsers look up as ::1 first: a stranger there would get its visitors.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class NoPort(Exception):
    """None can be had; says why."""


def free(first: int) -> int:
    """The first free port from this one on."""
    for port in range(first, min(first + TRIED, 65536)):
        if all(is_free(port, family, host) for family, host in LOOPBACK):
            return port
    raise NoPort(f"No free port from {first} on. Choose another with --port.")


def is_free(port: int, family: int, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just closed counts as free
            probe.bind((host, port))
            probe.listen(1)
    except PermissionError as error:
        raise NoPort(f"Port {port} is not yours to use; those from 1024 on are.") from error
    except OSError as error:
        # A machine without IPv6 has nobody there.
        return family == socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True


def moved(asked: int, got: int) -> Iterable[str]:
    if asked != got:
        yield f"Port {asked} is taken; using {got}."
