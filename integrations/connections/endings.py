"""End sign-ins: one by its owner; many by an administrator, the kill switch, or because a person was deactivated.

The tokens are deleted and the audit log of their owners is written when a call returns, and the revocation at the
provider is due. Many are ended in batches: each is one transaction, short enough not to block other writers for long.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, repeat
from typing import TypeVar

from celery import shared_task
from django.db import OperationalError, connection, models, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.audit.details import register_detail
from accounts.models import User
from foundation.error_boundary import error_boundary
from integrations.connections import tasks
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import Alias
from integrations.models.tokens import (
    AttemptQuerySet,
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    Token,
    TokenQuerySet,
)

DEACTIVATED = register_detail(gettext_noop("the account was deactivated"))
AT_ONCE = 100  # rows locked together; some tenths of a second
LOCK_SECONDS = 10
PEOPLE_AT_ONCE = 100  # keeps a run short; the next run continues

Revocations = list[Revocation | None]  # None: there was nothing to revoke
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The reason why sign-ins end, and the text that their owners read."""

    reason: str
    event: EventKind = EventKind.REVOKED
    detail: str = ""
    by_the_person: bool = False
    moments: Iterator[datetime | None] = field(default_factory=lambda: repeat(None))  # when each revocation is due
    left: list[str] = field(default_factory=list)  # ids of what could not be ended


class NotAllEnded(Exception):
    """Some could not be ended because of an internal error, which the log describes. All others were ended."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(f"{len(left)} could not be ended; the log says why.")
        self.left = left


def revoke(user: User, alias: Alias) -> Revocation | None:
    """Delete the person's tokens for this alias, and create the revocation that tells the provider.

    Safe to repeat: the second time there is nothing left to do. None if there was nothing to revoke. If a sign-in under
    way cannot be cancelled, raises `NotAllEnded` after the tokens are revoked.
    """
    try:
        cancel_unfinished(user, alias, Ending(reason="revoked"))
    finally:
        revocation = end_one(user, alias, reason="revoked", event=EventKind.REVOKED, by_the_person=True)
    return revocation


def forget(user: User, alias: Alias) -> None:
    """Remove a sign-in that the provider ended."""
    end_one(user, alias, reason="forgotten", event=EventKind.FORGOTTEN, by_the_person=False)


def end_one(user: User, alias: Alias, *, reason: str, event: EventKind, by_the_person: bool) -> Revocation | None:
    credential = alias.effective_credential
    if credential is None:
        return None
    ending = Ending(reason=reason, event=event, by_the_person=by_the_person)
    return next(iter(end_tokens(Token.objects.of(user, credential), ending)), None)


def end_all(tokens: TokenQuerySet, *, reason: str, detail: str) -> int:
    """End sign-ins on behalf of their owners: by an administrator, or because the integration is gone. Returns a count.

    `detail` is what their owners read.
    """
    return len(end_tokens(tokens, Ending(reason=reason, detail=detail)))


def end_tokens(tokens: TokenQuerySet, ending: Ending) -> list[Revocation | None]:
    """End these tokens. Returns a revocation or None for each; delivery starts as soon as they are committed."""
    revocations: list[Revocation | None] = []
    for batch in end(tokens, ending):
        tasks.deliver_all_soon(batch)
        revocations += batch
    if ending.left:
        raise NotAllEnded(ending.left)
    return revocations


def cancel(user: User, alias: Alias) -> None:
    """Cancel the sign-ins under way for this alias. Tokens that the provider still sends are revoked."""
    cancel_unfinished(user, alias, Ending(reason="cancelled"))


def cancel_unfinished(user: User, alias: Alias, ending: Ending) -> None:
    attempts = AuthorizationAttempt.objects.filter(user=user, credential=alias.effective_credential)
    for batch in cancel_attempts(attempts, ending):
        tasks.deliver_all_soon(batch)
    if ending.left:
        raise NotAllEnded(ending.left)


def retry_revocation(user: User, alias: Alias) -> None:
    """Try again to deliver the revocations that the provider did not confirm."""
    for revocation in unconfirmed_revocations(user, alias):
        if revocation.start_over():
            tasks.deliver_soon(revocation)


def dismiss(user: User, alias: Alias) -> None:
    """Hide unconfirmed revocations from the card. Their delivery goes on."""
    for revocation in unconfirmed_revocations(user, alias):
        revocation.dismissed_at = timezone.now()
        revocation.save(update_fields=["dismissed_at"])


def unconfirmed_revocations(user: User, alias: Alias) -> list[Revocation]:
    return list(Revocation.objects.visible().filter(user=user, credential=alias.effective_credential))


def end(tokens: TokenQuerySet, ending: Ending, *, skip_locked: bool = False) -> Iterator[Revocations]:
    """End tokens. Yields the revocations of each batch; stopping in between leaves no token half ended.

    `skip_locked`: pass over rows that another process has locked, if the database can.
    """
    can_skip = skip_locked and connection.features.has_select_for_update_skip_locked
    rows = tokens.select_for_update(of=("self",), skip_locked=can_skip).with_registry()
    return process_in_batches(rows, lambda batch: end_batch(batch, ending), ending)


def cancel_attempts(attempts: AttemptQuerySet, ending: Ending) -> Iterator[Revocations]:
    """Cancel unfinished sign-ins. Tokens that were fetched for them and not stored are revoked.

    Raises `OperationalError` if another process holds one of the rows for longer than `LOCK_SECONDS`.
    """
    rows = attempts.unfinished().select_for_update(of=("self",))
    related = rows.select_related("user", "credential__profile__registry", "registry")
    return process_in_batches(related, lambda batch: [cancel_one(attempt, ending) for attempt in batch], ending)


def process_in_batches(
    rows: "models.QuerySet[Row]", take: Callable[[list[Row]], Revocations], ending: Ending
) -> Iterator[Revocations]:
    """Call `take` for batches of rows, each in a transaction that is committed before its result is yielded.

    If a batch fails, its rows are taken one by one; the ids of those that cannot be ended go to `ending.left`.
    """
    size = AT_ONCE
    is_full = True
    while is_full:
        revocations: Revocations | None = None
        with transaction.atomic():
            limit_lock_waits()
            batch = list(rows.exclude(pk__in=ending.left).order_by("pk")[:size])
            with error_boundary(f"Ending {len(batch)} sign-ins", expected=(OperationalError,)), transaction.atomic():
                revocations = take(batch)
        is_full = len(batch) == size or revocations is None
        if revocations is None and len(batch) > 1:
            size = 1
        elif revocations is None:
            ending.left.extend(row.pk.hex for row in batch)
            size = AT_ONCE
        elif batch:
            yield revocations


def limit_lock_waits() -> None:
    """Let this transaction wait for a row for some seconds at most. SQLite's busy timeout does the same."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def end_batch(tokens: list[Token], ending: Ending) -> Revocations:
    events.write_all(events.build_event(token.user, token.credential, ending.event, ending.detail) for token in tokens)
    return [
        token.end(reason=ending.reason, by_the_person=ending.by_the_person, not_before=next(ending.moments))
        for token in tokens
    ]


def cancel_one(attempt: AuthorizationAttempt, ending: Ending) -> Revocation | None:
    moment = next(ending.moments) if attempt.holds_answer else None
    revocation = attempt.revoke_answer(reason=ending.reason, not_before=moment)
    attempt.finish(AttemptStatus.CANCELLED, failure_code=ending.reason)
    return revocation


@shared_task(name="integrations.end_sign_ins_of_deactivated")
def end_sign_ins_of_deactivated() -> None:
    """End the sign-ins of deactivated people, whose tokens cannot be used since. Safe to repeat."""
    for batch in end_deactivated():
        tasks.deliver_all_soon(batch)


def end_deactivated_soon() -> None:
    """End the sign-ins of deactivated people without waiting for beat."""
    tasks.publish_on_commit(end_sign_ins_of_deactivated)


def end_deactivated() -> Iterator[Revocations]:
    """Cancel and end all sign-ins of deactivated people, also if their row was changed by SQL. Yields batches."""
    people = list(deactivated_with_sign_ins()[:PEOPLE_AT_ONCE])
    ending = Ending(reason="deactivated", detail=DEACTIVATED)
    cancelled = cancel_attempts(AuthorizationAttempt.objects.filter(user__in=people), ending)
    return chain(cancelled, end(Token.objects.filter(user__in=people), ending))


def deactivated_with_sign_ins() -> QuerySet[User]:
    of_user = {"user": OuterRef("pk")}
    tokens, attempts = Token.objects.filter(**of_user), AuthorizationAttempt.objects.unfinished().filter(**of_user)
    return User.objects.filter(Exists(tokens) | Exists(attempts), is_active=False)
