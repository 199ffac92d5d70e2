"""A process that fills an empty database and prints the result as JSON: `-m benchmarks.fillers MODULE COUNT`."""

import importlib
import json
import sys

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    print(json.dumps(importlib.import_module(sys.argv[1]).fill(int(sys.argv[2]))))
