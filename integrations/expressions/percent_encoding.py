"""Percent-encoding taken off as the most careless server would, within bounds."""

import re
from urllib.parse import unquote_to_bytes

OF_MICROSOFT = re.compile(rb"%[uU]([0-9a-fA-F]{4})")
TOO_LONG = re.compile(rb"(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])[\x80-\xbf]")  # of ASCII (RFC 3629 §3)
DEEPEST = 16  # encodings of encodings; thousands would be taken off for minutes
LONGEST_PATH = 64 * 1024  # characters, encoded; servers take 8 KiB, as a rule


class TooManyEncodings(ValueError):
    """It is encoded more often than anybody means."""


def fully_unquoted(path: str, *, deepest: int = DEEPEST) -> str:
    """Percent-encoding taken off until nothing changes: a server behind may decode more than once.

    And as the most careless of them would: "%u002e" and "%c0%ae" are dots to some. Raises `TooManyEncodings`.
    """
    raw = path.encode(errors="replace")
    for _ in range(deepest):
        decoded = unquoted_once(raw)
        if decoded == raw:
            return raw.decode(errors="replace")
        raw = decoded
    raise TooManyEncodings


def unquoted_once(raw: bytes) -> bytes:
    plain = OF_MICROSOFT.sub(lambda found: chr(int(found[1], 16)).encode(errors="replace"), raw)
    return TOO_LONG.sub(shortened, unquote_to_bytes(plain))


def shortened(found: re.Match[bytes]) -> bytes:
    *_, high, low = found[0]
    return bytes([(high & 1) << 6 | low & 0x3F])
