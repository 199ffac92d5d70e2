"""Ends calls of the proxy that run on after their sign-in or the program's token has ended, or the integration is off.

A stream may last for hours, but admission is asked before it begins. So a thread of each web process asks again, four
times a second, for all streams that it has: one statement for each alias. If the database doesn't answer, they run on
until it does.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Set
from contextlib import suppress

from django.db import InterfaceError, OperationalError
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

from accounts.access_tokens.models import PermanentToken
from foundation import database
from foundation.error_boundary import error_boundary
from foundation.oauth_client import transport
from integrations.connections import renewal

INTERVAL = 0.25  # seconds; a busy process needs some more, and a stream has to end within a second


def end_revoked_streams() -> None:
    """End the streams of this process whose tokens are gone, or whose owners may not use the integration any more.

    A program whose own token has ended loses its streams as well.
    """
    streams, of_programs = defaultdict(list), defaultdict(list)
    now = time.monotonic()
    for flow in transport.running_streams():
        if flow.subject and now - flow.began_at >= INTERVAL:  # most calls are over by then
            alias, token_id, program = flow.subject
            streams[alias].append((token_id, flow))
            if program:
                of_programs[program].append(flow)
    for alias, pairs in streams.items():
        admitted = renewal.admitted_tokens(alias, {token_id for token_id, _flow in pairs})
        for token_id, flow in pairs:
            if token_id not in admitted:
                flow.interrupt()
    for program in ended_programs(of_programs.keys()):
        for flow in of_programs[program]:
            flow.interrupt()


def ended_programs(programs: Set[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those whose permanent token has ended, or whose application has no living token of the user any more.

    A program is a user id and `Rights.counted_as`. Sends no statement if there is none.
    """
    if not programs:
        return set()
    secret_ids = {name.partition(" ")[2] for _user_id, name in programs if name.startswith("token ")}
    tokens = PermanentToken.objects.alive().filter(pk__in=secret_ids).values_list("user_id", "pk")
    living = {(user_id, f"token {pk}") for user_id, pk in tokens}
    user_ids, names = {user_id for user_id, _name in programs}, {name for _user_id, name in programs}
    of_clients = {"user__in": user_ids, "application__client_id__in": names}
    for rows in (
        get_access_token_model().objects.filter(expires__gt=timezone.now(), **of_clients),
        get_refresh_token_model().objects.filter(revoked=None, **of_clients),
    ):
        living |= set(rows.values_list("user_id", "application__client_id"))
    return set(programs - living)


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
