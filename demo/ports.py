"""Search for free ports on this machine."""

import errno
import socket
from collections.abc import Iterable

TRIED = 100
# The provider is called `localhost`, which browsers look up as ::1 first: another program there would get its requests.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class NoPort(Exception):
    """No port can be used; the message says why."""


def free(first: int) -> int:
    """Return the first free port from `first` on."""
    for port in range(first, min(first + TRIED, 65536)):
        if all(is_free(port, family, host) for family, host in LOOPBACK):
            return port
    raise NoPort(f"No free port from {first} on. Choose another with --port.")


def is_free(port: int, family: int, host: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just closed counts as free
            probe.bind((host, port))
            probe.listen(1)
    except PermissionError as error:
        raise NoPort(f"Port {port} is not yours to use; those from 1024 on are.") from error
    except OSError as error:
        # Without IPv6, no program can listen there.
        return family == socket.AF_INET6 and error.errno != errno.EADDRINUSE
    return True


def moved(requested: int, actual: int) -> Iterable[str]:
    if requested != actual:
        yield f"Port {requested} is taken; using {actual}."
