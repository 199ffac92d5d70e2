"""A process that reads tokens, one after the other: `-m benchmarks.readers CONTESTANT PEOPLE`.

Fills an empty database, prints how many statements each reading takes, and then, for each line with a list of people,
lets every reading read one token of each of them and prints how long one read took. The contestant is a module with
`fill` and `readings`; runs in Keyrack's Python and in that of the peers.
"""

import importlib
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks import filling
from benchmarks.filling import Reading


def statements(reading: Reading, numbers: Sequence[int]) -> int:
    """Return how many SQL statements the second read takes, for a user object without cached permissions."""
    for user in people(numbers):
        reading.read(user, 0)
    (user, *_) = people(numbers)
    with CaptureQueriesContext(connection) as queries:
        reading.read(user, 1)
    return len(queries)


def seconds(reading: Reading, numbers: Sequence[int]) -> list[float]:
    """Return the median of wall time and of CPU time. The median ignores other load of the machine."""
    durations = [timed(reading, user) for user in people(numbers)]
    return [statistics.median(each) for each in zip(*durations, strict=True)]


def timed(reading: Reading, user: Any) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.thread_time()
    reading.read(user, user.pk % filling.PROVIDERS)
    return time.perf_counter() - began, time.thread_time() - began_cpu


def people(numbers: Sequence[int]) -> list[Any]:
    """Return user objects as requests have them, without cached permissions."""
    names = [f"person-{number}" for number in numbers]
    return list(get_user_model().objects.filter(username__in=names))


def main(contestant: Any, count: int) -> None:
    call_command("migrate", verbosity=0)
    contestant.fill(count)
    filling.settled()
    readings: list[Reading] = contestant.readings()
    print(json.dumps({each.name: statements(each, [0]) for each in readings}), flush=True)
    for line in sys.stdin:
        numbers, in_turn = json.loads(line), random.sample(readings, len(readings))
        print(json.dumps({each.name: seconds(each, numbers) for each in in_turn}), flush=True)


if __name__ == "__main__":
    django.setup()
    main(importlib.import_module(sys.argv[1]), int(sys.argv[2]))
