"""Long streams through the proxy, and how long everybody else waits meanwhile.

    python3 -m benchmarks streams [--database sqlite|postgres|URL] [--quick]

The streams are server-sent events, one a second. Meanwhile `/healthz` and tokens are asked for at a constant rate at
the web processes. The streams go through the web processes themselves, and through their own (decision 62).
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from urllib.parse import urlsplit

import requests

from benchmarks import report, setting
from benchmarks.serving import third_party
from benchmarks.setting import KEYRACK, Place
from tests.servers.served import Served

API = "/api/v1/integrations/northwind"
BEGINNING = 5.0  # seconds until all streams must have begun


@dataclass(frozen=True, kw_only=True)
class Size:
    streams: Sequence[int] = (200, 500)
    seconds: float = 15.0
    a_second: int = 40  # questions of each kind


QUICK = Size(streams=(20,), seconds=2.0)


@dataclass(kw_only=True)
class Waited:
    """Milliseconds of each question, sorted, and how many were not answered with 200."""

    durations: list[float]
    errors: int

    def text(self) -> str:
        p50, p99 = (self.durations[int(len(self.durations) * share)] for share in (0.5, 0.99))
        return f"{p50:.0f} / {p99:.0f}" + (f", {self.errors} of {len(self.durations)} refused" if self.errors else "")


@dataclass(frozen=True, kw_only=True)
class Scene:
    site: Served
    streams: Served
    tokens: list[str] = field(repr=False)


def main(arguments: list[str]) -> None:
    chosen = setting.options("Streams through the proxy").parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database) as places:
        for place in places:
            with ExitStack() as stack:
                facts = {"streams": "2 × 256 threads", "site": "2 × 64 threads", "seconds": size.seconds}
                report.say(f"Streams on {place.name}", rows(set_up(stack, place, max(size.streams)), size), **facts)


def set_up(stack: ExitStack, place: Place, people: int) -> Scene:
    site = setting.site(KEYRACK, place, stack.enter_context(third_party.asked()), pool=16)
    filled = site.ask_of("fillers", "benchmarks.serving.filled", str(people))
    served = [
        stack.enter_context(Served("granian", place.folder, site.environment, workers=2, threads=threads))
        for threads in (64, 256)
    ]
    return Scene(site=served[0], streams=served[1], tokens=[token for _person, token, _permanent in filled])


def rows(scene: Scene, size: Size) -> list[dict[str, object]]:
    trials = [
        ("nothing", scene.site, 0),
        *((f"{count} at their process", scene.streams, count) for count in size.streams),
    ]
    return [
        row(scene, size, *trial) for trial in [*trials, (f"{size.streams[0]} at the site", scene.site, size.streams[0])]
    ]


def row(scene: Scene, size: Size, what: str, holder: Served, count: int) -> dict[str, object]:
    before, tokens = holder.memory(), scene.tokens
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        held: Future[Counter[str]] | None = None
        if count:
            held = pool.submit(hold, f"{holder.url}{API}/proxy/events", tokens[:count], BEGINNING + size.seconds + 2)
            time.sleep(BEGINNING)
        asked = [pool.submit(ask, f"{scene.site.url}{path}", tokens, size) for path in ("/healthz", f"{API}/token/")]
        health, token = (each.result() for each in asked)
        grown = holder.memory() - before
        seen = held.result() if held else Counter()
    time.sleep(3)  # until the servers have noticed that the callers left
    return {
        "streams": what,
        "begun": seen["begun"],
        "broken off": seen["broken off"],
        "events": seen["events"],
        "`/healthz` p50 / p99 ms": health.text(),
        "`token/` p50 / p99 ms": token.text(),
        "MiB more": grown >> 20,
    }


def ask(url: str, tokens: Sequence[str], size: Size) -> Waited:
    """Ask at a constant rate. A question that comes late because of the one before counts from when it was due."""
    durations, errors, began = [], 0, time.monotonic()
    with requests.Session() as session:
        for number in range(int(size.seconds * size.a_second)):
            due = began + number / size.a_second
            time.sleep(max(0.0, due - time.monotonic()))
            headers = {"Authorization": f"Bearer {random.choice(tokens)}"}
            errors += session.get(url, headers=headers, timeout=60).status_code != 200
            durations.append((time.monotonic() - due) * 1000)
    return Waited(durations=sorted(durations), errors=errors)


def hold(url: str, tokens: Sequence[str], seconds: float) -> Counter[str]:
    """Hold a stream for each token. Counts those that began, those that broke off, and their events."""
    return asyncio.run(hold_all(url, tokens, seconds))


async def hold_all(url: str, tokens: Sequence[str], seconds: float) -> Counter[str]:
    seen: Counter[str] = Counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(hold_one(url, token, seen) for token in tokens))
    return seen


async def hold_one(url: str, token: str, seen: Counter[str]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    if b" 200 " not in await reader.readline():
        return
    seen["begun"] += 1
    while line := await reader.readline():
        seen["events"] += line.startswith(b"data:")
    seen["broken off"] += 1
