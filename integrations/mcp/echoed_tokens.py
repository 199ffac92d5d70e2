"""Removes tokens from what third parties answer, in the forms in which an answer usually repeats a request.

That is as it was sent; percent-encoded, also partly or twice; with the escapes of JSON, for JSON in a string; and in
base64 or hexadecimal, also as a part of something longer. A third party that wants to hide a token from this can.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator

from integrations.calls.echoes import SHORTEST

REMOVED = "[an access token was removed]"
RUN = re.compile(r"[A-Za-z0-9]+")
TWINS = {"+": "-", "/": "_"}  # the two alphabets of base64 (RFC 4648 §4, §5)


def remove_tokens(text: str, tokens: Iterable[str]) -> str:
    """The text of a JSON document without these tokens; it is JSON still."""
    for token in tokens:
        if len(token) < SHORTEST:
            continue
        raw = token.encode(errors="replace")
        text = remove_form(text, token, {})
        for part in parts_in_base64(raw):
            text = remove_form(text, part, TWINS)
        for digits in (raw.hex(), raw.hex().upper()):
            text = text.replace(digits, REMOVED)
    return text


def remove_tokens_of_bytes(content: bytes, tokens: Iterable[str]) -> bytes:
    text = content.decode("latin-1")
    for token in tokens:
        if len(token) >= SHORTEST:
            text = text.replace(token, REMOVED)
            text = remove_tokens(text, [token])
    return text.encode("latin-1")


def parts_in_base64(token: bytes) -> Iterator[str]:
    """The characters that the token alone decides, at each of the three places that it may begin at."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + token).decode()
        first = -(-8 * before // 6)
        yield encoded[first : 8 * (before + len(token)) // 6]


def remove_form(text: str, form: str, twins: dict[str, str]) -> str:
    """Remove what reads like `form`. Letters and digits are the same in all forms, so they are looked for first."""
    longest_run = max(RUN.findall(form), key=len, default="")
    if longest_run not in text:
        return text
    return re.sub("".join(pattern_of(char, twins.get(char, "")) for char in form), REMOVED, text)


def pattern_of(char: str, twin: str) -> str:
    """A regular expression for one character in all forms. Repetitions are limited, so that it takes linear time."""
    if RUN.fullmatch(char):
        return char
    plain = re.escape(json.dumps(char, ensure_ascii=False)[1:-1])
    percent = "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in char.encode(errors="replace"))
    forms = [plain, rf"\\{{1,8}}{plain}", rf"(?i:{percent})", rf"\\{{1,8}}u(?i:{ord(char):04x})"]
    return f"(?:{'|'.join([*forms, *([re.escape(twin)] if twin else [])])})"
