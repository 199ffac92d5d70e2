"""A third party for the proxy: small, large, slow, and a sink. A process of its own; keeps up with hundreds at once.

GET /small.json    a hundred bytes            GET /giant?bytes=N    so many, in pieces
GET /large.bin     1 MiB                      PUT /sink             takes everything, says how much
GET /slow          after 200 ms                 GET /events           an event a second, until the caller leaves
"""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import running

SMALL, LARGE = json.dumps({"name": "Ada", "notes": "x" * 70}).encode(), bytes(1 << 20)
SLOW_SECONDS = 0.2
PIECE = bytes(1 << 18)
EVENT = b"event: progress\ndata: " + b"x" * 100 + b"\n\n"


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            method, target, _version = head.split(b"\r\n", 1)[0].decode().split()
            if method == "PUT":
                await answer(writer, str(await swallowed(reader, head)).encode())
            elif target == "/events":
                await tell_events(writer)
            elif target.startswith("/giant"):
                await pour(writer, int(target.partition("=")[2]))
            else:
                await asyncio.sleep(SLOW_SECONDS if target == "/slow" else 0)
                await answer(writer, LARGE if target == "/large.bin" else SMALL)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    writer.write(body)
    await writer.drain()


async def pour(writer: asyncio.StreamWriter, left: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % left)
    while left:
        writer.write(PIECE[:left])
        left -= len(PIECE[:left])
        await writer.drain()


async def tell_events(writer: asyncio.StreamWriter) -> None:
    """Send server-sent events, one a second."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
        await writer.drain()
        await asyncio.sleep(1)


async def swallowed(reader: asyncio.StreamReader, head: bytes) -> int:
    (length_header,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    left = length = int(length_header.partition(b":")[2])
    while left:
        left -= len(await reader.read(min(left, 1 << 18)))
    return length


@contextmanager
def asked() -> Iterator[str]:
    """Run a third party in its own process, and yield its address."""
    listening = running.listening_socket()
    host, port = listening.getsockname()
    with running.server([sys.executable, "-m", "benchmarks.serving.third_party"], listening, {}, "/small.json"):
        yield f"http://{host}:{port}"


async def serve(listening: socket.socket) -> None:
    listening.listen(1024)
    server = await asyncio.start_server(converse, sock=listening, backlog=1024, limit=1 << 18)
    async with server:
        await asyncio.to_thread(sys.stdin.read)  # until the parent process ends


if __name__ == "__main__":
    options = json.loads(sys.stdin.readline())
    asyncio.run(serve(socket.socket(fileno=options["listens_on"])))
