"""Whether a provider accepts our registration: checked before people are signed out because it may be our fault.

While that is in doubt, renewals of the registry are held: they stop, administrators get a mail, and all tokens are
kept. One caller a minute may try. The first success, an accepted check, or an administrator's save releases all
renewals at once. Knows nothing about single renewals.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from foundation.oauth_client.client_check import SECONDS, ClientCheck, Verdict, check_client
from foundation.oauth_client.errors import Misconfigured, OAuthError
from integrations.models.events import Event, EventKind
from integrations.models.failures import CLIENT_REFUSED, REFUSED_FOR_MANY, UNEXPLAINED_REFUSALS, UNUSABLE_ANSWERS
from integrations.models.registry import ApplicationRegistry, OAuth2Credential, Use
from integrations.models.tokens import INTERRUPTED, RESTORED, Renewal, RenewalOutcome, Token, TokenState

logger = logging.getLogger(__name__)

TRIAL_EVERY = timedelta(minutes=1)
PROOF_LASTS = timedelta(minutes=10)  # an accepted check is not repeated within this time
CHECK_AGAIN_AFTER = timedelta(minutes=10)  # while renewals are held
SEVERAL = 2  # people who are refused with the same code, with no success in between
MANY = 3  # the same, although the provider accepts our registration
WITHIN = timedelta(hours=1)
SIGN_INS_WITHIN = timedelta(days=7)  # sign-ins are rarer than renewals
UNUSABLE_AT_MOST = timedelta(days=1)  # after that, responses without a token are an administrator's matter


def allows_renewals(registry: ApplicationRegistry) -> bool:
    """False while renewals are held, except for one caller a minute, chosen by compare-and-swap on the next trial."""
    if registry.renewals_held_until is None:
        return True
    now = timezone.now()
    rows = ApplicationRegistry.objects.filter(pk=registry.pk)
    is_trial = rows.filter(renewals_held_until__lte=now).update(renewals_held_until=now + TRIAL_EVERY)
    return bool(is_trial) or not rows.filter(renewals_held_until__isnull=False).exists()


def is_held(registry: ApplicationRegistry) -> bool:
    """Whether renewals are held. Reads the database: another caller may have held or released them meanwhile."""
    return ApplicationRegistry.objects.filter(pk=registry.pk, renewals_held_until__isnull=False).exists()


def held_error(registry: ApplicationRegistry) -> Misconfigured:
    return Misconfigured(registry.misconfigured_code or UNEXPLAINED_REFUSALS, "renewals are held")


def note_accepted(registry: ApplicationRegistry, *, use: Use = Use.TOKENS) -> None:
    """Record that the provider accepts our registration for this use. Writes only if that was in doubt."""
    was_broken = registry.cannot_renew or registry.misconfigured_code == UNEXPLAINED_REFUSALS
    if was_broken:
        bring_back_refused(registry)
    registry.note_misconfigured("", use=use)
    if was_broken or registry.renewals_held_until is not None or registry.is_unproven:
        update_registry(registry, registration_accepted_at=timezone.now(), renewals_held_until=None)
        end_pauses(registry)


def bring_back_refused(registry: ApplicationRegistry) -> None:
    """Make tokens renewable again that were refused while our set-up was broken. Each is tried once.

    The people who are concerned have got their mail, and get no other one if the provider refuses them again.
    """
    if not registry.misconfigured_code or registry.misconfigured_at is None or not registry.is_about_renewals:
        return
    since = registry.misconfigured_at - WITHIN
    refused = Renewal.objects.filter(outcome=RenewalOutcome.REFUSED, settled_at__gte=since)
    tokens = Token.objects.filter(pk__in=refused.values("token_id"), credential__profile__registry=registry)
    ended = tokens.exclude(failure_code="").exclude(refresh_token=None)
    ended.exclude(failure_code__in=[INTERRUPTED, RESTORED, "other_account"]).update(
        state=TokenState.VALID, failure_code="", failed_at=None, version=F("version") + 1, due_at=Now()
    )


def hold_renewals(registry: ApplicationRegistry, code: str, *, reason: str = "") -> Misconfigured:
    """Hold the renewals of the registry, and report it to administrators. Changes no tokens."""
    registry.note_misconfigured(code, reason=reason)
    update_registry(registry, renewals_held_until=timezone.now() + TRIAL_EVERY)
    logger.warning("Renewals at %s are held (%s).", registry, code)
    return held_error(registry)


def check_registration(registry: ApplicationRegistry, *, again: bool = False) -> ClientCheck | None:
    """Check our registration at the provider, and record an acceptance. None if another caller is checking now.

    While renewals are held, returns None for ten minutes after a check, unless `again` is set: some requests carry
    wrong credentials, and a provider may lock a client that sends them all day long. A save of the registry ends this.
    """
    rows = ApplicationRegistry.objects.filter(pk=registry.pk)
    now = timezone.now()
    free = rows if again else rows.filter(Q(client_check_until__isnull=True) | Q(client_check_until__lt=now))
    if not free.update(client_check_until=now + timedelta(seconds=2 * SECONDS)):
        return None
    next_check_at = None
    try:
        check = send_check(registry)
        if check.verdict != Verdict.ACCEPTED and is_held(registry):
            next_check_at = timezone.now() + CHECK_AGAIN_AFTER
    finally:
        rows.update(client_check_until=next_check_at)
    if check.verdict == Verdict.ACCEPTED:
        update_registry(
            registry, unknown_token_answer=check.unknown_token_answer, registration_accepted_at=timezone.now()
        )
        note_accepted(registry)
    return check


def send_check(registry: ApplicationRegistry) -> ClientCheck:
    """Send the check, without the revocation URL if it has a dialect: only RFC 7009 can be tried with a token alone."""
    try:
        registration = registry.registration()
    except Misconfigured:
        return ClientCheck(verdict=Verdict.UNKNOWN)
    return check_client(replace(registration, revocation_url="") if registry.revocation_request else registration)


def last_check(registry: ApplicationRegistry) -> ClientCheck | None:
    """The last accepted check, if it is recent enough."""
    accepted_at = registry.registration_accepted_at
    if registry.is_unproven or accepted_at is None or accepted_at < timezone.now() - PROOF_LASTS:
        return None
    if not registry.unknown_token_answer:
        return None
    return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=registry.unknown_token_answer)


def several_refused(
    registry: ApplicationRegistry,
    code: str,
    user_id: int | None,
    *,
    since: datetime | None = None,
    people_at_least: int = SEVERAL,
) -> bool:
    """Whether several people, including this one, were refused with this code since the last success, or `since`."""
    tokens = Token.objects.filter(credential__profile__registry=registry)
    refused = Renewal.objects.filter(
        token_id__in=tokens.values("pk"),
        outcome__in=[RenewalOutcome.REFUSED, RenewalOutcome.FAILED],
        code=code,
        asked_at__gt=since or last_success(registry),
    )
    people = set(tokens.filter(pk__in=refused.values("token_id")).values_list("user", flat=True))
    return len(people | {user_id}) >= people_at_least


def report_refusal(registry: ApplicationRegistry, error: OAuthError, user_id: int | None) -> None:
    """Report to administrators that the provider refuses many people alike, if it does. Changes no tokens."""
    if several_refused(registry, error.code, user_id, since=last_grant(registry), people_at_least=MANY):
        registry.note_misconfigured(REFUSED_FOR_MANY, use=Use.REFUSALS, reason=f"{error.code} {error.reason}".strip())


def report_unusable(registry: ApplicationRegistry, error: OAuthError, *, since: datetime | None) -> None:
    """Report that the provider has responded without a token for days, and has granted nobody one meanwhile."""
    is_long = since is not None and since <= timezone.now() - UNUSABLE_AT_MOST
    if since is not None and is_long and not has_granted_since(registry, since):
        words = error.reason or error.description
        registry.note_misconfigured(UNUSABLE_ANSWERS, reason=f"{error.code}: {words}" if words else error.code)


def report_unexplained_end(registry: ApplicationRegistry, error: OAuthError, user_id: int | None) -> None:
    """Report that a sign-in ends after an unexplained refusal, if it may be our set-up after all.

    It may be if nobody was granted anything for a day, or if several people were refused in the same way since. Then
    the sign-in is tried once more when the registry is saved, or when the provider grants somebody tokens.
    """
    lately = timezone.now() - UNUSABLE_AT_MOST
    is_for_several = several_refused(registry, error.code, user_id, since=last_grant(registry))
    if is_for_several or not has_granted_since(registry, lately):
        words = f"{error.code} {error.reason}".strip()
        registry.note_misconfigured(UNEXPLAINED_REFUSALS, use=Use.REFUSALS, reason=words)


def has_granted_since(registry: ApplicationRegistry, since: datetime) -> bool:
    """Whether the provider has granted anybody tokens since then."""
    tokens = Token.objects.filter(credential__profile__registry=registry)
    return tokens.filter(Q(refreshed_at__gt=since) | Q(signed_in_at__gt=since)).exists()


def several_failed_sign_in(registry: ApplicationRegistry, code: str) -> bool:
    """Whether sign-ins of several people, or of one person for days, ended with this code and none was completed."""
    credentials = OAuth2Credential.objects.filter(profile__registry=registry)
    ended = Event.objects.filter(subject_id__in=credentials.values("pk"), at__gt=timezone.now() - SIGN_INS_WITHIN)
    connected_at = ended.filter(kind=EventKind.CONNECTED).aggregate(at=models.Max("at"))["at"]
    failed = ended.filter(kind=EventKind.SIGN_IN_FAILED, detail=code)
    if connected_at is not None:
        failed = failed.filter(at__gt=connected_at)
    first_at = failed.aggregate(at=models.Min("at"))["at"]
    is_long = first_at is not None and first_at < timezone.now() - UNUSABLE_AT_MOST and failed.count() >= MANY
    return is_long or failed.values("whose").distinct().count() >= SEVERAL


def last_success(registry: ApplicationRegistry) -> datetime:
    """When the provider last granted tokens or accepted our registration; at least the beginning of the last hour."""
    granted_at, accepted_at = last_grant(registry), registry.registration_accepted_at
    return max(granted_at, accepted_at) if accepted_at else granted_at


def last_grant(registry: ApplicationRegistry) -> datetime:
    """When the provider last granted tokens; at least the beginning of the last hour."""
    lately = timezone.now() - WITHIN
    tokens = Token.objects.filter(credential__profile__registry=registry)
    is_of_registry = models.Exists(tokens.filter(pk=models.OuterRef("token_id")))
    renewed = Renewal.objects.filter(is_of_registry, outcome=RenewalOutcome.RENEWED, asked_at__gt=lately)
    signed_in = tokens.filter(signed_in_at__gt=lately)
    moments: list[datetime | None] = [
        lately,
        renewed.order_by("-asked_at").values_list("asked_at", flat=True).first(),
        signed_in.aggregate(at=models.Max("signed_in_at"))["at"],
    ]
    return max(moment for moment in moments if moment is not None)


def end_pauses(registry: ApplicationRegistry) -> None:
    """Allow renewals that are pausing after a failure to be tried at once, also by the queue of those that are due."""
    paused = Token.objects.filter(credential__profile__registry=registry, lease_owner="", lease_expires_at__gt=Now())
    paused.update(lease_expires_at=None, due_at=Now())


def update_registry(registry: ApplicationRegistry, **values: object) -> None:
    vars(registry).update(values)
    ApplicationRegistry.objects.filter(pk=registry.pk).update(**values)


__all__ = [
    "CLIENT_REFUSED",
    "PROOF_LASTS",
    "UNEXPLAINED_REFUSALS",
    "allows_renewals",
    "bring_back_refused",
    "check_registration",
    "end_pauses",
    "has_granted_since",
    "held_error",
    "hold_renewals",
    "is_held",
    "last_check",
    "note_accepted",
    "report_refusal",
    "report_unexplained_end",
    "report_unusable",
    "several_failed_sign_in",
    "several_refused",
]
