"""Scopes of OAuth applications and permanent tokens, with a description of each."""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

FIXED: dict[str, Any] = {
    "integrations:read": _("See which integrations you have, and whether you are signed in"),
    "integrations:revoke": _("Revoke your sign-ins at other services"),
    "tokens:read": _("Read your access tokens for services that it may use, if an administrator allows it"),
    "subflows:run": _("Run subflows for you, and see their results"),
    "remote-tables:read": _("Read remote tables as you"),
    "service:*": _("Use all your integrations as you, also those that you are given later"),
}
ADMINISTRATION_SCOPE = "administration"
# Only for tokens of administrators. Never of an application password, which replaces the second step.
ADMINISTRATION: dict[str, Any] = {ADMINISTRATION_SCOPE: _("Administer this site as you")}
LEAST = "integrations:read"  # granted if a client requests no scope
SERVICE = "service:"  # and the name of one integration
EVERY_SERVICE = "service:*"

# All scopes that exist now, or at most so many; only those among the given names, if there are any.
AllScopes = Callable[["Collection[str] | None", int | None], Mapping[str, Any]]
# The scopes that a user may use now, and so may grant; only those among the given names, if there are any.
ScopesOfUser = Callable[[Any, "Iterable[str] | None"], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """An integration that a program may use, as the form for its scopes shows it."""

    scope: str
    title: str
    is_connected: bool


ServicesOfUser = Callable[[Any, "Collection[str] | None"], list[Service]]  # only of these scopes, if any are given
_service_sources: list[ServicesOfUser] = []
_sources: list[tuple[AllScopes, ScopesOfUser]] = []


def add_source(all_scopes: AllScopes, scopes_of_user: ScopesOfUser) -> None:
    """Register the scopes of another app, which this one must not know. Called anew at each use.

    `all_scopes` returns that app's scopes; `scopes_of_user` decides which of those and of the fixed ones a user has.
    """
    if (all_scopes, scopes_of_user) not in _sources:
        _sources.append((all_scopes, scopes_of_user))


def administration_of(user: Any, _names: Iterable[str] | None = None) -> dict[str, Any]:
    """The scope to administer, if this user is an administrator."""
    return ADMINISTRATION if user.is_active and user.is_staff else {}


def add_services(services_of_user: ServicesOfUser) -> None:
    """Register the integrations of another app, by which its scopes are chosen."""
    if services_of_user not in _service_sources:
        _service_sources.append(services_of_user)


def all_scopes(names: Collection[str] | None = None, most: int | None = None) -> dict[str, Any]:
    """The scopes that exist now, with descriptions for the person who grants them; only those among `names`, if given.

    `most`: of how many integrations. Without both, all active integrations are read: never do that for a call.
    """
    of_sources = [source(names, most) for source, _of_user in _sources]
    existing = {**FIXED, **{scope: words for each in of_sources for scope, words in each.items()}}
    return {scope: words for scope, words in existing.items() if names is None or scope in names}


def scopes_of(user: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The scopes that this user has now, with descriptions; only those among `names`, if given."""
    granted = {scope: words for _all, of_user in _sources for scope, words in of_user(user, names).items()}
    return {scope: words for scope, words in granted.items() if names is None or scope in names}


@dataclass(frozen=True, eq=False)
class SharedScopes(Set[str]):
    """Some scopes, and those of each integration that all these users may use now.

    Whether a scope is among them is asked of this integration alone; an iteration reads all.
    """

    named: frozenset[str]
    users: tuple[Any, ...]
    _from_iterable = frozenset  # what `&` and `|` return

    def __contains__(self, scope: object) -> bool:
        if scope in self.named:
            return True
        return (
            isinstance(scope, str)
            and is_service(scope)
            and all(scope in scopes_of(user, [scope]) for user in self.users)
        )

    def __iter__(self) -> Iterator[str]:
        first, *others = ({name for name in scopes_of(user) if is_service(name)} for user in self.users)
        return iter(self.named.union(first.intersection(*others)))

    def __len__(self) -> int:
        return sum(1 for _scope in self)


def for_passwords(user: Any) -> dict[str, Any]:
    """The scopes that an application password of this user may have. It can't administer."""
    return {name: words for name, words in scopes_of(user).items() if name not in ADMINISTRATION}


def allows_scope(granted: Container[str], scope: str) -> bool:
    """Whether these scopes allow what the scope allows."""
    return scope in granted or (scope.startswith(SERVICE) and EVERY_SERVICE in granted)


def is_service(scope: str) -> bool:
    """Whether it is the scope of one integration."""
    return scope.startswith(SERVICE) and scope != EVERY_SERVICE


def service_names(scopes: Iterable[str]) -> list[str]:
    """The names of the integrations whose scopes are among these."""
    return [scope.removeprefix(SERVICE) for scope in scopes if is_service(scope)]


def services_of(user: Any, names: Iterable[str] | None = None) -> list["Service"]:
    """The user's integrations; only those behind scopes among `names`, if given. Connected ones come first."""
    scopes = None if names is None else {name for name in names if is_service(name)}
    if scopes is not None and not scopes:
        return []
    services = [service for source in _service_sources for service in source(user, scopes)]
    return [service for service in services if scopes is None or service.scope in scopes]


class Reach(models.TextChoices):
    """How many integrations a program may call as the person."""

    NONE = "none", pgettext_lazy("integrations", "None")
    ALL = "all", _("All my integrations")
    SELECTED = "selected", _("Only selected")


def scopes_within(chosen: Iterable[str], reach: str) -> list[str]:
    """The scopes that these ticks and this reach amount to. Without a reach, the ticks alone count."""
    if reach not in Reach.values:
        return list(chosen)
    others = [scope for scope in chosen if not scope.startswith(SERVICE)]
    services = {Reach.ALL: [EVERY_SERVICE], Reach.SELECTED: [scope for scope in chosen if is_service(scope)]}
    return others + services.get(Reach(reach), [])


def within_rank(user: Any, requested: Iterable[str]) -> list[str]:
    """The requested scopes without that to administer, if this user is no administrator.

    It would do nothing now. But a program must not get it on the day on which the user becomes one.
    """
    allowed = administration_of(user)
    return [scope for scope in requested if scope not in ADMINISTRATION or scope in allowed]


def granted_scopes(user: Any, requested: list[str], reach: str, *, ticked: Iterable[str]) -> list[str]:
    """The requested scopes that the user grants: all, or of the integrations only the ticked ones, or none.

    An authorization server may grant fewer scopes than requested (RFC 6749 §3.3).
    """
    requested = within_rank(user, requested)
    if reach not in (Reach.NONE, Reach.SELECTED):
        return requested
    others = [scope for scope in requested if not scope.startswith(SERVICE)]
    chosen = [scope for scope in ticked if is_service(scope)] if reach == Reach.SELECTED else []
    offered = all_scopes(chosen) if EVERY_SERVICE in requested else requested
    return others + [scope for scope in offered if scope in chosen]


def without_declined(approved: Iterable[str], declined: Collection[str]) -> set[str]:
    """The scopes approved earlier that remain after these were declined.

    Declining all integrations removes every single one, declining a single one removes all.
    """
    if EVERY_SERVICE in declined:
        return {scope for scope in approved if not scope.startswith(SERVICE)} - set(declined)
    includes_services = any(map(is_service, declined))
    return set(approved) - set(declined) - ({EVERY_SERVICE} if includes_services else set())


def in_words(scopes: list[str]) -> list[str]:
    descriptions = all_scopes(scopes)
    return [str(descriptions.get(scope, scope)) for scope in scopes]
