"""Scopes of OAuth applications and permanent tokens, with a description of each."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

FIXED: dict[str, Any] = {
    "integrations:read": _("See which integrations you have, and whether you are signed in"),
    "integrations:revoke": _("Revoke your sign-ins at other services"),
    "tokens:read": _("Read your access tokens for services that it may use, if an administrator allows it"),
    "subflows:run": _("Run subflows for you, and see their results"),
    "remote-tables:read": _("Read remote tables as you"),
}
LEAST = "integrations:read"  # granted if a client requests no scope

AllScopes = Callable[[], Mapping[str, Any]]
# The scopes that a user may use now, and so may grant; only those among the given names, if there are any.
ScopesOfUser = Callable[[Any, "Iterable[str] | None"], Mapping[str, Any]]
_sources: list[tuple[AllScopes, ScopesOfUser]] = []


def add_source(all_scopes: AllScopes, scopes_of_user: ScopesOfUser) -> None:
    """Register the scopes of another app, which this one must not know. Called anew at each use.

    `all_scopes` returns that app's scopes; `scopes_of_user` decides which of those and of the fixed ones a user has.
    """
    if (all_scopes, scopes_of_user) not in _sources:
        _sources.append((all_scopes, scopes_of_user))


def all_scopes() -> dict[str, Any]:
    """Every scope, with its description for the person who grants it."""
    return {**FIXED, **{scope: words for source, _of_user in _sources for scope, words in source().items()}}


def of(user: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The scopes that this user has now, with descriptions; only those among `names`, if given."""
    granted = {scope: words for _all, of_user in _sources for scope, words in of_user(user, names).items()}
    return {scope: words for scope, words in granted.items() if names is None or scope in names}


def in_words(scopes: list[str]) -> list[str]:
    descriptions = all_scopes()
    return [str(descriptions.get(scope, scope)) for scope in scopes]
