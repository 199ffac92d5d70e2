"""Every exception of ours says what happened, also one that is raised without arguments."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import sentinel

import pytest

import accounts
import config
import foundation
import integrations
from foundation.exceptions import Explained
from foundation.oauth_client.errors import Unreachable
from integrations import flows
from integrations.models import SubflowRun

ENDED = SimpleNamespace(code="expired", failure_code="expired")  # a failure, or a sign-in that has ended
EXAMPLES: dict[str, Any] = {"code": "expired", "sentence": "", "seconds": 3, "left": []}
EXAMPLES |= {
    "needed": ["tokens:read"],
    "missing": ["tokens:read"],
    "changes": [{"path": "scopes"}],
    "failure": ENDED,
    "attempt": ENDED,
    "run": SubflowRun(name="x", status="failed", error_code="timeout"),
}


STARTS_SOMETHING = ("config.gunicorn", "config.wsgi")  # when it is imported: settings of a server, threads


def exception_classes() -> Iterator[type[Exception]]:
    for package in (accounts, config, foundation, integrations):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in module.name or module.name.startswith(STARTS_SOMETHING):
                continue
            for each in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(each) and issubclass(each, Exception) and each.__module__ == module.name:
                    yield each


CLASSES = sorted({*exception_classes()} - {Explained}, key=lambda each: (each.__module__, each.__name__))


def with_as_little_as_possible(kind: type[Exception]) -> Exception:
    """An instance with only those arguments that it can't be made without."""
    if not inspect.isfunction(kind.__init__):
        return kind()
    signature = inspect.signature(kind)
    required = [
        each for each in signature.parameters.values()
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
    ]  # fmt: skip
    values = {each.name: EXAMPLES.get(each.name, getattr(sentinel, each.name)) for each in required}
    named = {each.name: values[each.name] for each in required if each.kind is each.KEYWORD_ONLY}
    return kind(*(values[each.name] for each in required if each.name not in named), **named)


def test_the_walk_finds_our_exceptions() -> None:
    assert {flows.NotAvailable, Unreachable} <= set(CLASSES)
    assert len(CLASSES) > 50


@pytest.mark.django_db
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_an_exception_has_a_message(kind: type[Exception]) -> None:
    assert str(with_as_little_as_possible(kind)).strip()
