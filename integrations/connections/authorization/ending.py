"""The way out: gone here when the call returns, and the provider is going to be told."""

from django.utils import timezone

from accounts.models import User
from integrations.connections import endings, tasks
from integrations.connections.endings import Ending, NotAllEnded
from integrations.models.events import EventKind
from integrations.models.registry import Alias
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    Token,
    TokenQuerySet,
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
    why = Ending(reason=reason, event=event, by_the_person=by_the_person)
    return next(iter(ended(Token.objects.of(user, credential), why)), None)


def end_all(tokens: TokenQuerySet, *, reason: str, detail: str) -> int:
    """Sign-ins that somebody else ends: an administrator, or the end of what they were for. How many there were.

    `detail` is what their owners read.
    """
    return len(ended(tokens, Ending(reason=reason, detail=detail)))


def ended(tokens: TokenQuerySet, why: Ending) -> list[Revocation | None]:
    """One for each token; the provider hears of them as soon as they are committed."""
    found: list[Revocation | None] = []
    for promised in endings.end(tokens, why):
        tasks.hurry_all(promised)
        found += promised
    if why.left:
        raise NotAllEnded(why.left)
    return found


def cancel(user: User, alias: Alias) -> None:
    """The sign-ins under way for this alias are not wanted any more; a late answer finds them closed."""
    attempts = AuthorizationAttempt.objects.under_way().filter(user=user, credential=alias.effective_credential)
    attempts.update(status=AttemptStatus.CANCELLED, finished_at=timezone.now())


def retry_revocation(user: User, alias: Alias) -> None:
    """Start over with the promises that the provider did not confirm."""
    for revocation in unkept(user, alias):
        if revocation.start_over():
            tasks.hurry(revocation)


def dismiss(user: User, alias: Alias) -> None:
    """Off the card. The promise itself is still pursued."""
    for revocation in unkept(user, alias):
        revocation.dismissed_at = timezone.now()
        revocation.save(update_fields=["dismissed_at"])


def unkept(user: User, alias: Alias) -> list[Revocation]:
    return list(Revocation.objects.visible().filter(user=user, credential=alias.effective_credential))
