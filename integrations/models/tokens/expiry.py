"""End of a refresh token, and the source of that date."""

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client.answers import TokenAnswer
from integrations.models.registry import DEFAULT_REFRESH_TOKEN_LIFESPAN, ApplicationRegistry

SAME_MOMENT = timedelta(minutes=1)  # two answers about one end differ by their travel time


class RefreshExpiry(models.TextChoices):
    """Source of a refresh token's end. An assumed end is shown neither to people nor to programs."""

    ASSUMED = "", _("Assumed")  # the default of Refresh Token Lifespan
    KNOWN = "known", _("Known")  # the provider named it, or an administrator entered the lifespan
    EXTENDED = "extended", _("Extended by each renewal")  # known, and the last renewal moved it


def moment_after(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def refresh_token_end(
    answer: TokenAnswer, registry: ApplicationRegistry, *, now: datetime, known_before: datetime | None
) -> tuple[datetime | None, RefreshExpiry]:
    """Return when the refresh token of this answer ends, and the source of that date.

    `known_before`: the end of the refresh token that it replaces, if that was known.
    """
    ends_at = moment_after(now, answer.refresh_expires_in or registry.refresh_token_lifespan)
    is_entered = registry.refresh_token_lifespan != DEFAULT_REFRESH_TOKEN_LIFESPAN
    if not (answer.refresh_expires_in or is_entered):
        return ends_at, RefreshExpiry.ASSUMED
    is_later = bool(known_before and ends_at and ends_at - known_before > SAME_MOMENT)
    return ends_at, RefreshExpiry.EXTENDED if is_later else RefreshExpiry.KNOWN
