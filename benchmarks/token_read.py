"""A valid token for this person and alias, in process: how long it takes, as multiples of one `Model.objects.get()`.

    python3 -m benchmarks token_read [--database sqlite|postgres|URL] [--rows 10000] [--quick] [--only-keyrack]

So many tokens in Keyrack's database, and as many in that of each peer; ten for each person, of 1000 characters. In each
round every reading reads the tokens of the same randomly chosen people; the middle one of its reads counts.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import report, setting
from benchmarks.setting import KEYRACK, Child, Place

PEERS = "benchmarks.peers.reading"
ROWS = (10_000, 1_000_000)
EACH = 10  # tokens of one person


@dataclass(frozen=True, kw_only=True)
class Size:
    rounds: int = 15
    reads: int = 100  # of each reading in each round


QUICK = Size(rounds=3, reads=10)


class Reader:
    """A process with a filled database of its own."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.statements: dict[str, int] = child.answer()

    def seconds(self, people: Sequence[int]) -> dict[str, list[float]]:
        """Return wall time and CPU time of one read, by reading."""
        self.child.tell(*people)
        read: dict[str, list[float]] = self.child.answer()
        return read


@contextmanager
def readers(contestants: Sequence[str], place: Place, people: int) -> Iterator[list[Reader]]:
    """Start the readers. They fill their databases at the same time."""
    with ExitStack() as stack:
        sites = [setting.site(contestant, place) for contestant in contestants]
        children = [stack.enter_context(site.running("readers", str(people))) for site in sites]
        yield [Reader(child) for child in children]


def measured(processes: Sequence[Reader], people: int, size: Size) -> list[dict[str, list[float]]]:
    """Return the seconds per read of every reading, by round. Processes take turns."""
    rounds = []
    for _ in range(size.rounds):
        chosen = random.sample(range(people), min(size.reads, people))
        in_turn = random.sample(list(processes), len(processes))
        rounds.append({name: each for reader in in_turn for name, each in reader.seconds(chosen).items()})
    return rounds


def rows_of(processes: Sequence[Reader], rounds: Sequence[dict[str, list[float]]]) -> list[dict[str, object]]:
    """Return the table: the median over the rounds of each round's ratio."""
    statements = {name: count for reader in processes for name, count in reader.statements.items()}
    unit = next(iter(statements))
    return [
        {
            "reading": name,
            "SQL": count,
            f"÷ {unit}": report.times(statistics.median(each[name][0] / each[unit][0] for each in rounds), 1),
            "its CPU": report.times(statistics.median(each[name][1] / each[unit][1] for each in rounds), 1),
            "µs": round(statistics.median(each[name][0] for each in rounds) * 1e6),
        }
        for name, count in statements.items()
    ]


def main(arguments: list[str]) -> None:
    parser = setting.options("Token read in process, as multiples of one ORM get")
    parser.add_argument("--rows", action="append", type=int, help="how many tokens; may be repeated")
    parser.add_argument(
        "--only-keyrack", action="store_true", help="without peers; fills the database in half the time"
    )
    chosen = parser.parse_args(arguments)
    size, sizes = (QUICK, [1000]) if chosen.quick else (Size(), ROWS)
    with setting.places(chosen.database) as places:
        for place in places:
            for count in chosen.rows or sizes:
                read(place, count, size, [KEYRACK] if chosen.only_keyrack else [KEYRACK, PEERS])


def read(place: Place, count: int, size: Size, contestants: Sequence[str]) -> None:
    with readers(contestants, place, count // EACH) as processes:
        rounds = measured(processes, count // EACH, size)
        table = rows_of(processes, rounds)
    report.say(f"Token read on {place.name}, {count:,} rows", table, rounds=size.rounds, reads=size.reads)
