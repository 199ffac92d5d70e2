"""Queries for one person's integrations: a fixed number, however many there are."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import BigIntegerField, CharField, Exists, OuterRef, Q, QuerySet, UUIDField
from django.utils import timezone

from accounts.models import User
from accounts.scopes import SERVICE, Service
from foundation.database import CompiledQuery, Slot
from integrations.models import admission
from integrations.models.card.integration import Integration
from integrations.models.card.moved_addresses import events_about
from integrations.models.card.scopes import ScopeBook
from integrations.models.card.search import sort_key
from integrations.models.registry import Alias, AliasQuerySet
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, Token

PERSON = Slot("person", BigIntegerField())
ALIAS_ID, ALIAS_NAME = Slot("id", UUIDField()), Slot("name", CharField())


def all_visible() -> AliasQuerySet:
    return admission.annotate_switches(admission.filter_visible(PERSON, Alias.objects.personal()))


def one_visible() -> AliasQuerySet:
    return admission.annotate_switches(admission.filter_visible(PERSON, Alias.objects.filter(pk=ALIAS_ID).personal()))


def one_admitted_by_name() -> AliasQuerySet:
    named = Alias.objects.filter(name=ALIAS_NAME)
    return admission.annotate_switches(admission.filter_admitted(PERSON, named.personal()))


def one_admitted_by_id() -> AliasQuerySet:
    named = Alias.objects.filter(Q(name=ALIAS_NAME) | Q(pk=ALIAS_ID))
    return admission.annotate_switches(admission.filter_admitted(PERSON, named.personal()))


def columns_of_listed() -> "QuerySet[Alias, Any]":
    has_token = Exists(Token.objects.filter(user_id=PERSON, credential=OuterRef("effective_id")))
    return all_visible().filter(Q(is_on=True) | has_token).values_list("pk", "label", "name")


@cache
def statement_for(aliases: Callable[[], Any], _rules: tuple[admission.Rule, ...]) -> CompiledQuery:
    """The compiled statement, cached by the rules of admission that are part of it."""
    return CompiledQuery(aliases)


def aliases_by(aliases: Callable[[], AliasQuerySet], user: User, **values: object) -> list[Alias]:
    return statement_for(aliases, tuple(admission.RULES)).instances(person=user.pk, **values)


def integrations_of(user: User, scopes: Collection[str] | None = None) -> list[Integration]:
    """Return the integrations on this person's dashboard, by title; only those with these scopes, if any are given."""
    if scopes is None:
        rows = build_from(user, aliases_by(all_visible, user))
    else:
        rows = build_integrations(user, admission.filter_visible(user.pk, admission.aliases_of(scopes).personal()))
    return [row for row in rows if row.is_listed]


def listed_ids(user: User) -> list[UUID]:
    """Return the ids of their aliases, in the same order, without building them."""
    listed = statement_for(columns_of_listed, tuple(admission.RULES)).rows(person=user.pk)
    rows = sorted(listed, key=lambda row: sort_key(row[1] or row[2], row[2]))
    return [pk for pk, _label, _name in rows]


def integrations_among(user: User, alias_ids: Sequence[UUID]) -> list[Integration]:
    """Return these of the integrations on this person's dashboard, by title."""
    aliases = admission.filter_visible(user.pk, Alias.objects.filter(pk__in=alias_ids).personal())
    return [row for row in build_integrations(user, aliases) if row.is_listed]


def services_of(user: User, scopes: Collection[str] | None = None) -> list[Service]:
    """Return the integrations that this person may let programs use, the connected ones first; of these scopes only."""
    rows = [row for row in integrations_of(user, scopes) if row.is_on]
    services = [
        Service(scope=f"{SERVICE}{row.alias.name}", title=row.title, is_connected=row.section == "my") for row in rows
    ]
    return sorted(services, key=lambda service: not service.is_connected)


def integration_of(user: User, alias_id: UUID) -> Integration | None:
    """Return one integration of this person; None if they may not see it."""
    rows = build_from(user, aliases_by(one_visible, user, id=alias_id))
    return next((row for row in rows if row.is_listed), None)


def integration_named(user: User, reference: str) -> Integration | None:
    """Return one integration by name or id, for callers, if it is turned on.

    A forbidden or inactive alias takes exactly as many queries as a missing one, so that time doesn't tell them apart.
    """
    if not reference.isprintable():  # no database is asked for null characters or lone surrogates
        reference = ""
    alias_id = id_in(reference)
    if alias_id:
        aliases = aliases_by(one_admitted_by_id, user, name=reference, id=alias_id)
    else:
        aliases = aliases_by(one_admitted_by_name, user, name=reference)
    return next(iter(build_from(user, aliases)), None)


def under_way(attempt: AuthorizationAttempt | None) -> AuthorizationAttempt | None:
    """Return the latest sign-in if it is open. Earlier ones don't count, finished or not."""
    is_open = attempt and attempt.status in {AttemptStatus.PENDING, AttemptStatus.CLAIMED} and attempt.seconds_left
    return attempt if is_open else None


def has_ended(attempt: AuthorizationAttempt | None) -> AuthorizationAttempt | None:
    """Return the latest sign-in if it is over."""
    return None if under_way(attempt) else attempt


def build_integrations(user: User, aliases: AliasQuerySet) -> list[Integration]:
    """Build integrations of these personal aliases for this person. Five queries for any number."""
    return build_from(user, admission.annotate_switches(aliases))


def build_from(user: User, aliases: Iterable[Alias]) -> list[Integration]:
    """Build integrations of aliases that have their switches (`annotate_switches`)."""
    rows = [(alias, credential) for alias in aliases if (credential := alias.effective_credential)]
    scopes = ScopeBook({credential.profile.registry_id for _alias, credential in rows})
    tokens = {token.credential_id: token for token in Token.objects.filter(user=user).with_failed_renewals()}
    for _alias, credential in rows:
        if credential.pk in tokens:
            tokens[credential.pk].credential = credential  # with its registry: no query for each card
    lately = timezone.now() - settings.ATTEMPT_LIFETIME
    attempts = AuthorizationAttempt.objects.filter(user=user, expires_at__gt=lately).order_by("created_at")
    latest_attempt = {attempt.credential_id: attempt for attempt in attempts}
    revocations = Revocation.objects.shown_on_card().filter(user=user).order_by("created_at")
    latest_revocation = {(revocation.credential_id, revocation.is_kept): revocation for revocation in revocations}
    now = timezone.now()
    integrations = [
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
    return sorted(with_address_events(integrations), key=lambda row: sort_key(row.title, row.alias.name))


def with_address_events(rows: list[Integration]) -> list[Integration]:
    """Add the events of address changes, if addresses were changed: one more query."""
    registry_ids = {row.registry.pk for row in rows if row.address_changes}
    if not registry_ids:
        return rows
    events = events_about(registry_ids)
    return [
        replace(row, address_events=tuple(event for event in events if event.subject_id == row.registry.pk))
        for row in rows
    ]
