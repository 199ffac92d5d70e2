"""Formats of permanent tokens and application passwords.

Secret scanners can recognise a token by its prefix; its checksum reveals a typing error without a query.

    krk_pt_ 8 public characters, 28 secret ones _ 6 of a checksum      permanent token: 166 secret bits
    abcd efgh ijkl mnop qrst uvwx                                      application password: 120 bits

Knows no owners.
"""

import re
import secrets
import string
import zlib

PREFIX = "krk_pt_"
PUBLIC, SECRET, CHECKSUM = 8, 28, 6
DIGITS = string.digits + string.ascii_letters
TOKEN = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{PUBLIC}}})([0-9A-Za-z]{{{SECRET}}})_([0-9A-Za-z]{{{CHECKSUM}}})")

LETTERS = string.ascii_lowercase + "234567"  # 5 bits each; no 0 and 1, which look like letters
PASSWORD, GROUP = 24, 4
APPLICATION_PASSWORD = re.compile(rf"[{LETTERS}]{{{PASSWORD}}}")


def new_token() -> str:
    body = PREFIX + "".join(secrets.choice(DIGITS) for _ in range(PUBLIC + SECRET))
    return f"{body}_{checksum(body)}"


def public_part(token: str) -> str:
    """The part that a token is looked up by; "" if the token is malformed."""
    match = TOKEN.fullmatch(token)
    if match is None or checksum(token.rpartition("_")[0]) != match[3]:
        return ""
    return match[1]


def tokens_in(text: str) -> list[str]:
    """The well-formed tokens in a text, without duplicates."""
    matches = dict.fromkeys(match[0] for match in TOKEN.finditer(text))
    return [token for token in matches if public_part(token)]


def checksum(body: str) -> str:
    """CRC-32 in base 62, as in GitHub's tokens."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM):
        rest, digit = divmod(rest, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def new_application_password() -> str:
    letters = "".join(secrets.choice(LETTERS) for _ in range(PASSWORD))
    return " ".join(letters[at : at + GROUP] for at in range(0, PASSWORD, GROUP))


def normalize(application_password: str) -> str:
    """The password without spaces and dashes, in lower case; "" if it is malformed."""
    letters = re.sub(r"[\s-]", "", application_password).lower()
    return letters if APPLICATION_PASSWORD.fullmatch(letters) else ""
