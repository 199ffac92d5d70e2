"""Reason that a server gives for a refusal (RFC 6749 §5.2, `error_description`), made safe for administrators to read.

A server may repeat what it was sent, so every secret of the request is masked, and so is whatever looks like a token.
Where what was sent cannot be read, nothing is repeated.
"""

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from requests import Response

LONGEST = 300
MASK = "…"
LEAST_PART = 8  # letters of a secret: fewer are no use, and may be a word
NAMES = ("error_description", "message")
SECRETS = frozenset(
    {
        *("client_secret", "client_assertion", "assertion", "code", "code_verifier", "state"),
        *("token", "access_token", "refresh_token", "id_token", "password"),
    }
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=~-]{24,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # request and trace ids


def reason_in(found: Mapping[str, object], response: Response, *, grant_type: str = "") -> str:
    """The server's own words from the members of its answer; "" where there are none that can be shown.

    Never for the password grant: such words may speak of the person's password.
    """
    words = next((value for name in NAMES if isinstance(value := found.get(name), str) and value.strip()), "")
    sent = None if grant_type == "password" else _secrets_sent(response)
    return "" if sent is None else masked(words, sent)


def masked(words: str, secrets: Iterable[str]) -> str:
    """One line of printable characters without these secrets and without anything that looks like a token."""
    text = " ".join("".join(" " if _is_control(letter) else letter for letter in words).split())
    known = sorted({spelled for secret in secrets if secret for spelled in _spellings(secret)}, key=len, reverse=True)
    for secret in known:
        text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
    if any(_is_in(text, secret) for secret in known):
        return MASK  # a part, or spelled in another way, which cannot be cut out of the rest
    text = _OPAQUE.sub(lambda run: run[0] if _UUID.fullmatch(run[0]) else MASK, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + MASK


def _spellings(secret: str) -> set[str]:
    octets = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(octets), base64.urlsafe_b64encode(octets), octets.hex().encode()}
    return {secret, *(each.decode().rstrip("=") for each in encoded)}


def _is_in(text: str, secret: str) -> bool:
    """Whether the text holds half of the secret, in percent-encoding or HTML too, or all of it with blanks between."""
    decoded, secret = html.unescape(unquote_plus(unquote_plus(text))).lower(), secret.lower()
    size = max(LEAST_PART, len(secret) // 2)
    if any(secret[start : start + size] in decoded for start in range(max(1, len(secret) - size + 1))):
        return True
    looks_random = any(letter.isdigit() for letter in secret) or len(secret) > 2 * LEAST_PART
    return looks_random and len(secret) >= LEAST_PART and _letters(secret) in _letters(decoded)


def _letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _is_control(letter: str) -> bool:
    """Control and format characters (bidirectional overrides among them) and halves of surrogate pairs."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _secrets_sent(response: Response) -> list[str] | None:
    """Secrets of the request that this answers. None where its body is no form, so that nobody knows them."""
    request = response.request
    if request is None:
        return None
    body = request.body or ""
    try:
        text = body.decode("ascii") if isinstance(body, bytes) else str(body)
        fields = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        return None
    found = [value for name, value in fields if name in SECRETS]
    authorization = request.headers.get("Authorization", "")
    return found + _credentials_in(
        authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    )


def _credentials_in(authorization: str) -> list[str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return [credentials]
    try:
        secret = base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return [credentials]
    return [credentials, secret, unquote_plus(secret)]
