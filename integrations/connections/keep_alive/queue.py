"""The queue of tokens that are due for a renewal: an index of `due_at` for each credential.

A claim moves the deadlines of a batch a minute ahead, so that no other process takes it; a renewal that succeeds or is
refused stores the true ones. Tokens of what is turned off, down or held stay in the queue and are not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import (
    Count,
    DateTimeField,
    F,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.oauth_client.provider_profile.format import Limits
from foundation.secrets_at_rest import has_key
from integrations.connections.renewal import journal
from integrations.models.registry import ApplicationRegistry, OAuth2Credential
from integrations.models.registry.health import server_origin
from integrations.models.tokens import Token, TokenQuerySet, deadlines
from integrations.models.tokens.deadlines import LATELY, Deadlines, deadlines_of

CLAIM = timedelta(minutes=1)  # longer than a run, after which what it has not renewed is due again
OBSTACLE_PAUSE = timedelta(hours=1)  # until a token is looked at again that cannot be renewed now; no pause is longer
PACE_AHEAD = timedelta(seconds=5)  # places that may be taken before their time
TROUBLE_PAUSE = timedelta(minutes=1)  # of all workers, after a renewal failed for a reason that may concern others
SLICES = 24 * 60  # of all tokens, one a minute, so that each is looked at once a day


@dataclass(frozen=True, kw_only=True)
class Source:
    """A credential with due tokens, and what is known of its registry."""

    credential_id: UUID
    registry_id: UUID
    idles_out: bool  # some refresh tokens would
    is_trial: bool  # our registration is in doubt, so that a single token is tried


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Numbers of tokens that are due now, of those whose refresh token would idle out, and when the first was due."""

    due: int
    would_end: int
    oldest: datetime | None


# What is due ----------------------------------------------------------------------------------------------------------


def active_credentials() -> QuerySet[OAuth2Credential]:
    return OAuth2Credential.objects.filter(active=True, profile__registry__active=True).order_by()


def first_deadline(column: str) -> Subquery:
    """The earliest deadline of a credential: one probe of the index, however many tokens there are."""
    rows = Token.objects.filter(credential=OuterRef("pk"), **{f"{column}__isnull": False})
    return Subquery(rows.order_by(column).values(column)[:1])


def due_sources(now: datetime) -> list[Source]:
    """Credentials with tokens that may be renewed now; first those whose refresh tokens would idle out. One query."""
    rows = active_credentials().annotate(first_due=first_deadline("due_at"), first_idle=first_deadline("idle_due_at"))
    registry = "profile__registry__"
    columns = ("down_since", "failing_url", "token_url", "renewals_held_until", "misconfigured_code")
    paced = f"{registry}renewals_paced_until"
    due = []
    for pk, registry_id, idle_at, paced_until, *health in (
        rows.filter(first_due__lte=now)
        .order_by(F("first_idle").asc(nulls_last=True), "first_due")
        .values_list("pk", f"{registry}pk", "first_idle", paced, *(registry + name for name in columns))
    ):
        down_since, failing_url, token_url, held_until, misconfigured_code = health
        is_down = down_since is not None and server_origin(failing_url) == server_origin(token_url)
        is_pausing = paced_until is not None and paced_until > now + 2 * PACE_AHEAD
        if is_down or is_pausing or (held_until and held_until > now):
            continue
        due.append(
            Source(
                credential_id=pk,
                registry_id=registry_id,
                idles_out=idle_at is not None and idle_at <= now,
                is_trial=bool(misconfigured_code or held_until),
            )
        )
    return due


def count_backlog(now: datetime) -> Backlog:
    """Count what is due, by index. One query."""

    def number(column: str) -> Coalesce:
        rows = Token.objects.filter(credential=OuterRef("pk"), **{f"{column}__lte": now}).order_by()
        counted = Subquery(rows.values("credential").annotate(number=Count("pk")).values("number"))
        return Coalesce(counted, 0, output_field=IntegerField())

    rows = active_credentials().annotate(
        n=number("due_at"), idle=number("idle_due_at"), first_due=first_deadline("due_at")
    )
    sums = rows.aggregate(due=Coalesce(Sum("n"), 0), would_end=Coalesce(Sum("idle"), 0), oldest=Min("first_due"))
    oldest = sums["oldest"]
    return Backlog(due=sums["due"], would_end=sums["would_end"], oldest=oldest if oldest and oldest <= now else None)


def overdue_tokens(now: datetime) -> TokenQuerySet:
    """Due tokens in use that have expired before they were renewed, so that the next caller has to wait."""
    in_use = Token.objects.filter(due_at__lte=now, expires_at__lte=now, last_used_at__gte=now - LATELY)
    return in_use.filter(credential__active=True, credential__profile__registry__active=True)


# Claims ---------------------------------------------------------------------------------------------------------------


def limits_of(registry: ApplicationRegistry) -> Limits:
    return registry.readable_profile.limits


def reserve_places(registry_id: UUID, most: int, per_second: float) -> int:
    """Take so many of the places that the provider's rate allows all workers together, or fewer; 0 if none is free.

    The moment up to which places are taken is a column of the registry, by the database's clock.
    """
    interval = timedelta(seconds=1 / per_second)
    with transaction.atomic():
        rows = ApplicationRegistry.objects.filter(pk=registry_id)
        row = rows.select_for_update(no_key=True).values_list("renewals_paced_until", Now()).first()
        if row is None:
            return 0
        paced_until, now = row
        begin = max(paced_until or now, now)
        number = max(min(most, int((now + PACE_AHEAD - begin) / interval)), 0)
        if number:
            rows.update(renewals_paced_until=begin + interval * number)
    return number


def pause_provider(registry_id: UUID) -> None:
    """Let all workers wait a minute for this provider."""
    later = Greatest(Coalesce(F("renewals_paced_until"), Now()), Now() + TROUBLE_PAUSE, output_field=DateTimeField())
    ApplicationRegistry.objects.filter(pk=registry_id).update(renewals_paced_until=later)


def claim(credential_id: UUID, number: int, now: datetime) -> list[Token]:
    """Claim due tokens of the credential, first those whose refresh tokens would idle out, then those due longest.

    Skips rows that another process is claiming, if the database can: SQLite lets one transaction write at a time.
    """
    ids: list[UUID] = []
    with transaction.atomic():
        for column in ("idle_due_at", "due_at"):
            rows = Token.objects.filter(credential=credential_id, **{f"{column}__lte": now}).exclude(pk__in=ids)
            free = rows.filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())).order_by(column)
            if connection.features.has_select_for_update_skip_locked:
                free = free.select_for_update(skip_locked=True)
            if len(ids) < number:
                ids += free.values_list("pk", flat=True)[: number - len(ids)]
        postpone_tokens(ids, now + CLAIM)
    claimed = {token.pk: token for token in Token.objects.with_registry().filter(pk__in=ids)}
    return [claimed[pk] for pk in ids if pk in claimed]


def postpone_tokens(ids: Sequence[UUID], until: datetime) -> None:
    """Move the deadlines of these tokens to this moment, if they are earlier."""
    if ids:
        Token.objects.filter(pk__in=ids).update(**deadlines.not_before(Value(until, output_field=DateTimeField())))


def ready_tokens(tokens: Sequence[Token], now: datetime) -> list[Token]:
    """Those of the claimed tokens that are due and can be renewed. Corrects or postpones the deadlines of others."""
    ready, changed = [], []
    for token in tokens:
        with error_boundary(f"Keeping token {token.hex} alive"):
            true = deadlines_of(token, now)
            if true.due_at is None or true.due_at > now:
                changed.append((token, true))
            elif pause := find_obstacle(token):
                changed.append((token, Deadlines(*(at and max(at, now + pause) for at in true))))
            else:
                ready.append(token)
    store_deadlines(changed)
    return ready


def find_obstacle(token: Token) -> timedelta | None:
    """How long to wait with a token that cannot be renewed now; None if it can.

    Its owner must be active and have agreed to the addresses, both of its keys be configured, and the provider allow
    another renewal of this sign-in.
    """
    is_usable = token.integration_type == token.credential.integration_type and (
        token.user is None or token.user.is_active
    )
    has_keys = all(has_key(token, name) for name in ("access_token", "refresh_token"))
    if not is_usable or not has_keys or token.address_changes():
        return OBSTACLE_PAUSE
    seconds = journal.seconds_until_allowed(token)
    return min(timedelta(seconds=seconds), OBSTACLE_PAUSE) if seconds else None


def store_deadlines(changed: Sequence[tuple[Token, Deadlines]]) -> None:
    """Store deadlines, unless the token has been renewed or used since it was read."""
    for token, true in changed:
        rows = Token.objects.filter(pk=token.pk, version=token.version, last_used_at=token.last_used_at)
        rows.update(due_at=true.due_at, idle_due_at=true.idle_due_at)


def give_back(tokens: Sequence[Token]) -> None:
    """Make claimed tokens due again that were not tried."""
    now = timezone.now()
    store_deadlines([(token, deadlines_of(token, now)) for token in tokens])


# Repair ---------------------------------------------------------------------------------------------------------------


def repair_slice(now: datetime) -> int:
    """Compare the stored deadlines of a part of all tokens with the rule; return how many were wrong.

    Each minute of the day has its part of the ids, so that a row that an older release or a script wrote is right
    within a day. A deadline that a pause or a claim has moved is left alone while it is ahead.
    """
    place, width = (now.hour * 60 + now.minute) % SLICES, 2**128 // SLICES
    begin, end = place * width, 2**128 if place == SLICES - 1 else (place + 1) * width
    return repair_deadlines(Token.objects.filter(pk__gte=UUID(int=begin), pk__lte=UUID(int=end - 1)), now)


def repair_deadlines(tokens: TokenQuerySet, now: datetime) -> int:
    """The same for these tokens."""
    wrong = 0
    columns = tokens.order_by("pk").defer("access_token", "base_url", "provider_values", "scopes", "agreed")
    for token in columns.iterator(chunk_size=500):
        true = deadlines_of(token, now)
        if token.due_at != true.due_at and not is_postponed(token, true, now):
            store_deadlines([(token, true)])
            wrong += 1
    return wrong


def is_postponed(token: Token, true: Deadlines, now: datetime) -> bool:
    """Whether it is due by the rule, and waits for the end of a pause or a claim."""
    return bool(true.due_at and true.due_at <= now and token.due_at and token.due_at <= now + OBSTACLE_PAUSE)
