"""The way out: gone here when the call returns, and the provider is going to be told."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from integrations import tasks
from integrations.models import diary
from integrations.models.diary import EventKind
from integrations.models.registry import Alias
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
)


def revoke(user: User, alias: Alias) -> Revocation | None:
    """The person's tokens for this alias are gone when this returns, and the provider is going to be told.

    Safe to repeat: the second time there is nothing left to do. None when there was nothing to tell.
    """
    return end(user, alias, reason="revoked", event=EventKind.REVOKED, by_the_person=True)


def forget(user: User, alias: Alias) -> None:
    """Put away a sign-in that the provider ended."""
    end(user, alias, reason="forgotten", event=EventKind.FORGOTTEN, by_the_person=False)


def end(user: User, alias: Alias, *, reason: str, event: EventKind, by_the_person: bool) -> Revocation | None:
    credential = alias.effective_credential
    if credential is None:
        return None
    with transaction.atomic():
        token = Token.objects.select_for_update(of=("self",)).of(user, credential).with_registry().first()
        if token is None:
            return None
        revocation = token.end(reason=reason, by_the_person=by_the_person)
        diary.write(user, credential, event)
        tasks.hurry(revocation)
    return revocation


def cancel(user: User, alias: Alias) -> None:
    """The sign-ins under way for this alias are not wanted any more; a late answer finds them closed."""
    attempts = AuthorizationAttempt.objects.under_way().filter(user=user, credential=alias.effective_credential)
    attempts.update(status=AttemptStatus.CANCELLED, finished_at=timezone.now())


def retry_revocation(user: User, alias: Alias) -> None:
    """Start over with the promises that the provider did not confirm."""
    for revocation in unsettled(user, alias):
        revocation.state, revocation.attempts = RevocationState.PENDING, 0
        revocation.pursued_since = revocation.next_attempt_at = timezone.now()
        revocation.save(update_fields=["state", "attempts", "pursued_since", "next_attempt_at"])
        tasks.hurry(revocation)


def dismiss(user: User, alias: Alias) -> None:
    """Off the card. The promise itself is still pursued."""
    for revocation in unsettled(user, alias):
        revocation.dismissed_at = timezone.now()
        revocation.save(update_fields=["dismissed_at"])


def unsettled(user: User, alias: Alias) -> list[Revocation]:
    return list(Revocation.objects.visible().filter(user=user, credential=alias.effective_credential))
