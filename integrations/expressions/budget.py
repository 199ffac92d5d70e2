"""Limits of an evaluation: steps, characters and seconds; and values as JSON and as text within them.

Code that builds a value charges the budget first. Thread-safe. Budgets nest: all texts of a structure share one, and
`until` sets a deadline for everything inside, such as all expressions of a run. Each error is a sentence for the
administrator who wrote the expression.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import Undefined

from foundation.exceptions import Explained

LARGEST = 1024 * 1024  # characters of one text, one body, or all outputs together


class BadExpression(Explained, ValueError):
    """The expression cannot be parsed or evaluated. The message never contains a value."""

    message = "The expression can't be evaluated."


def too_large() -> BadExpression:
    return BadExpression(_("The result is too large: at most %(size)d characters.") % {"size": LARGEST})


MOST_STEPS = 3_000_000  # visited nodes, items of new lists, compared values
MOST_CHARACTERS = 32 * LARGEST  # of all texts built, intermediate ones included
LONGEST = 10.0  # seconds
CHARACTERS_PER_STEP = 256  # to scan a text
ITEMS_PER_STEP = 16  # to scan a list
LONGEST_EXPRESSION = 20_000  # characters
VALUES_PER_CHECK = 10_000  # between two checks of the deadline

_ends_at: ContextVar[float | None] = ContextVar("expressions_end_at", default=None)
_current: ContextVar["Budget | None"] = ContextVar("expression_budget", default=None)


class Budget:
    """What is left of one evaluation's limits. `take` raises `BadExpression` when they are used up."""

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
            raise BadExpression(_("The expression takes too long with this data."))


@contextmanager
def spending() -> Iterator[Budget]:
    """Yield the current evaluation's budget; begin an evaluation if there is none."""
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
    """Charge the current evaluation's budget, if there is one."""
    budget = _current.get()
    if budget is not None:
        budget.take(steps, characters=characters)


@contextmanager
def until(ends_at: float) -> Iterator[None]:
    """Set a deadline, by `time.monotonic()`, for evaluations that begin inside. Never extends an outer deadline."""
    outer = _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


def take_for_visit(value: Any) -> None:
    """Charge for a visit to each value of a JSON structure, once for each reference to it.

    Raises `BadExpression` if values and characters together exceed `LARGEST`: ten small nested lists can refer to a
    large one a million times.
    """
    count, characters, pending = 0, 0, [value]
    while pending:
        item = pending.pop()
        count += 1
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, list | dict):
            if len(item) + len(pending) > LARGEST:
                raise too_large()
            pending.extend(item.values() if isinstance(item, dict) else item)
            characters += sum(len(str(name)) for name in item) if isinstance(item, dict) else 0
        if count + characters > LARGEST:
            raise too_large()
        if count % VALUES_PER_CHECK == 0:
            take(VALUES_PER_CHECK)
    take(count % VALUES_PER_CHECK + characters // CHARACTERS_PER_STEP)


def take_for_comparison(left: Any, right: Any) -> None:
    """Charge for comparing two values."""
    if isinstance(left, str) and isinstance(right, str):
        take(min(len(left), len(right)) // CHARACTERS_PER_STEP + 1)
    elif type(left) is type(right) and isinstance(left, list | dict):
        take_for_visit(left)
    else:
        take()


def take_for_search(item: Any, container: Any) -> None:
    """Charge for `item in container`."""
    if isinstance(item, list | dict) and isinstance(container, list):
        take_for_visit(container)
    else:
        take(1 if isinstance(container, dict) else scan_steps(container))


def scan_steps(value: Any) -> int:
    """Steps to scan a text, or the items of a list or object without descending into them."""
    if isinstance(value, str):
        return len(value) // CHARACTERS_PER_STEP + 1
    return len(value) // ITEMS_PER_STEP + 1 if isinstance(value, list | dict) else 1


def as_json(value: Any, *, separators: tuple[str, str] | None = None) -> str:
    """Serialize to JSON. The size is checked before anything is built. Raises `BadExpression`."""
    take_for_visit(value)
    try:
        text = json.dumps(value, allow_nan=False, separators=separators)
    except (TypeError, ValueError, RecursionError):
        raise BadExpression(_("The result cannot be written as JSON.")) from None
    take(characters=len(text))
    if len(text) > LARGEST:
        raise too_large()
    # Only a \ud… escape can be a lone surrogate, so most results are not encoded a second time.
    if "\\ud" in text and not is_encodable(json.dumps(value, ensure_ascii=False)):
        raise half_a_character()
    return text


def as_text(value: Any) -> str:
    """Convert a value for use within a text: "" for null, a text as it is, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)  # raises: the name is undefined
    text = value if isinstance(value, str) else as_json(value)
    if len(text) > LARGEST:
        raise too_large()
    take(characters=len(text))
    if not is_encodable(text):
        raise half_a_character()
    return text


def half_a_character() -> BadExpression:
    return BadExpression(_("The result contains half a character, which a text can’t hold."))


def is_encodable(text: str) -> bool:
    """Whether the text can be encoded as UTF-8. JSON can spell half of a surrogate pair; UTF-8 cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
