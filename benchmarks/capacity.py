"""What one core of a web host does: calls a second, latency, and memory. The table of docs/capacity.md.

    python3 -m benchmarks capacity [--database sqlite|postgres|URL] [--server granian|gunicorn] [--quick]

The configuration is that of docs/operations.md: two processes of 64 threads, each with a pool of 16 connections,
and Redis for the limits, if it is installed.

Calls a second and core come from the processor time of the web processes while many clients call. Latencies are those
of one client at a time; *added* is what remains without the third party's own, from a direct call in the same round.
All of it needs an idle machine: on busy cores, the same call takes several times the processor time.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks import hammering, report, setting
from benchmarks.hammering import Load, Rate
from benchmarks.serving import INTEGRATIONS, nginx, third_party
from benchmarks.setting import KEYRACK, Place
from tests.servers import machine
from tests.servers.served import COMMANDS, Served

API = "/api/v1/integrations/northwind"
PROCESSES, THREADS, POOL, CONNECTIONS = 2, 64, 16, 16
SMALL, LARGE = "/small.json", "/large.bin"
DIRECT = {"small proxied call": SMALL, "proxied call of 1 MiB": LARGE}


@dataclass(frozen=True, kw_only=True)
class Size:
    people: int = 500
    rounds: int = 5
    seconds: float = 5.0


QUICK = Size(people=20, rounds=1, seconds=1.0)


@dataclass(frozen=True, kw_only=True)
class Round:
    """One kind of call: by one client, by many, and the processor time that the site took for one call of many."""

    alone: Rate
    many: Rate
    direct: Rate | None  # the third party without Keyrack, by one client
    core_seconds: float

    @property
    def added_p50(self) -> float:
        return self.alone.p50 - (self.direct.p50 if self.direct else 0)

    @property
    def added_p99(self) -> float:
        return self.alone.p99 - (self.direct.p99 if self.direct else 0)


def main(arguments: list[str]) -> None:
    parser = setting.options("What one core does")
    parser.add_argument("--server", choices=COMMANDS, default="granian")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database or (["sqlite"] if machine.lacks("postgres") else ["postgres"])) as places:
        for place in places:
            with ExitStack() as stack:
                report_capacity(stack, place, size, chosen.server)


def report_capacity(stack: ExitStack, place: Place, size: Size, server: str) -> None:
    has_redis = not machine.lacks("redis")
    limits = {"CACHE_URL": stack.enter_context(machine.redis())} if has_redis else {}
    site, direct, people = served(stack, place, size, server, limits)
    idle = site.peak_memory()
    loads = loads_of(site.url, people, size.seconds)
    rounds = [one_round(site, direct, loads) for _ in range(size.rounds)]
    report.say(
        f"What one core does, {place.name}, {server}",
        list(rows(rounds)),
        processes=f"{PROCESSES} × {THREADS} threads",
        limits="Redis" if has_redis else "memory of each process",
        rounds=size.rounds,
        **{
            "MiB of the largest process": f"{idle >> 20} before, {site.peak_memory() >> 20} after",
            "integrations on a dashboard": INTEGRATIONS,
        },
    )


def served(
    stack: ExitStack, place: Place, size: Size, server: str, limits: dict[str, str]
) -> tuple[Served, str, list[tuple[int, str, str, str]]]:
    """The site, the address of its third party, and the people with their tokens."""
    direct = stack.enter_context(third_party.asked())
    if nginx.is_here():
        direct, _through_nginx = stack.enter_context(nginx.running(direct))
    made = setting.site(KEYRACK, place, direct, pool=POOL)
    people = made.ask_of("fillers", "benchmarks.serving.with_dashboards", str(size.people))
    environment = {**made.environment, **limits}
    site = stack.enter_context(Served(server, place.folder, environment, workers=PROCESSES, threads=THREADS))
    return site, direct, people


def loads_of(url: str, people: Sequence[tuple[int, str, str, str]], seconds: float) -> dict[str, Load]:
    """The loads by kind of call, by one client."""

    def load(path: str, column: int, header: str = "Authorization: Bearer ") -> Load:
        requests = [(path, str(person[column])) for person in people]
        return Load(url=url, requests=requests, connections=1, seconds=seconds, processes=1, header=header)

    return {
        "token read": load(f"{API}/token/", 1),
        "token read, permanent token": load(f"{API}/token/", 2),
        "small proxied call": load(f"{API}/proxy{SMALL}", 1),
        "small proxied call, permanent token": load(f"{API}/proxy{SMALL}", 2),
        "proxied call of 1 MiB": load(f"{API}/proxy{LARGE}", 1),
        "dashboard": load("/integrations/", 3, "Cookie: keyrack="),
    }


def one_round(site: Served, direct: str, loads: dict[str, Load]) -> dict[str, Round]:
    return {name: measured(site, direct, name, loads[name]) for name in random.sample(list(loads), len(loads))}


def measured(site: Served, direct: str, name: str, load: Load) -> Round:
    path = DIRECT.get(name.removesuffix(", permanent token"))
    without = hammering.hammer(replace(load, url=direct, requests=[(path, "")])) if path else None
    alone = hammering.hammer(load)
    before = site.processor_seconds()
    many = hammering.hammer(replace(load, connections=CONNECTIONS, processes=2))
    used = site.processor_seconds() - before
    return Round(alone=alone, many=many, direct=without, core_seconds=used / max(many.calls, 1))


def rows(rounds: Sequence[dict[str, Round]]) -> Iterator[dict[str, object]]:
    order = sorted(rounds[0], key=list(loads_of("", [], 0)).index)
    for name in order:
        each = [one[name] for one in rounds]
        yield {
            "what": name,
            "calls a second and core": round(1 / max(statistics.median(one.core_seconds for one in each), 1e-6)),
            "p50 ms": f"{statistics.median(one.alone.p50 for one in each):.1f}",
            "p99 ms": f"{statistics.median(one.alone.p99 for one in each):.1f}",
            "added p50 ms": f"{statistics.median(one.added_p50 for one in each):.1f}",
            "added p99 ms": f"{statistics.median(one.added_p99 for one in each):.1f}",
            f"calls a second, {CONNECTIONS} clients": round(statistics.median(one.many.a_second for one in each)),
            "errors": sum(one.alone.errors + one.many.errors for one in each),
        }
