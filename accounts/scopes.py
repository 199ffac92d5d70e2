"""What a program can be allowed to do here, in words. The same list for OAuth applications and permanent tokens."""

from collections.abc import Callable, Iterable, Mapping
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

Everything = Callable[[], Mapping[str, Any]]
# Those of them that a person may use now, and so give away: of these if a list is given, else of all.
Theirs = Callable[[Any, "Iterable[str] | None"], Mapping[str, Any]]
_sources: list[tuple[Everything, Theirs]] = []


def add_source(everything: Everything, theirs: Theirs) -> None:
    """Read anew each time: another app's rows and rules, which this one must not know.

    `everything` is what there is besides the fixed ones; `theirs` says which of those and the fixed ones a person has.
    """
    if (everything, theirs) not in _sources:
        _sources.append((everything, theirs))


def all_scopes() -> dict[str, Any]:
    """Each scope and what it means to the person who grants it."""
    return {**FIXED, **{scope: words for everything, _theirs in _sources for scope, words in everything().items()}}


def of(user: Any, wanted: Iterable[str] | None = None) -> dict[str, Any]:
    """What this person may do now, in the same words; among the wanted ones, if they are named."""
    found = {scope: words for _all, theirs in _sources for scope, words in theirs(user, wanted).items()}
    return {scope: words for scope, words in found.items() if wanted is None or scope in wanted}


def in_words(scopes: list[str]) -> list[str]:
    known = all_scopes()
    return [str(known.get(scope, scope)) for scope in scopes]
