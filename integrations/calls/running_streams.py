"""Ends calls of the proxy that run on after their sign-in has ended, or after the integration was turned off.

A stream may last for hours, but admission is asked before it begins. So a thread of each web process asks again, four
times a second, for all streams that it has: one statement for each alias. If the database doesn't answer, they run on
until it does.
"""

import os
import threading
import time
from collections import defaultdict
from contextlib import suppress

from django.db import InterfaceError, OperationalError

from foundation import database
from foundation.error_boundary import error_boundary
from foundation.oauth_client import transport
from integrations.connections import renewal

INTERVAL = 0.25  # seconds; a busy process needs some more, and a stream has to end within a second


def end_revoked_streams() -> None:
    """End the streams of this process whose tokens are gone, or whose owners may not use the integration any more."""
    streams = defaultdict(list)
    now = time.monotonic()
    for flow in transport.running_streams():
        if flow.subject and now - flow.began_at >= INTERVAL:  # most calls are over by then
            alias, token_id = flow.subject
            streams[alias].append((token_id, flow))
    for alias, pairs in streams.items():
        admitted = renewal.admitted_tokens(alias, {token_id for token_id, _flow in pairs})
        for token_id, flow in pairs:
            if token_id not in admitted:
                flow.interrupt()


def watch_streams() -> None:
    while True:
        time.sleep(INTERVAL)
        with error_boundary("Ending revoked streams"):
            with suppress(OperationalError, InterfaceError):
                end_revoked_streams()
            database.release_connection()


def start_watching() -> None:
    """Start the thread of this process. A process that is forked from it starts one of its own."""
    start_thread()
    os.register_at_fork(after_in_child=start_thread)


def start_thread() -> None:
    threading.Thread(target=watch_streams, name="revoked streams", daemon=True).start()
