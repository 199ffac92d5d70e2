"""Started beside the demo, to end its processes when the demo itself is killed before it can.

Reads the leaders of their groups from a pipe, one number a line. The pipe closes when the demo is gone, however it
went; "done" before that says that nothing is left to end. Runs as a script, alone: it imports nothing of ours.
"""

import contextlib
import os
import signal
import sys
import time

PATIENCE = 5.0


def main() -> None:
    told = [line.strip() for line in sys.stdin]
    if "done" in told:
        return
    groups = [int(line) for line in told]
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
