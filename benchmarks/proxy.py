"""The proxy beside nginx: small answers, a megabyte, a slow third party, and a gigabyte's memory.

    python3 -m benchmarks proxy [--database sqlite|postgres|URL] [--server granian|gunicorn] [--quick]

nginx passes the same requests on to the same third party, without authentication or tokens. If it is not installed
(Debian: nginx-light), Keyrack is compared with direct calls to the third party.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import requests

from benchmarks import hammering, report, setting
from benchmarks.hammering import Load, Rate
from benchmarks.serving import nginx, third_party
from benchmarks.setting import KEYRACK, Place
from tests.servers.served import COMMANDS, Served

API = "/api/v1/integrations/northwind/proxy"
CONNECTIONS, WAITING = 16, 100
DIRECT, NGINX, OURS = "no proxy", "nginx", "**Keyrack**"
Rounds = Sequence[dict[str, Rate]]


@dataclass(frozen=True, kw_only=True)
class Size:
    people: int = 1000
    rounds: int = 5
    seconds: float = 5.0
    giant: int = 1 << 30


QUICK = Size(people=50, rounds=1, seconds=1.0, giant=64 << 20)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The addresses of all servers, and the programs' tokens."""

    direct: str
    through_nginx: str
    ours: Served
    patient: Served  # ours, with 64 threads in each process
    tokens: list[str]


def main(arguments: list[str]) -> None:
    parser = setting.options("The proxy beside nginx")
    parser.add_argument("--server", choices=COMMANDS, default="granian")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database) as places:
        for place in places:
            place_and_server = f"on {place.name}, {chosen.server}"
            with ExitStack() as stack:
                scene = set_up(stack, place, size, chosen.server)
                speak_of_speed(scene, size, place_and_server)
                speak_of_waiting(scene, size, place_and_server)
                report.say(f"Memory {place_and_server}", list(memory(scene, size.giant)))


def set_up(stack: ExitStack, place: Place, size: Size, server: str) -> Scene:
    direct = stack.enter_context(third_party.asked())
    through_nginx = ""
    if nginx.is_here():
        direct, through_nginx = stack.enter_context(nginx.running(direct))
    site = setting.site(KEYRACK, place, direct, pool=16)
    people = site.ask_of("fillers", "benchmarks.serving.filled", str(size.people))
    ours, patient = (
        stack.enter_context(Served(server, place.folder, site.environment, workers=2, threads=threads))
        for threads in (4, 64)
    )
    tokens = [token for _person, token, _permanent in people]
    return Scene(direct=direct, through_nginx=through_nginx, ours=ours, patient=patient, tokens=tokens)


def load(scene: Scene, who: str, path: str, **how: int | float) -> Load:
    """Return the load of one path through one proxy."""
    if who in (DIRECT, NGINX):
        url = scene.direct if who == DIRECT else scene.through_nginx
        return Load(url=url, requests=[(path, "")], **how)  # type: ignore[arg-type]  # connections are whole
    calls = [(f"{API}{path}", token) for token in scene.tokens]
    url = scene.patient.url if path == "/slow" else scene.ours.url
    return Load(url=url, requests=calls, **how)  # type: ignore[arg-type]


def speak_of_speed(scene: Scene, size: Size, place_and_server: str) -> None:
    who = [DIRECT, *([NGINX] if scene.through_nginx else []), OURS]
    for what, path in (("Small answers", "/small.json"), ("1 MiB", "/large.bin")):
        loads = {each: load(scene, each, path, connections=CONNECTIONS, seconds=size.seconds) for each in who}
        rounds = measured(loads, size.rounds)
        facts = {"connections": CONNECTIONS, "processes": "2 × 4 threads", "rounds": size.rounds}
        report.say(f"{what} {place_and_server}", list(rows(rounds, who[-2])), **facts)


def measured(loads: dict[str, Load], count: int) -> Rounds:
    for each in loads.values():
        hammering.hammer(each)  # warm
    rounds = []
    for _ in range(count):
        in_turn = random.sample(list(loads), len(loads))
        rounds.append({name: hammering.hammer(loads[name]) for name in in_turn})
    return rounds


def rows(rounds: Rounds, unit: str) -> Iterator[dict[str, object]]:
    for name in sorted(rounds[0], key=[DIRECT, NGINX, OURS].index):
        ratio = statistics.median(each[name].a_second / max(each[unit].a_second, 1) for each in rounds)
        yield {
            "who": name,
            "requests a second": round(statistics.median(each[name].a_second for each in rounds)),
            f"÷ {unit}": report.times(ratio, 1),
            "p50 ms": f"{statistics.median(each[name].p50 for each in rounds):.1f}",
            "errors": sum(each[name].errors for each in rounds),
        }


def speak_of_waiting(scene: Scene, size: Size, place_and_server: str) -> None:
    ideal = WAITING / third_party.SLOW_SECONDS
    loads = {OURS: load(scene, OURS, "/slow", connections=WAITING, seconds=size.seconds)}
    rate = statistics.median(each[OURS].a_second for each in measured(loads, size.rounds))
    table = [
        {"who": "ideal: clients ÷ 200 ms", "requests a second": round(ideal), "÷ ideal": report.times(1, 1)},
        {"who": OURS, "requests a second": round(rate), "÷ ideal": report.times(rate, ideal)},
    ]
    report.say(
        f"A third party that takes 200 ms {place_and_server}", table, clients=WAITING, processes="2 × 64 threads"
    )


def memory(scene: Scene, size: int) -> Iterator[dict[str, object]]:
    """Yield how much the memory of the site's largest process grows."""
    headers = {"Authorization": f"Bearer {scene.tokens[0]}"}
    url = f"{scene.ours.url}{API}"
    before = scene.ours.peak_memory()
    with requests.get(f"{url}/giant?bytes={size}", headers=headers, stream=True, timeout=600) as answer:
        came = sum(map(len, answer.iter_content(1 << 20)))
    yield {"direction": "down", "MiB": came >> 20, "grown by MiB": (scene.ours.peak_memory() - before) >> 20}
    answer = requests.put(f"{url}/sink", data=Sized(size), headers=headers, timeout=600)
    yield {"direction": "up", "MiB": int(answer.text) >> 20, "grown by MiB": (scene.ours.peak_memory() - before) >> 20}


class Sized:
    """A generated body of known length, never whole in memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        piece = bytes(1 << 18)
        return iter([piece] * (self.size // len(piece)))
