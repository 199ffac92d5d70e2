"""End of a refresh token, and the source of that date."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client.answers import TokenAnswer
from integrations.models.registry import DEFAULT_REFRESH_TOKEN_LIFESPAN, ApplicationRegistry

SAME_MOMENT = timedelta(minutes=1)  # two answers about one end differ by their travel time


class RefreshExpiry(models.TextChoices):
    """Source of a refresh token's end. Only one that the provider named ends a sign-in; the others are for warnings.

    An assumed end is shown neither to people nor to programs.
    """

    ASSUMED = "", _("Assumed")  # the default of Refresh Token Lifespan
    ENTERED = "entered", _("Entered")  # an administrator or a template entered the lifespan
    ROLLING = "rolling", _("Entered, and counted from each renewal")
    KNOWN = "known", _("Known")  # the provider named it
    EXTENDED = "extended", _("Extended by each renewal")  # known, and the last renewal moved it


TOLD = (RefreshExpiry.KNOWN, RefreshExpiry.EXTENDED)
ENTERED = (RefreshExpiry.ENTERED, RefreshExpiry.ROLLING)


def refresh_token_is_over(now: datetime) -> models.Q:
    """Condition on tokens: the provider named the end of the refresh token, and it is past."""
    return models.Q(refresh_expiry__in=TOLD, refresh_expires_at__lte=now)


def has_ended(expiry: str, ends_at: datetime | None) -> bool:
    """The same condition for the fields of one token, at this moment."""
    return expiry in TOLD and ends_at is not None and ends_at <= timezone.now()


def moment_after(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def refresh_token_end(
    answer: TokenAnswer, registry: ApplicationRegistry, *, now: datetime, known_before: datetime | None
) -> tuple[datetime | None, RefreshExpiry]:
    """Return when the refresh token of this answer ends, and the source of that date.

    `known_before`: the end of the refresh token that it replaces, unless that was assumed.
    """
    ends_at = moment_after(now, answer.refresh_expires_in or registry.refresh_token_lifespan)
    is_later = bool(known_before and ends_at and ends_at - known_before > SAME_MOMENT)
    if answer.refresh_expires_in:
        return ends_at, RefreshExpiry.EXTENDED if is_later else RefreshExpiry.KNOWN
    if registry.refresh_token_lifespan == DEFAULT_REFRESH_TOKEN_LIFESPAN:
        return ends_at, RefreshExpiry.ASSUMED
    return ends_at, RefreshExpiry.ROLLING if is_later else RefreshExpiry.ENTERED
