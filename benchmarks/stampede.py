"""Two hundred callers want one expired token at the same moment: how often is the provider called?

    python3 -m benchmarks stampede [--database sqlite|postgres|URL] [--quick] [--only keyrack]

Each contestant, in its ordinary documented use, in four processes with fifty threads, against an authorization server
that takes 100 ms, rotates refresh tokens and revokes everything when a spent one comes back.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import authority, report, setting
from benchmarks.setting import KEYRACK, Place, Site

CONTESTANTS = {
    "Keyrack": KEYRACK,
    "Keyrack's `renewal.current`": "benchmarks.keyrack_current",
    "django-esi": "benchmarks.peers.django_esi",
    "django-allauth + requests-oauthlib": "benchmarks.peers.allauth",
    "social-auth-app-django": "benchmarks.peers.social_auth",
    "requests-oauthlib": "benchmarks.peers.requests_oauthlib",
    "Authlib": "benchmarks.peers.authlib",
}
PROVIDER_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Size:
    processes: int = 4
    threads: int = 50
    rounds: int = 3


QUICK = Size(processes=2, threads=2, rounds=1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of one stampede. `working`: share of callers whose token the provider accepts afterwards."""

    refresh_calls: int
    seconds: list[float]
    errors: Counter[str]
    working: float
    is_alive: bool

    @property
    def share_of_errors(self) -> float:
        return self.errors.total() / len(self.seconds)


def stampede(contestant: str, place: Place, size: Size) -> Outcome:
    with authority.asked(seconds=PROVIDER_SECONDS) as server:
        site = setting.site(contestant, place, server.url)
        site.ask("callers", "prepare", authority.FIRST_REFRESH_TOKEN)
        results = herd(site, size)
        refresh_calls = server.calls("/token")
        tokens = Counter(token for _seconds, token, _error in results if token)
        working = sum(count for token, count in tokens.items() if server.admits(token))
        return Outcome(
            refresh_calls=refresh_calls,
            seconds=[seconds for seconds, _token, _error in results],
            errors=Counter(error for _seconds, _token, error in results if error),
            working=working / len(results),
            is_alive=bool(server.renew(site.ask("callers", "stored"))),
        )


def herd(site: Site, size: Size) -> list[tuple[float, str, str]]:
    """Start all callers at once. Returns seconds, token and error of each."""
    with ExitStack() as stack:
        arguments = ("call", str(size.threads))
        children = [stack.enter_context(site.running("callers", *arguments)) for _ in range(size.processes)]
        for child in children:
            assert child.answer() == "ready"
        for child in children:
            child.tell("go")
        return [(seconds, token, error) for child in children for seconds, token, error in child.answer()]


def row(name: str, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return a row of the table, over all rounds: medians of times and shares, range of calls."""
    alive = sum(outcome.is_alive for outcome in outcomes)
    middle = [statistics.median(outcome.seconds) for outcome in outcomes]
    slowest = [max(outcome.seconds) for outcome in outcomes]
    return {
        "contestant": name,
        "refresh calls": report.spread([outcome.refresh_calls for outcome in outcomes]),
        "callers with an error": f"{statistics.median(outcome.share_of_errors for outcome in outcomes):.1%}",
        "callers whose token works afterwards": f"{statistics.median(outcome.working for outcome in outcomes):.1%}",
        "connection afterwards": "alive"
        if alive == len(outcomes)
        else f"dead in {len(outcomes) - alive} of {len(outcomes)}",
        "p50 ÷ provider": report.times(statistics.median(middle), PROVIDER_SECONDS),
        "max ÷ provider": report.times(statistics.median(slowest), PROVIDER_SECONDS),
    }


def contest(names: Sequence[str], place: Place, size: Size) -> dict[str, list[Outcome]]:
    """Run all contestants in each round, so that a slower machine affects all alike."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    for _ in range(size.rounds):
        for name in names:
            outcomes[name].append(stampede(CONTESTANTS[name], place, size))
    return outcomes


def main(arguments: list[str]) -> None:
    parser = setting.options("One expired token, two hundred callers")
    parser.add_argument("--only", action="append", metavar="CONTESTANT", choices=CONTESTANTS, help="may be repeated")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    with setting.places(chosen.database) as places:
        for place in places:
            outcomes = contest(chosen.only or list(CONTESTANTS), place, size)
            report.say(
                f"Stampede on {place.name}",
                [row(name, results) for name, results in outcomes.items()],
                callers=size.processes * size.threads,
                processes=size.processes,
                rounds=size.rounds,
            )
            for name, results in outcomes.items():
                errors = sum((outcome.errors for outcome in results), Counter[str]())
                print(
                    f"- {name}: {', '.join(f'{error} {count}' for error, count in errors.most_common()) or 'no error'}"
                )
    print(f"\nPeers: {report.versions_of_peers()}")
