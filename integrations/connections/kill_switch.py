"""The kill switch: end every sign-in at one provider at once, and send the revocations at a limited rate.

The audit log has an entry before the first sign-in ends, in case the run is interrupted. Safe to run again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep

from django.db import models as db_models
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.audit.details import register_detail
from accounts.models import User
from integrations.connections.endings import Ending, Revocations, cancel_attempts, end
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
WITH_OTHERS = register_detail(gettext_noop("together with others at %(provider)s, by an administrator"))
PULLED = register_detail(gettext_noop("%(provider)s. Sign-ins: %(tokens)s, people: %(people)s, by %(by)s"))
PATIENCE, TRY_AGAIN = 30.0, 1.0  # seconds: for rows that another process has locked


@dataclass(frozen=True, kw_only=True)
class Target:
    """The sign-ins to end at one provider: all of them and the system's own, or those of one person."""

    registry: ApplicationRegistry
    user: User | None = None

    def tokens(self) -> TokenQuerySet:
        tokens = Token.objects.filter(credential__profile__registry=self.registry)
        return tokens.filter(user=self.user) if self.user else tokens

    def attempts(self) -> AttemptQuerySet:
        attempts = AuthorizationAttempt.objects.filter(registry=self.registry)
        return attempts.filter(user=self.user) if self.user else attempts


@dataclass(frozen=True, kw_only=True)
class Count:
    """The number of sign-ins to end."""

    tokens: int
    people: int
    shared: int  # of the tokens, those of the system
    locked: int  # of the tokens, those whose key is not configured
    attempts: int

    @property
    def is_empty(self) -> bool:
        return not (self.tokens or self.attempts)


@dataclass(kw_only=True)
class Tally:
    """The number of sign-ins that have been ended, and of revocations that are due."""

    tokens: int = 0
    attempts: int = 0
    revocations: int = 0
    unreadable: list[str] = field(default_factory=list)  # cannot be decrypted, and stay valid at the provider
    last_due_at: datetime | None = None  # of these revocations
    not_ended: int = 0  # sign-ins that an internal error, or a lock of another process, has kept

    def add(self, revocations: Revocations) -> None:
        for revocation in filter(None, revocations):
            if revocation.last_answer == "unreadable":
                self.unreadable.append(str(revocation))
            if revocation.next_attempt_at:
                self.revocations, self.last_due_at = self.revocations + 1, revocation.next_attempt_at


def count_sign_ins(target: Target, *, with_locked: bool = True) -> Count:
    """Count the sign-ins to end. `with_locked`: look at each token for its key, which takes a minute for a million."""
    sealed = target.tokens().only("access_token", "refresh_token", "user", "credential")
    numbers = target.tokens().aggregate(
        tokens=db_models.Count("pk"),
        people=db_models.Count("user", distinct=True),
        shared=db_models.Count("pk", filter=Q(user__isnull=True)),
    )
    return Count(
        **numbers,
        locked=sum(token.cannot_be_opened for token in sealed.iterator()) if with_locked else 0,
        attempts=target.attempts().unfinished().count(),
    )


def end_sign_ins(
    target: Target, *, by: str, per_second: float, note: Callable[[Tally], None], counted: Count | None = None
) -> Tally:
    """End all sign-ins of the target, calling `note` after each batch. `by`: the administrator, for the audit log.

    Rows that another process has locked are passed over and tried again, for half a minute at most.
    """
    counted, tally = counted or count_sign_ins(target, with_locked=False), Tally()
    events.log_event(target.user, None, EventKind.KILL_SWITCH, event_detail(target, counted, by))
    detail = WITH_OTHERS % {"provider": target.registry.name}
    ending = Ending(reason=REASON, detail=detail, moments=due_times(target.registry, per_second))
    for revocations in cancel_attempts(target.attempts(), ending):
        tally.attempts += len(revocations)
        tally.add(revocations)
        note(tally)
    give_up_at = monotonic() + PATIENCE
    while True:
        for revocations in end(target.tokens(), ending, skip_locked=True):
            tally.tokens += len(revocations)
            tally.add(revocations)
            note(tally)
        is_rest = target.tokens().exclude(pk__in=ending.left).exists()
        if not is_rest or monotonic() > give_up_at:
            break
        sleep(TRY_AGAIN)
    tally.not_ended = max(len(ending.left), target.tokens().count())
    return tally


def event_detail(target: Target, counted: Count, by: str) -> str:
    return PULLED % {"provider": target.registry.name, "tokens": counted.tokens, "people": counted.people, "by": by}


def due_times(registry: ApplicationRegistry, per_second: float) -> Iterator[datetime]:
    """Due times at this rate, from now on, or after the revocations that an earlier run has left."""
    interval = timedelta(seconds=1 / per_second)
    last_due = Revocation.objects.filter(
        registry=registry, reason=REASON, state=RevocationState.PENDING, attempts=0
    ).aggregate(last=Max("next_attempt_at"))["last"]
    moment = max(timezone.now(), last_due + interval) if last_due else timezone.now()
    while True:
        yield moment
        moment += interval
