"""A process of `benchmarks.scale`: `-m benchmarks.scaled`.

For each line of JSON: ["fill", people, tokens of each, aliases] stores rows; ["measure"] does each kind of work and
tells its statements, milliseconds, buffers and scans of tokens; ["make_due", count] stores so many tokens that are due;
["renew"] is one run of a worker; ["count_renewed"] says how many of the due ones were renewed.
"""

import importlib
import json
import sys

import django


def main() -> None:
    scaling = importlib.import_module("benchmarks.scaling")
    works = {name: getattr(scaling, name) for name in ("fill", "measure", "make_due", "renew", "count_renewed")}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(works[name](*arguments)), flush=True)


if __name__ == "__main__":
    django.setup()
    main()
