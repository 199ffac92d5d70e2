"""Is our registration at a provider accepted? Asked before anybody is signed out for a refusal that we may have caused.

A registry whose registration is in doubt is held: its renewals stop, administrators are told, and all tokens are kept.
One caller a minute may try. The first success, a check that the provider answers well, or an administrator's save lets
all renewals go on at once. Knows nothing of single renewals.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from foundation.oauth_client.client_check import SECONDS, ClientCheck, Verdict, check_client
from foundation.oauth_client.errors import Misconfigured
from integrations.models.registry import ApplicationRegistry, Use
from integrations.models.registry.health import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.tokens import Renewal, RenewalOutcome, Token

logger = logging.getLogger(__name__)

TRIAL_EVERY = timedelta(minutes=1)
PROOF_LASTS = timedelta(minutes=10)  # a check that the provider accepted need not be repeated so soon
CHECK_AGAIN_AFTER = timedelta(minutes=10)  # while renewals are held
SEVERAL = 2  # people whom it refuses alike, with no success in between
WITHIN = timedelta(hours=1)


def allows_renewals(registry: ApplicationRegistry) -> bool:
    """False while renewals are held, but for one caller a minute: a compare-and-swap on the time of the next trial."""
    if registry.renewals_held_until is None:
        return True
    now = timezone.now()
    rows = ApplicationRegistry.objects.filter(pk=registry.pk)
    is_trial = rows.filter(renewals_held_until__lte=now).update(renewals_held_until=now + TRIAL_EVERY)
    return bool(is_trial) or not rows.filter(renewals_held_until__isnull=False).exists()


def is_held(registry: ApplicationRegistry) -> bool:
    """As stored: another caller may have held or released the renewals meanwhile."""
    return ApplicationRegistry.objects.filter(pk=registry.pk, renewals_held_until__isnull=False).exists()


def held_error(registry: ApplicationRegistry) -> Misconfigured:
    return Misconfigured(registry.misconfigured_code or UNEXPLAINED_REFUSALS, "renewals are held")


def note_accepted(registry: ApplicationRegistry, *, use: Use = Use.TOKENS) -> None:
    """The provider accepted our registration for this use. Written only where that was in doubt."""
    registry.note_misconfigured("", use=use)
    if registry.renewals_held_until is not None or registry.is_unproven:
        write(registry, registration_accepted_at=timezone.now(), renewals_held_until=None)
        end_pauses(registry)


def hold_renewals(registry: ApplicationRegistry, code: str) -> Misconfigured:
    """Stop the registry's renewals, and have administrators told. Nobody's tokens are touched."""
    registry.note_misconfigured(code)
    write(registry, renewals_held_until=timezone.now() + TRIAL_EVERY)
    logger.warning("Renewals at %s are held (%s).", registry, code)
    return held_error(registry)


def check_registration(registry: ApplicationRegistry, *, again: bool = False) -> ClientCheck | None:
    """Ask the provider, unless somebody else is asking now (None). An acceptance is written down.

    While renewals are held it is not asked `again` for ten minutes (None): some requests carry wrong credentials, and
    a provider may lock a client that shows them all day long. A save of the registry ends the wait.
    """
    rows = ApplicationRegistry.objects.filter(pk=registry.pk)
    now = timezone.now()
    free = rows if again else rows.filter(Q(client_check_until__isnull=True) | Q(client_check_until__lt=now))
    if not free.update(client_check_until=now + timedelta(seconds=2 * SECONDS)):
        return None
    next_check_at = None
    try:
        check = ask(registry)
        if check.verdict != Verdict.ACCEPTED and is_held(registry):
            next_check_at = timezone.now() + CHECK_AGAIN_AFTER
    finally:
        rows.update(client_check_until=next_check_at)
    if check.verdict == Verdict.ACCEPTED:
        write(registry, unknown_token_answer=check.unknown_token_answer, registration_accepted_at=timezone.now())
        note_accepted(registry)
    return check


def ask(registry: ApplicationRegistry) -> ClientCheck:
    """Only a revocation as RFC 7009 has it can be tried with a token alone."""
    try:
        registration = registry.registration()
    except Misconfigured:
        return ClientCheck(verdict=Verdict.UNKNOWN)
    return check_client(replace(registration, revocation_url="") if registry.revocation_request else registration)


def last_check(registry: ApplicationRegistry) -> ClientCheck | None:
    """The last acceptance, while it counts."""
    accepted_at = registry.registration_accepted_at
    if registry.is_unproven or accepted_at is None or accepted_at < timezone.now() - PROOF_LASTS:
        return None
    if not registry.unknown_token_answer:
        return None
    return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=registry.unknown_token_answer)


def several_refused(registry: ApplicationRegistry, code: str, user_id: int | None) -> bool:
    """Counting this person: so many were refused with this code since the last success at this registry."""
    tokens = Token.objects.filter(credential__profile__registry=registry)
    since = last_success(registry)
    refused = Renewal.objects.filter(
        token_id__in=tokens.values("pk"),
        outcome__in=[RenewalOutcome.REFUSED, RenewalOutcome.FAILED],
        code=code,
        asked_at__gt=since,
    )
    people = set(tokens.filter(pk__in=refused.values("token_id")).values_list("user", flat=True))
    return len(people | {user_id}) >= SEVERAL


def last_success(registry: ApplicationRegistry) -> datetime:
    """When the provider last gave anybody tokens, as far as that matters now."""
    tokens = Token.objects.filter(credential__profile__registry=registry)
    renewed = Renewal.objects.filter(token_id__in=tokens.values("pk"), outcome=RenewalOutcome.RENEWED)
    moments: list[datetime | None] = [
        timezone.now() - WITHIN,
        registry.registration_accepted_at,
        renewed.aggregate(at=models.Max("asked_at"))["at"],
        tokens.aggregate(at=models.Max("signed_in_at"))["at"],
    ]
    return max(moment for moment in moments if moment is not None)


def end_pauses(registry: ApplicationRegistry) -> None:
    """Whoever waits after a failed renewal may try at once."""
    paused = Token.objects.filter(credential__profile__registry=registry, lease_owner="", lease_expires_at__gt=Now())
    paused.update(lease_expires_at=None)


def write(registry: ApplicationRegistry, **values: object) -> None:
    vars(registry).update(values)
    ApplicationRegistry.objects.filter(pk=registry.pk).update(**values)


__all__ = [
    "CLIENT_REFUSED",
    "UNEXPLAINED_REFUSALS",
    "allows_renewals",
    "check_registration",
    "end_pauses",
    "held_error",
    "hold_renewals",
    "is_held",
    "last_check",
    "note_accepted",
    "several_refused",
]
