"""Whether a token may be sent, and for how long it is valid enough. No queries, no requests."""

import logging
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID
from zlib import crc32

from django.utils import timezone

from foundation.secrets_at_rest import value_or_blank
from integrations.models.tokens import Token, consent

logger = logging.getLogger(__name__)

MARGIN = timedelta(minutes=15)  # renewed so long before expiry, for differing clocks and slow networks
MARGIN_SHARE = 0.1  # of the lifetime, if that is shorter
UNTOLD = timedelta(hours=1)  # an access token of unknown lifetime is surely usable so long; many live no longer
JITTER = 0.2  # of the margin, so that tokens granted in the same minute are not renewed in the same minute


class NoUsableToken(Exception):
    """This person must authenticate (again). Says nothing about other people."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Versioned(Protocol):
    """Row and version of a token."""

    @property
    def pk(self) -> UUID: ...
    @property
    def version(self) -> int: ...


class UsableToken(Versioned, Protocol):
    """A decrypted token: a model instance or a `ReadyCall`."""

    @property
    def access_token(self) -> str: ...


class Dated(Protocol):
    """The fields of a token that decide when it is due, as a model instance or as a row of the fast path."""

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def granted_at(self) -> datetime: ...
    @property
    def renews_itself(self) -> bool: ...


def is_due(token: Dated, minimum_seconds: float) -> bool:
    """Whether it is renewed before a caller gets it who needs it for so many seconds."""
    if token.renews_itself and may_be_over(token, minimum_seconds):
        return True
    required_until = timezone.now() + timedelta(seconds=required_seconds(token, minimum_seconds))
    return token.expires_at is not None and token.expires_at <= required_until


def required_seconds(token: Dated, minimum_seconds: float) -> float:
    """Seconds of validity that are required. Never more than a new token has, or renewals would not end."""
    if token.expires_at is None:
        return 0
    lifetime = (token.expires_at - token.granted_at).total_seconds()
    margin = min(MARGIN.total_seconds(), lifetime * MARGIN_SHARE) * (1 - JITTER * jitter_of(token))
    return max(0, margin, min(minimum_seconds, lifetime - margin))


def may_be_over(token: Dated, minimum_seconds: float) -> bool:
    """Whether a caller who needs the token for some time gets a newer one, because nobody has told when this one ends.

    At most once an hour, whatever the caller needs: the end of the newer one is not known either.
    """
    return minimum_seconds > 0 and token.expires_at is None and token.granted_at <= timezone.now() - UNTOLD


def jitter_of(token: Dated) -> float:
    """A number from 0 to 1, the same in each process for this version, so that all agree on when it is due."""
    return crc32(token.id.bytes + token.version.to_bytes(8)) / 2**32


def refuse_changed_addresses(token: Token, connection_url: str = "") -> None:
    """Raise `NoUsableToken` if the token would be sent to an address that its owner has not agreed to."""
    if token.address_changes(connection_url):
        raise NoUsableToken(consent.CHANGED)


def ensure_readable(token: Token) -> Token:
    """The token, if its access token can be decrypted. Raises `NoUsableToken` otherwise."""
    if not value_or_blank(token, "access_token"):
        raise unreadable_error(token)
    return token


def unreadable_error(token: Token) -> NoUsableToken:
    """Log that the key is missing. The row stays as it is, so the token works again when the key is back."""
    logger.error("Token %s cannot be opened: is its key missing from TOKEN_ENCRYPTION_KEYS?", token.hex)
    return NoUsableToken("unreadable")


def usable_or_raise(token: Token, otherwise: Exception) -> Token:
    """The token while it is valid, although its renewal failed. Raises `otherwise` if it has expired."""
    if token.lives_for():
        return ensure_readable(token)
    raise otherwise
