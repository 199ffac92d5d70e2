"""Load generator: many connections in separate processes, each sending as fast as it is answered.

A minimal client, to leave the processors to the measured server. Supports only Content-Length and chunked bodies.
"""

import random
import socket
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """`requests`: paths with the token that each goes with ("" for none), in a header line."""

    url: str
    requests: Sequence[tuple[str, str]]
    connections: int
    seconds: float
    processes: int = 2
    header: str = "Authorization: Bearer "


@dataclass(frozen=True, kw_only=True)
class Rate:
    a_second: float
    p50: float  # milliseconds
    errors: int
    p99: float = 0.0
    calls: int = 0


def hammer(load: Load) -> Rate:
    share = load.connections // load.processes
    with ProcessPoolExecutor(load.processes, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(crowd, [load] * load.processes, [share] * load.processes))
    seconds = [each for durations, _errors in runs for each in durations]
    errors = sum(each for _durations, each in runs)
    p50 = statistics.median(seconds) * 1000 if seconds else 0.0
    p99 = sorted(seconds)[len(seconds) * 99 // 100] * 1000 if seconds else 0.0
    return Rate(a_second=len(seconds) / load.seconds, p50=p50, errors=errors, p99=p99, calls=len(seconds))


def crowd(load: Load, connections: int) -> tuple[list[float], int]:
    with ThreadPoolExecutor(connections) as pool:
        runs = list(pool.map(one, [load] * connections))
    return [each for durations, _errors in runs for each in durations], sum(errors for _durations, errors in runs)


def one(load: Load) -> tuple[list[float], int]:
    """Run one connection. Returns the duration of each answer, and how many were not 200."""
    parts = urlsplit(load.url)
    durations, errors, until = [], 0, time.monotonic() + load.seconds
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock.makefile("rb", 1 << 18) as answers:
            while time.monotonic() < until:
                path, token = random.choice(load.requests)
                began = time.perf_counter()
                sock.sendall(question(path, parts.netloc, f"{load.header}{token}" if token else ""))
                if answered(answers):
                    durations.append(time.perf_counter() - began)
                else:
                    errors += 1
    return durations, errors


def question(path: str, host: str, header: str) -> bytes:
    line = f"{header}\r\n" if header else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{line}\r\n".encode()


def answered(answers: Any) -> bool:
    """Read a response to its end, and tell whether it was a 200."""
    status, length = answers.readline(), 0
    if not status:
        raise ConnectionError("The server hung up.")
    while (line := answers.readline().lower()) not in (b"\r\n", b""):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
        elif line.startswith(b"transfer-encoding:"):
            length = -1
    while length < 0 and (size := int(answers.readline(), 16)):
        skip(answers, size + 2)
    skip(answers, 2 if length < 0 else length)
    return b" 200 " in status


def skip(answers: Any, left: int) -> None:
    while left:
        left -= len(answers.read(min(left, 1 << 18)))
