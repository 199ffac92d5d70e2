"""A person's token over HTTP, with all that the product does on the way, beside what a project would write first.

    python3 -m benchmarks http [--database sqlite|postgres|URL] [--server granian|gunicorn] [--quick]

Sixteen connections, two processes of four threads that serve. In each round all are hammered for some seconds in random
order; the ratio is taken in each round, then the middle one.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import hammering, report, setting
from benchmarks.hammering import Load, Rate
from benchmarks.setting import KEYRACK, Place
from tests.servers.served import COMMANDS, Served

PEER = "benchmarks.serving.settings"
API = "/api/v1/integrations/northwind"
CONNECTIONS = 16
UNIT = "a plain view with one ORM get, no middleware, nobody asked who it is"
FRAMEWORK = "django-rest-framework with token authentication, no middleware"


@dataclass(frozen=True, kw_only=True)
class Size:
    people: int = 1000
    rounds: int = 5
    seconds: float = 5.0


QUICK = Size(people=50, rounds=1, seconds=1.0)


def main(arguments: list[str]) -> None:
    parser = setting.options("A token over HTTP")
    parser.add_argument("--server", choices=COMMANDS, default="granian")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database) as places:
        for place in places:
            rounds = measured(place, size, chosen.server)
            facts = {"connections": CONNECTIONS, "processes": "2 × 4 threads", "rounds": size.rounds}
            report.say(f"Token over HTTP on {place.name}, {chosen.server}", rows(rounds), **facts)


def measured(place: Place, size: Size, server: str) -> list[dict[str, Rate]]:
    with served(place, size, server) as loads:
        for load in loads.values():
            hammering.hammer(load)  # warm
        return [one_round(loads) for _ in range(size.rounds)]


@contextmanager
def served(place: Place, size: Size, server: str) -> Iterator[dict[str, Load]]:
    site = setting.site(KEYRACK, place)
    people = site.ask_of("fillers", "benchmarks.serving.filled", str(size.people))
    with ExitStack() as stack:
        product, peer = (
            stack.enter_context(Served(server, place.folder, {**site.environment, **more}, workers=2, threads=4)).url
            for more in ({}, {"DJANGO_SETTINGS_MODULE": PEER})
        )
        yield contestants(product, peer, people, size.seconds)


def contestants(product: str, peer: str, people: Sequence[tuple[int, str, str]], seconds: float) -> dict[str, Load]:
    targets = {
        UNIT: (peer, [(f"/plain/{person}/", "") for person, _token, _permanent in people]),
        FRAMEWORK: (peer, [("/with-authentication/", token) for _person, token, _permanent in people]),
        "**Keyrack** `token/`": (product, [(f"{API}/token/", token) for _person, token, _permanent in people]),
        "**Keyrack** `token/`, permanent token": (
            product,
            [(f"{API}/token/", permanent) for _person, _token, permanent in people],
        ),
        "**Keyrack** `token-valid/`": (product, [(f"{API}/token-valid/", token) for _person, token, _p in people]),
    }
    return {
        name: Load(url=url, requests=requests, connections=CONNECTIONS, seconds=seconds)
        for name, (url, requests) in targets.items()
    }


def one_round(loads: dict[str, Load]) -> dict[str, Rate]:
    in_turn = random.sample(list(loads), len(loads))
    return {name: hammering.hammer(loads[name]) for name in in_turn}


def rows(rounds: Sequence[dict[str, Rate]]) -> list[dict[str, object]]:
    return [
        {
            "who": name,
            "requests a second": round(statistics.median(each[name].a_second for each in rounds)),
            "÷ plain view": ratio(rounds, name, UNIT),
            "÷ django-rest-framework": ratio(rounds, name, FRAMEWORK),
            "p50 ms": f"{statistics.median(each[name].p50 for each in rounds):.1f}",
            "errors": sum(each[name].errors for each in rounds),
        }
        for name in (UNIT, FRAMEWORK, *(name for name in rounds[0] if name not in (UNIT, FRAMEWORK)))
    ]


def ratio(rounds: Sequence[dict[str, Rate]], name: str, unit: str) -> str:
    return report.times(statistics.median(each[name].a_second / max(each[unit].a_second, 1) for each in rounds), 1)
