"""How much work and room the evaluation of an expression may take: steps, characters and seconds.

What builds a value takes its price from the budget first. Thread-safe and nested: the evaluation of a whole structure
shares one budget, and `until` ends everything inside, such as all expressions of a run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _

from integrations.expressions.errors import LARGEST, BadExpression, too_large

MOST_STEPS = 3_000_000  # visited nodes, items of new lists, compared values
MOST_CHARACTERS = 32 * LARGEST  # of all texts that are built on the way
LONGEST = 10.0  # seconds
SCANNED_AT_ONCE = 256  # characters of a text that cost one step to look through
ITEMS_AT_ONCE = 16  # of a list, likewise
WALKED_AT_ONCE = 10_000  # values between two looks at the clock

_ends_at: ContextVar[float | None] = ContextVar("expressions_end_at", default=None)
_current: ContextVar["Budget | None"] = ContextVar("expression_budget", default=None)


class Budget:
    """Raises `BadExpression` when it is used up."""

    def __init__(self) -> None:
        self.steps, self.characters = MOST_STEPS, MOST_CHARACTERS
        ends_at = _ends_at.get()
        self.ends_at = monotonic() + LONGEST if ends_at is None else min(monotonic() + LONGEST, ends_at)

    def take(self, steps: int = 1, *, characters: int = 0) -> None:
        self.steps -= steps
        self.characters -= characters
        if self.steps < 0 or self.characters < 0:
            raise too_large()
        if monotonic() > self.ends_at:
            raise BadExpression(_("The expression takes too long with what was found."))


@contextmanager
def spending() -> Iterator[Budget]:
    """The budget of the evaluation that is under way, or that begins here."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    budget = Budget()
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)


def take(steps: int = 1, *, characters: int = 0) -> None:
    """From the budget of the evaluation that is under way, if there is one."""
    budget = _current.get()
    if budget is not None:
        budget.take(steps, characters=characters)


@contextmanager
def until(ends_at: float) -> Iterator[None]:
    """Evaluations that begin inside end at this moment of `time.monotonic()`. Never extends an outer end."""
    outer = _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


def walk(given: Any, *, limit: int = LARGEST) -> None:
    """Pay for a visit to each value in a JSON structure, as often as it is named, before somebody makes it.

    Raises once there are more than `limit` values and characters: ten small lists can name a large one a million times
    over.
    """
    values, characters, waiting = 0, 0, [given]
    while waiting:
        found = waiting.pop()
        values += 1
        if isinstance(found, str):
            characters += len(found)
        elif isinstance(found, list | dict):
            if len(found) + len(waiting) > limit:
                raise too_large()
            waiting.extend(found.values() if isinstance(found, dict) else found)
            characters += sum(len(str(name)) for name in found) if isinstance(found, dict) else 0
        if values + characters > limit:
            raise too_large()
        if values % WALKED_AT_ONCE == 0:
            take(WALKED_AT_ONCE)
    take(values % WALKED_AT_ONCE + characters // SCANNED_AT_ONCE)


def compare(left: Any, right: Any) -> None:
    """Pay for finding out whether two values are equal, or which comes first."""
    if isinstance(left, str) and isinstance(right, str):
        take(min(len(left), len(right)) // SCANNED_AT_ONCE + 1)
    elif type(left) is type(right) and isinstance(left, list | dict):
        walk(left)
    else:
        take()


def find(wanted: Any, within: Any) -> None:
    """Pay for `wanted in within`."""
    if isinstance(wanted, list | dict) and isinstance(within, list):
        walk(within)
    else:
        take(1 if isinstance(within, dict) else price_of_scanning(within))


def price_of_scanning(found: Any) -> int:
    """Steps to go once through a text or over the items of a list or object, without looking into these."""
    if isinstance(found, str):
        return len(found) // SCANNED_AT_ONCE + 1
    return len(found) // ITEMS_AT_ONCE + 1 if isinstance(found, list | dict) else 1
