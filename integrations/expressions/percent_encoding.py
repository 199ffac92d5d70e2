"""Percent-decoding as lenient as the most lenient server's, repeated up to a limit."""

import re
from urllib.parse import unquote_to_bytes

from foundation.exceptions import Explained

MICROSOFT_ENCODED = re.compile(rb"%[uU]([0-9a-fA-F]{4})")
# Overlong UTF-8 forms of ASCII (RFC 3629 §3).
OVERLONG = re.compile(rb"(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])[\x80-\xbf]")
DEEPEST = 16  # levels of encoding; thousands of them would take minutes to decode
LONGEST_PATH = 64 * 1024  # characters, encoded; most servers accept at most 8 KiB


class TooManyEncodings(Explained, ValueError):
    """More levels of percent-encoding than `deepest`."""

    message = "The text is percent-encoded too many times."


def unquote_fully(path: str, *, deepest: int = DEEPEST) -> str:
    """Decode until nothing changes, because the server behind may decode more than once.

    Decodes what only lenient servers do, too: "%u002e" and "%c0%ae" are dots to some. Raises `TooManyEncodings`.
    """
    raw = path.encode(errors="replace")
    for _ in range(deepest):
        decoded = unquote_once(raw)
        if decoded == raw:
            return raw.decode(errors="replace")
        raw = decoded
    raise TooManyEncodings


def unquote_once(raw: bytes) -> bytes:
    """Decode one level: `%uXXXX`, `%XX`, and overlong UTF-8."""
    plain = MICROSOFT_ENCODED.sub(lambda match: chr(int(match[1], 16)).encode(errors="replace"), raw)
    return OVERLONG.sub(shortest_form, unquote_to_bytes(plain))


def shortest_form(match: re.Match[bytes]) -> bytes:
    """The ASCII character that an overlong form of UTF-8 stands for."""
    *_, high, low = match[0]
    return bytes([(high & 1) << 6 | low & 0x3F])
