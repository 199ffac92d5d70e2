"""What a program can be allowed to do here, in words. The same list for OAuth applications and permanent tokens."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

FIXED: dict[str, Any] = {
    "integrations:read": _("See which integrations you have, and whether you are signed in"),
    "integrations:revoke": _("Revoke your sign-ins at other services"),
    "tokens:read": _("Read your access tokens of services it may use, where an administrator allows it"),
    "subflows:run": _("Run subflows for you, and see how they went"),
    "remote-tables:read": _("Read remote tables as you"),
}
LEAST = "integrations:read"  # what is given to who asks for nothing

_sources: list[Callable[[], Mapping[str, Any]]] = []


def add_source(source: Callable[[], Mapping[str, Any]]) -> None:
    """More scopes than the fixed ones, read anew each time: another app's rows, which this one must not know."""
    if source not in _sources:
        _sources.append(source)


def all_scopes() -> dict[str, Any]:
    """Each scope and what it means to the person who grants it."""
    return {**FIXED, **{scope: words for source in _sources for scope, words in source().items()}}


def in_words(scopes: list[str]) -> list[str]:
    known = all_scopes()
    return [str(known.get(scope, scope)) for scope in scopes]
