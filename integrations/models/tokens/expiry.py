"""End of a refresh token, and how it is known."""

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client.answers import TokenAnswer
from integrations.models.registry import DEFAULT_REFRESH_TOKEN_LIFESPAN, ApplicationRegistry

SAME_MOMENT = timedelta(minutes=1)  # two statements of one end differ by the time that answers travel


class RefreshExpiry(models.TextChoices):
    """Source of a refresh token's end. People and programs are told only of an end that is known."""

    ASSUMED = "", _("Assumed")  # the default of Refresh Token Lifespan
    KNOWN = "known", _("Known")  # the provider named it, or an administrator entered the lifespan
    EXTENDED = "extended", _("Extended by each renewal")  # known, and the last renewal moved it


def moment(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


def refresh_token_end(
    answer: TokenAnswer, registry: ApplicationRegistry, *, now: datetime, known_before: datetime | None
) -> tuple[datetime | None, RefreshExpiry]:
    """When the refresh token of this answer ends, and how that is known.

    `known_before`: the end of the refresh token that it replaces, where that was known.
    """
    ends_at = moment(now, answer.refresh_expires_in or registry.refresh_token_lifespan)
    is_entered = registry.refresh_token_lifespan != DEFAULT_REFRESH_TOKEN_LIFESPAN
    if not (answer.refresh_expires_in or is_entered):
        return ends_at, RefreshExpiry.ASSUMED
    is_later = bool(known_before and ends_at and ends_at - known_before > SAME_MOMENT)
    return ends_at, RefreshExpiry.EXTENDED if is_later else RefreshExpiry.KNOWN
