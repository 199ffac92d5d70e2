"""What may be sent, and for how long it is good enough. Asks nobody and writes nothing."""

import logging
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID
from zlib import crc32

from foundation.secrets_at_rest import readable
from integrations.models.tokens import Token, consent

logger = logging.getLogger(__name__)

MARGIN = timedelta(minutes=15)  # renewed so much before the end: clocks differ and answers travel
MARGIN_SHARE = 0.1  # of the lifetime, where that is shorter
JITTER = 0.2  # of the margin: what was granted in one minute is not renewed in one minute


class NoUsableToken(Exception):
    """This person must authenticate (again). Says nothing about anybody else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Versioned(Protocol):
    """A token as its owner knew it: which row, and which version of it."""

    @property
    def pk(self) -> UUID: ...
    @property
    def version(self) -> int: ...


class Dated(Protocol):
    """A token, whether as a row of the model or as what was read of it."""

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def granted_at(self) -> datetime: ...


def enough(token: Dated, minimum_seconds: float) -> float:
    """How many seconds the token must have left. Never more than a new one would have: renewing would not end."""
    if token.expires_at is None:
        return 0
    lifetime = (token.expires_at - token.granted_at).total_seconds()
    margin = min(MARGIN.total_seconds(), lifetime * MARGIN_SHARE) * (1 - JITTER * chance(token))
    return max(0, margin, min(minimum_seconds, lifetime - margin))


def chance(token: Dated) -> float:
    """Between 0 and 1, and the same for everybody who looks at this version: all agree on when it is due."""
    return crc32(token.id.bytes + token.version.to_bytes(8)) / 2**32


def refuse_changed_addresses(token: Token, connection_url: str = "") -> None:
    """Raise `NoUsableToken` where the token would go to an address that its owner has not agreed to."""
    if token.address_changes(connection_url):
        raise NoUsableToken(consent.CHANGED)


def opened(token: Token) -> Token:
    """The same token, known to be readable. One whose key is lost is never sent anywhere."""
    if not readable(token, "access_token"):
        raise unreadable(token)
    return token


def unreadable(token: Token) -> NoUsableToken:
    """For the administrator in the log; nothing is written to the row, so that all is well when the key is back."""
    logger.error("Token %s cannot be opened: is its key missing from TOKEN_ENCRYPTION_KEYS?", token.hex)
    return NoUsableToken("unreadable")


def still_usable(token: Token, otherwise: Exception) -> Token:
    """The old token while it lives; a failed renewal takes nothing away."""
    if token.lives_for():
        return opened(token)
    raise otherwise
