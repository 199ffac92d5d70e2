"""The kill switch: every sign-in at one provider ends here at once, and the provider is told as fast as it can bear.

Written down before the first one ends, so that whoever stops it half-way has done so on record. Safe to run again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.connections.endings.batches import Ending, Promised, cancel, end
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import (
    AttemptQuerySet,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
    TokenQuerySet,
)

REASON = "kill_switch"


@dataclass(frozen=True, kw_only=True)
class Target:
    """All that one provider granted: to everybody and to the system, or to one person."""

    registry: ApplicationRegistry
    user: User | None = None

    def tokens(self) -> TokenQuerySet:
        found = Token.objects.filter(credential__profile__registry=self.registry)
        return found.filter(user=self.user) if self.user else found

    def attempts(self) -> AttemptQuerySet:
        found = AuthorizationAttempt.objects.filter(registry=self.registry)
        return found.filter(user=self.user) if self.user else found


@dataclass(frozen=True, kw_only=True)
class Count:
    """What there is to end."""

    tokens: int
    people: int
    shared: int  # of the tokens: the system's own
    locked: int  # those whose key is not set
    attempts: int

    @property
    def is_empty(self) -> bool:
        return not (self.tokens or self.attempts)


@dataclass(kw_only=True)
class Tally:
    """What has been ended, and what of it the provider is going to hear."""

    tokens: int = 0
    attempts: int = 0
    promised: int = 0
    unreadable: list[str] = field(default_factory=list)  # whose tokens live on there, and nobody can say which they are
    told_by: datetime | None = None
    left: int = 0  # that a fault of ours kept from being ended

    def add(self, promised: Promised) -> None:
        for revocation in filter(None, promised):
            if revocation.last_answer == "unreadable":
                self.unreadable.append(str(revocation))
            if revocation.next_attempt_at:
                self.promised, self.told_by = self.promised + 1, revocation.next_attempt_at


def count(target: Target) -> Count:
    owners = list(target.tokens().values_list("user", flat=True))
    return Count(
        tokens=len(owners),
        people=len(set(owners) - {None}),
        shared=sum(owner is None for owner in owners),
        locked=sum(token.cannot_be_opened for token in target.tokens().iterator()),
        attempts=target.attempts().unfinished().count(),
    )


def pull(target: Target, *, by: str, per_second: float, note: Callable[[Tally], None]) -> Tally:
    """End all of it, and tell `note` after every step. `by`: who did it, for the diary."""
    found, tally = count(target), Tally()
    events.write(target.user, None, EventKind.KILL_SWITCH, on_record(target, found, by))
    detail = _("together with others at %(provider)s, by an administrator") % {"provider": target.registry.name}
    why = Ending(reason=REASON, detail=detail, moments=moments(target.registry, per_second))
    for promised in cancel(target.attempts(), why):
        tally.attempts += len(promised)
        tally.add(promised)
        note(tally)
    for promised in end(target.tokens(), why):
        tally.tokens += len(promised)
        tally.add(promised)
        note(tally)
    tally.left = len(why.left)
    return tally


def on_record(target: Target, found: Count, by: str) -> str:
    names = {"provider": target.registry.name, "tokens": found.tokens, "people": found.people, "by": by}
    return _("%(provider)s: %(tokens)d sign-ins, %(people)d people, by %(by)s") % names


def moments(registry: ApplicationRegistry, per_second: float) -> Iterator[datetime]:
    """So many a second, from now on; after those that wait already, if an earlier run left any."""
    gap = timedelta(seconds=1 / per_second)
    waiting = Revocation.objects.filter(
        registry=registry, reason=REASON, state=RevocationState.PENDING, attempts=0
    ).aggregate(last=Max("next_attempt_at"))["last"]
    moment = max(timezone.now(), waiting + gap) if waiting else timezone.now()
    while True:
        yield moment
        moment += gap
