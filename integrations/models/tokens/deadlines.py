"""When a token has to be renewed ahead: the one rule, as moments that are stored with the token.

`Token.save` stores them, and whoever claims a token from the queue compares them again. A stored moment may be earlier
than the rule says, which costs one look, but never later. Knows one token only: not whether its owner, its credential
and its registry are active.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Case, DateTimeField, F, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest

from integrations.models.tokens.token_record import TokenRecord, TokenState

HORIZON, HORIZON_SHARE = timedelta(minutes=30), 0.25  # before expiry, or of the lifetime: before callers would renew
SHORTEST = timedelta(minutes=10)  # tokens with a shorter lifetime would be renewed all day long without being used
LATELY = timedelta(days=1)  # only tokens used within this time are renewed ahead
TOUCH, TOUCH_SHARE = timedelta(days=7), 0.2  # before an unused refresh token expires, or of its lifetime
EARLIEST, LATEST = 0.6, 1.0  # of the horizon, different for each token, to spread the load

NAMES = ("due_at", "idle_due_at")


class Deadlines(NamedTuple):
    """From when on a token is to be renewed, and from when on its refresh token would idle out. None: never."""

    due_at: datetime | None = None
    idle_due_at: datetime | None = None


def deadlines_of(token: TokenRecord, now: datetime) -> Deadlines:
    """The moments of this token, as far as they can be foreseen now."""
    is_valid = token.state == TokenState.VALID and not token.failure_code
    if not is_valid or not token.has_refresh_token or token.refresh_token_is_over:
        return Deadlines()
    idle_due_at = before_idling_out(token, now)
    moments = [moment for moment in (before_callers_wait(token, now), idle_due_at) if moment]
    return Deadlines(min(moments, default=None), idle_due_at)


def before_callers_wait(token: TokenRecord, now: datetime) -> datetime | None:
    """When a token that is used would have to be renewed by its next caller, who would wait."""
    if token.expires_at is None or token.last_used_at is None:
        return None
    lifetime = token.expires_at - token.granted_at
    if lifetime < SHORTEST:
        return None
    moment = token.expires_at - early_span(token, min(HORIZON, lifetime * HORIZON_SHARE))
    return moment if token.last_used_at >= max(moment, now) - LATELY else None


def before_idling_out(token: TokenRecord, now: datetime) -> datetime | None:
    """When the refresh token is to be used, because at many providers it expires otherwise.

    Not spread, so that the order of these moments is the order of the ends.
    """
    ends_at = token.refresh_expires_at
    if ends_at is None or ends_at <= now:  # past and still tried, as an end that is only assumed
        return None
    return ends_at - min(TOUCH, (ends_at - token.granted_at) * TOUCH_SHARE)


def early_span(token: TokenRecord, span: timedelta) -> timedelta:
    """A share of the span that is always the same for the same token."""
    return span * (EARLIEST + (LATEST - EARLIEST) * (token.pk.int % 1000) / 1000)


def due_after_use(token: TokenRecord) -> datetime | None:
    """`due_at` of a token that is used now: an early one if it may have none because it was not used for long."""
    is_renewable = token.state == TokenState.VALID and not token.failure_code and token.has_refresh_token
    if not is_renewable or token.expires_at is None:
        return token.due_at
    if token.last_used_at and token.last_used_at >= token.expires_at - LATELY:
        return token.due_at
    earliest = token.expires_at - HORIZON
    return min(token.due_at or earliest, earliest)


def not_before(moment: Combinable) -> dict[str, Combinable]:
    """Both columns as expressions, moved to this moment if they are earlier. Columns without a moment stay so."""
    return {
        name: Case(When(**{f"{name}__isnull": False}, then=Greatest(F(name), moment)), output_field=DateTimeField())
        for name in NAMES
    }
