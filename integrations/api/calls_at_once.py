"""Limit of the calls that one program has under way at once, so that it cannot take all threads of a process.

A call that a third party answers holds a thread until its response ends, which may be hours for a stream. Each process
counts for itself, since it is its own threads that are scarce; nothing is asked over the network. A program is counted
for each person, as in `KnownCalls`; all programs and sessions of a person together may have half as many again.
"""

from collections import defaultdict
from collections.abc import Callable
from threading import Lock

from django.conf import settings
from django.http import HttpResponseBase
from rest_framework.exceptions import Throttled

from accounts.api.permissions import Rights, counted_program
from accounts.models import User
from integrations import metrics

RETRY_AFTER = 5  # seconds; nobody knows when a stream ends
_running: defaultdict[str, set[object]] = defaultdict(set)  # calls under way, by program and by person
_lock = Lock()


class TooManyAtOnce(Throttled):
    """The program, or the person, has as many calls under way as they may."""

    def __init__(self, sentence: str) -> None:
        super().__init__(detail=f"{sentence} Try again when one has ended.")
        self.wait = RETRY_AFTER


def limit_at_once(user: User, rights: Rights | None, respond: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Return the response of `respond`. Raises `TooManyAtOnce`.

    The call counts as under way until the response is closed; if that has an attribute `call_when_over`, until the
    response calls it.
    """
    end_call = begin_call(user, rights)
    try:
        response = respond()
    except BaseException:
        end_call()
        raise
    if hasattr(response, "call_when_over"):
        response.call_when_over = end_call
    elif response.streaming:
        response._resource_closers.append(end_call)  # type: ignore[attr-defined]  # called by `close`
    else:
        end_call()
    return response


def begin_call(user: User, rights: Rights | None) -> Callable[[], None]:
    """Count a call; returns a function that ends it. Raises `TooManyAtOnce`."""
    call, limit = object(), settings.API_CALLS_AT_ONCE
    program, person = counted_program(user, rights), f"{user.pk}"
    with _lock:
        sentence = find_excess(program, person, limit) if limit else ""
        if not sentence:
            _running[program].add(call)
            _running[person].add(call)
    if sentence:
        metrics.count_refusal_at_once()
        raise TooManyAtOnce(sentence)

    def end_call() -> None:
        with _lock:
            for key in (program, person):
                _running[key].discard(call)
                if not _running[key]:
                    del _running[key]

    return end_call


def find_excess(program: str, person: str, limit: int) -> str:
    """What has reached its limit, in a sentence; "" if nothing has."""
    if len(_running.get(program, ())) >= limit:
        return f"This program has {limit} calls under way, as many as it may."
    if len(_running.get(person, ())) >= limit + limit // 2:
        return f"The programs of this person have {limit + limit // 2} calls under way, as many as they may."
    return ""
