"""Two thousand sign-ins end at once: how fast is the provider told?

    python3 -m benchmarks mass_revocation [--database sqlite|postgres|URL] [--threads 50] [--quick]

The provider takes 50 ms for each call, so no more than threads ÷ 50 ms calls a second are possible. Keyrack's draining
is compared with that limit, and with a bare loop of the same HTTP client on as many threads.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import authority, report, setting
from benchmarks.setting import Child, Place

CONTESTANT = "benchmarks.revoking"
PROVIDER_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Size:
    revocations: int = 2000
    rounds: int = 3


QUICK = Size(revocations=20, rounds=1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of draining once, and of a bare loop with as many calls."""

    calls: int
    confirmed: int
    seconds: float
    bare_seconds: float


def revoke(place: Place, size: Size, threads: int) -> list[Outcome]:
    with authority.asked(seconds=PROVIDER_SECONDS) as server:
        site = setting.site(CONTESTANT, place, server.url)
        with site.running("revokers", str(threads)) as child:
            return [once(child, server, size) for _ in range(size.rounds)]


def once(child: Child, server: authority.Client, size: Size) -> Outcome:
    before = server.calls("/revoke")
    child.tell("drain", size.revocations)
    seconds, confirmed = child.answer()
    calls = server.calls("/revoke") - before
    child.tell("bare", calls)
    return Outcome(calls=calls, confirmed=confirmed, seconds=seconds, bare_seconds=child.answer()[0])


def rows(outcomes: Sequence[Outcome], threads: int) -> list[dict[str, object]]:
    bare = statistics.median(each.calls / each.bare_seconds for each in outcomes)
    limit, keyrack = threads / PROVIDER_SECONDS, statistics.median(each.calls / each.seconds for each in outcomes)
    rates = {"limit: threads ÷ 50 ms": limit, "bare loop of the same HTTP client": bare, "**Keyrack**": keyrack}
    return [
        {
            "who": name,
            "calls a second": round(rate),
            "÷ limit": report.times(rate, limit),
            "÷ bare loop": report.times(rate, bare),
        }
        for name, rate in rates.items()
    ]


def main(arguments: list[str]) -> None:
    parser = setting.options("Two thousand revocations at a provider that takes 50 ms")
    parser.add_argument("--threads", type=int, default=50)
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database) as places:
        for place in places:
            outcomes = revoke(place, size, chosen.threads)
            report.say(
                f"Mass revocation on {place.name}",
                rows(outcomes, chosen.threads),
                revocations=size.revocations,
                kept=report.spread([each.confirmed // number for number, each in enumerate(outcomes, 1)]),
                calls=report.spread([each.calls for each in outcomes]),
                threads=chosen.threads,
                rounds=size.rounds,
            )
