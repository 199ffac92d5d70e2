"""Many people, tokens and aliases: does each kind of work cost the same as with few?

    python3 -m benchmarks scale [--people 100000] [--tokens 10] [--aliases 5000] [--workers 2] [--database postgres|URL]
                                [--quick]

A small site (a hundred people, ten tokens each) and a large one do the same work. Counts decide: as many statements, no
sequential scan of the tokens; times are told beside them, each the median of five. Then one run of each of so many
worker processes renews tokens at a provider that takes 50 ms. Exits with 1 if a count fails. Plans are read on
PostgreSQL only.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import authority, report, setting
from benchmarks.setting import Child, Place

PROGRAM = "benchmarks.scaled"
SMALL = (100, 10, 50)
PROVIDER_SECONDS = 0.05
DUE = 5000
MARGIN = 2  # statements of which a work may need more
COUNTS_ALL = ("kill switch: numbers",)  # of one registry, in one statement, for the audit log


@contextmanager
def filled(place: Place, sizes: Sequence[int], server: authority.Client, processes: int = 1) -> Iterator[list[Child]]:
    """Processes of a site with so many people, tokens of each, and aliases."""
    site = setting.site(PROGRAM, place, server.url)
    with ExitStack() as stack:
        children = []
        for _ in range(processes):
            children.append(Child([sys.executable, "-W", "ignore", "-m", PROGRAM], site.environment))
            stack.callback(children[-1].end)
        ask(children[0], "fill", *sizes)
        yield children


def ask(child: Child, *words: object) -> Any:
    child.tell(*words)
    return child.answer()


def renew_together(children: Sequence[Child], count: int) -> tuple[int, float]:
    """Make so many tokens due, and let each process run once. Returns how many were renewed, in how many seconds."""
    ask(children[0], "make_due", count)
    began = time.perf_counter()
    for child in children:
        child.tell("renew")
    for child in children:
        child.answer()
    seconds = time.perf_counter() - began
    return ask(children[0], "count_renewed"), seconds


def compare(small: list[dict[str, Any]], large: list[dict[str, Any]]) -> list[dict[str, object]]:
    return [
        {
            "work": after["work"],
            "statements": f"{before['statements']} → {after['statements']}",
            "buffers": f"{before['buffers']} → {after['buffers']}",
            "ms": f"{before['milliseconds']} → {after['milliseconds']}",
            "tokens read": ", ".join(after["scans"]) or "few, by index",
            "": "" if is_constant(before, after) else "**fails**",
        }
        for before, after in zip(small, large, strict=True)
    ]


def is_constant(before: dict[str, Any], after: dict[str, Any]) -> bool:
    reads_few = "sequential" not in after["scans"] or after["work"] in COUNTS_ALL
    return after["statements"] <= before["statements"] + MARGIN and reads_few


def main(arguments: list[str]) -> None:
    parser = setting.options("The same work with few and with many rows")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=10, help="of each person")
    parser.add_argument("--aliases", type=int, default=2000)
    parser.add_argument("--due", type=int, default=DUE, help="tokens that each worker has to renew")
    parser.add_argument("--workers", type=int, default=1, help="processes that renew at the same time")
    chosen = parser.parse_args(arguments)
    sizes = SMALL if chosen.quick else (chosen.people, chosen.tokens, chosen.aliases)
    is_well = True
    with authority.asked(seconds=PROVIDER_SECONDS) as server, setting.places(chosen.database or ["postgres"]) as places:
        for place in places:
            with filled(place, SMALL, server) as children:
                small = ask(children[0], "measure")
            with filled(place, sizes, server, chosen.workers) as children:
                large = ask(children[0], "measure")
                renewed, seconds = renew_together(children, 20 if chosen.quick else chosen.due * chosen.workers)
            rows = compare(small, large)
            is_well = is_well and not any(row[""] for row in rows)
            report.say(
                f"Many tokens on {place.name}",
                rows,
                people=sizes[0],
                tokens=sizes[0] * sizes[1],
                aliases=sizes[2],
                workers=chosen.workers,
                renewed=f"{renewed} in {seconds:.1f} s",
                **{"renewed an hour": round(renewed / seconds * 3600)},
            )
    sys.exit(0 if is_well or chosen.quick else 1)  # of a small table, PostgreSQL scans all
