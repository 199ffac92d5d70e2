"""Resolvers for tests: one with scripted answers, one that only parses addresses."""

import _socket
import socket
from collections.abc import Sequence
from typing import Any

import pytest


class Resolver:
    """Returns the next of `answers` for each lookup, then the last one forever; counts lookups."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.questions = 0

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        answer = self._answers[min(self.questions, len(self._answers) - 1)]
        self.questions += 1
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answer
        ]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str]) -> Resolver:
    resolver = Resolver(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def resolve_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse addresses as the C library does, in every spelling ("127.1", "0x7f000001"), without DNS lookups."""
    ordinary = socket.getaddrinfo

    def read(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host == "localhost":
            return list(ordinary(host, port, type=socket.SOCK_STREAM))
        return list(_socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST))

    monkeypatch.setattr(socket, "getaddrinfo", read)
