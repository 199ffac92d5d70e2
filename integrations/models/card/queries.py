"""From rows to integrations: one person's, in a fixed number of queries."""

from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from integrations.models import admission
from integrations.models.card.integration import Integration
from integrations.models.card.moved_addresses import events_about
from integrations.models.card.scopes import ScopeBook
from integrations.models.registry import Alias, AliasQuerySet
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, Token


def integrations_of(user: User) -> list[Integration]:
    """What this person's dashboard shows, by title."""
    return [row for row in assemble(user, admission.shown(user.pk, Alias.objects.personal())) if row.is_listed]


def integration_of(user: User, alias_id: UUID) -> Integration | None:
    """One integration of this person; None when it is not theirs to see."""
    rows = assemble(user, admission.shown(user.pk, Alias.objects.filter(pk=alias_id).personal()))
    return next((row for row in rows if row.is_listed), None)


def integration_named(user: User, reference: str) -> Integration | None:
    """The same by name or id, for callers, while it is turned on.

    An alias that is not theirs, or turned off, costs exactly as many queries as one that is not there.
    """
    if "\0" in reference:  # PostgreSQL refuses to be asked for such a name
        reference = ""
    rows = assemble(user, admission.admitted(user.pk, Alias.objects.named(reference).personal()))
    return rows[0] if rows else None


def under_way(attempt: AuthorizationAttempt | None) -> AuthorizationAttempt | None:
    """The sign-in begun last, while it is open. What was begun before it and never finished says nothing any more."""
    is_open = attempt and attempt.status in {AttemptStatus.PENDING, AttemptStatus.CLAIMED} and attempt.seconds_left
    return attempt if is_open else None


def has_ended(attempt: AuthorizationAttempt | None) -> AuthorizationAttempt | None:
    """The sign-in begun last, where it is over."""
    return None if under_way(attempt) else attempt


def assemble(user: User, aliases: AliasQuerySet) -> list[Integration]:
    """These personal aliases with what this person has for them; five queries for any number."""
    complete = admission.with_switches(aliases)
    rows = [(alias, credential) for alias in complete if (credential := alias.effective_credential)]
    scopes = ScopeBook({credential.profile.registry_id for _alias, credential in rows})
    tokens = {token.credential_id: token for token in Token.objects.filter(user=user).with_failed_renewals()}
    lately = timezone.now() - settings.ATTEMPT_LIFETIME
    attempts = AuthorizationAttempt.objects.filter(user=user, expires_at__gt=lately).order_by("created_at")
    latest_attempt = {attempt.credential_id: attempt for attempt in attempts}
    revocations = Revocation.objects.spoken_of().filter(user=user).order_by("created_at")
    latest_revocation = {(revocation.credential_id, revocation.is_kept): revocation for revocation in revocations}
    now = timezone.now()
    found = [
        Integration(
            alias=alias,
            credential=credential,
            token=tokens.get(credential.pk),
            attempt=under_way(latest_attempt.get(credential.pk)),
            ended=has_ended(latest_attempt.get(credential.pk)),
            revocation=latest_revocation.get((credential.pk, False)),
            settled=latest_revocation.get((credential.pk, True)),
            scopes=scopes,
            now=now,
            is_on=alias.is_on,
        )
        for alias, credential in rows
    ]
    return sorted(with_address_events(found), key=lambda row: (row.title.casefold(), row.alias.name))


def with_address_events(rows: list[Integration]) -> list[Integration]:
    """Who changed the addresses, where any were changed: one more query."""
    moved = {row.registry.pk for row in rows if row.address_changes}
    if not moved:
        return rows
    events = events_about(moved)
    return [
        replace(row, address_events=tuple(each for each in events if each.subject_id == row.registry.pk))
        for row in rows
    ]
