"""Authorization server for one connection, with slow refreshes and refresh token rotation.

A refresh token works once (RFC 9700 §4.14.2); reuse revokes the whole family. Runs in its own process, counts calls by
path, and handles two hundred at once.
"""

import asyncio
import json
import secrets
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import requests

from tests.servers import running

FIRST_REFRESH_TOKEN = "refresh-0"
LIFETIME = 3600
TOKEN_LENGTH = 1000  # characters, as a signed JWT with a few claims has
Answer = tuple[HTTPStatus, dict[str, Any]]


def new_tokens() -> dict[str, Any]:
    """Tokens for whoever asks."""
    access_token, refresh_token = secrets.token_urlsafe(TOKEN_LENGTH)[:TOKEN_LENGTH], secrets.token_urlsafe(32)
    lifetime = {"token_type": "Bearer", "expires_in": LIFETIME}
    return {"access_token": access_token, "refresh_token": refresh_token, **lifetime}


class Family:
    """The token family of one sign-in."""

    def __init__(self) -> None:
        self.current = FIRST_REFRESH_TOKEN
        self.access_tokens: set[str] = set()
        self.is_alive = True

    def rotate(self, refresh_token: str) -> Answer:
        if not self.is_alive or refresh_token != self.current:
            self.is_alive = False
            return HTTPStatus.BAD_REQUEST, {"error": "invalid_grant"}
        granted = new_tokens()
        self.access_tokens.add(granted["access_token"])
        self.current = granted["refresh_token"]
        return HTTPStatus.OK, granted

    def admits(self, authorization: str) -> bool:
        return self.is_alive and authorization.removeprefix("Bearer ") in self.access_tokens


class Authority:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.family = Family()
        self.calls: Counter[str] = Counter()

    async def answer(self, path: str, authorization: str, form: dict[str, str]) -> Answer:
        self.calls[path] += 1
        if path in ("/token", "/revoke", "/anybody"):
            await asyncio.sleep(self.seconds)
        if path == "/anybody":
            return HTTPStatus.OK, new_tokens()
        if path == "/token":
            return self.family.rotate(form.get("refresh_token", ""))
        if path == "/api" and not self.family.admits(authorization):
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_token"}
        return HTTPStatus.OK, dict(self.calls) if path == "/calls" else {}

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve HTTP/1.1 with keep-alive, as far as the clients here need it."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, content = await self.answer(*await request(reader, head.decode("latin-1")))
                body = json.dumps(content).encode()
                lines = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: application/json"]
                lines += [f"Content-Length: {len(body)}", "Cache-Control: no-store", "", ""]
                writer.write("\r\n".join(lines).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def request(reader: asyncio.StreamReader, head: str) -> tuple[str, str, dict[str, str]]:
    """Return path, Authorization header and form."""
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    return first.split()[1].partition("?")[0], headers.get("authorization", ""), form


class Client:
    """Calls of the benchmark itself to the authority."""

    def __init__(self, url: str) -> None:
        self.url = url

    def calls(self, path: str) -> int:
        counted: dict[str, int] = requests.get(f"{self.url}/calls", timeout=10).json()
        return counted.get(path, 0)

    def admits(self, access_token: str) -> bool:
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.url}/api", headers=headers, timeout=10).ok

    def renew(self, refresh_token: str) -> dict[str, str]:
        """Return the new tokens, or none."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = requests.post(f"{self.url}/token", data=form, timeout=10)
        granted: dict[str, str] = answer.json()
        return granted if answer.ok else {}


@contextmanager
def asked(*, seconds: float) -> Iterator[Client]:
    """Run an authority in its own process. `seconds`: duration of each refresh and each revocation."""
    listening = running.listening_socket()
    host, port = listening.getsockname()
    command = [sys.executable, "-m", "benchmarks.authority"]
    with running.server(command, listening, {"seconds": seconds}, "/calls"):
        yield Client(f"http://{host}:{port}")


async def serve(listening: socket.socket, seconds: float) -> None:
    listening.listen(1024)
    server = await asyncio.start_server(Authority(seconds).converse, sock=listening, backlog=1024)
    async with server:
        await asyncio.to_thread(sys.stdin.read)  # until the parent process ends


if __name__ == "__main__":
    options = json.loads(sys.stdin.readline())
    asyncio.run(serve(socket.socket(fileno=options["listens_on"]), options["seconds"]))
