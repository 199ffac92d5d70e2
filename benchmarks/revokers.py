"""A process that delivers revocations: `-m benchmarks.revokers CONTESTANT THREADS`.

For each line ["drain", count] it creates and delivers so many revocations; for each line ["bare", count] it makes so
many calls with the same HTTP client and nothing else. Prints seconds, and confirmed revocations so far.
"""

import importlib
import json
import sys
import time
from typing import Any

import django
from django.core.management import call_command


def main(contestant: Any, threads: int) -> None:
    call_command("migrate", verbosity=0)
    contestant.prepare()
    for line in sys.stdin:
        what, count = json.loads(line)
        if what == "drain":
            contestant.promise(count)
        began = time.perf_counter()
        contestant.drain(threads) if what == "drain" else contestant.bare(threads, count)
        print(json.dumps([time.perf_counter() - began, contestant.kept()]), flush=True)


if __name__ == "__main__":
    django.setup()
    main(importlib.import_module(sys.argv[1]), int(sys.argv[2]))
