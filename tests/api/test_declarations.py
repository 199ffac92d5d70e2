"""Every call of the REST API says what a token needs for it, and holds to it. A new one that does not fails here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from integrations.models import Alias
from tests.api.conftest import Program

pytestmark = pytest.mark.django_db

API = "api/v1/"
DESCRIBES_ITSELF = {"api/v1/schema/", "api/v1/docs/"}  # for whoever is let in at all
OPEN = {"api/v1/leaked-tokens/"}  # for everybody
METHODS = {"get", "post", "put", "patch", "delete"}


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from addresses(pattern, route)


CALLS = {
    route: getattr(callback, "view_class", callback)
    for route, callback in addresses(get_resolver("config.urls"))
    if route.startswith(API) and route not in DESCRIBES_ITSELF
}


@pytest.fixture
def description(as_amira: Client, signed_in: Alias) -> dict[str, Any]:
    return dict(yaml.load(as_amira.get("/api/v1/schema/").content, Loader=yaml.CSafeLoader))


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield re.sub(r"{\w+}", "northwind", path), method, operation


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_is_open_says_so(route: str) -> None:
    assert CALLS[route].authentication_classes == CALLS[route].permission_classes == []


@pytest.mark.parametrize("route", sorted(CALLS.keys() - OPEN))
def test_every_view_says_what_its_methods_need(route: str) -> None:
    view = CALLS[route]
    methods = {method.upper() for method in METHODS if hasattr(view, method)}
    assert methods <= set(view.scopes), "a method without scopes"
    assert all(view.scopes.values()), "an empty list of scopes"


@pytest.mark.slow
def test_every_address_is_described(description: dict[str, Any]) -> None:
    described = {re.sub(r"{\w+}", "{}", path) for path in description["paths"]}
    asked_for = {re.sub(r"\(\?P<\w+>[^)]*\)|<(?:\w+:)?\w+>", "{}", f"/{route}").replace("^", "") for route in CALLS}
    assert asked_for == described


@pytest.mark.slow
def test_every_call_refuses_who_lacks_what_it_says(program: Program, description: dict[str, Any]) -> None:
    calls = 0
    clients = {scope: program(scope) for scope in ("integrations:read", "integrations:revoke")}
    for path, method, operation in operations(description):
        if path.removeprefix("/") in OPEN:
            continue
        needed = operation["x-required-scopes"]
        spare = "integrations:revoke" if "integrations:read" in needed else "integrations:read"
        answer = getattr(clients[spare], method)(path)
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope"), (method, path)
        assert Client().generic(method.upper(), path).status_code == 401, (method, path)
        calls += 1
    assert calls >= len(CALLS) - len(OPEN)
