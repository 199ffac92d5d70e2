"""`python3 -m benchmarks NAME [options]`: finds a Python that has the packages, then runs the benchmark."""

import importlib
import sys

from config import bootstrap

NAMES = (
    "stampede",
    "token_read",
    "mass_revocation",
    "http",
    "proxy",
    "walks",
    "census",
    "scale",
    "hosts",
    "streams",
    "capacity",
    "start",
)


def main(arguments: list[str]) -> None:
    if arguments[:1] not in [[name] for name in NAMES]:
        sys.exit(f"Which one? python3 -m benchmarks {'|'.join(NAMES)} [--help]")
    bootstrap.enter("test")
    importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
