"""Ends the demo's child processes if the demo itself is killed.

Reads the ids of their process groups from a pipe, one per line. The pipe closes when the demo ends, in whatever way;
"done" before that means that no children are left. Runs as a script and imports nothing of ours.
"""

import contextlib
import os
import signal
import sys
import time

PATIENCE = 5.0


def main() -> None:
    lines = [line.strip() for line in sys.stdin]
    if "done" in lines:
        return
    groups = [int(line) for line in lines]
    for number in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGTERM)
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at and any(alive(group) for group in groups):
        time.sleep(0.1)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
