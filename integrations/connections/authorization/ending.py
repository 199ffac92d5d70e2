"""End sign-ins: the tokens are deleted when the call returns, and their revocation at the provider is due."""

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
    """Delete the person's tokens for this alias, and create the revocation that tells the provider.

    Safe to repeat: the second time there is nothing left to do. None if there was nothing to revoke.
    """
    return end_one(user, alias, reason="revoked", event=EventKind.REVOKED, by_the_person=True)


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
    for batch in endings.end(tokens, ending):
        tasks.deliver_all_soon(batch)
        revocations += batch
    if ending.left:
        raise NotAllEnded(ending.left)
    return revocations


def cancel(user: User, alias: Alias) -> None:
    """Cancel the sign-ins under way for this alias. A late response of the provider is then ignored."""
    attempts = AuthorizationAttempt.objects.under_way().filter(user=user, credential=alias.effective_credential)
    attempts.update(status=AttemptStatus.CANCELLED, finished_at=timezone.now())


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
