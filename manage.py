#!/usr/bin/env python3
"""The only entry point: `python3 manage.py demo`, `test`, `migrate` on a fresh machine as on a server.

It knows where things are and nothing else: config/bootstrap.py finds a Python that has the packages, tests/run.py
runs the tests, demo/supervisor.py the demo, Django does the rest.
"""

import os
import sys


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  whoever starts it with an older Python is told so in words
        sys.exit("Keyrack needs Python 3.11 or newer; %s is %s." % (sys.executable, sys.version.split()[0]))  # noqa: UP031
    from config import bootstrap

    testing = sys.argv[1:2] == ["test"]
    bootstrap.enter("test" if testing else bootstrap.lock_of_site())
    if testing:
        from tests import run

        sys.exit(run.main(sys.argv[2:]))
    if sys.argv[1:2] == ["demo"]:
        from demo import supervisor

        sys.exit(supervisor.main(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        from config.failures import describe_for_operators

        if "--traceback" in sys.argv or not (sentence := describe_for_operators(error)):
            raise
        sys.exit(f"Keyrack: {sentence}")


if __name__ == "__main__":
    main()
