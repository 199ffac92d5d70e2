"""Reason that a server gives for a refusal (RFC 6749 §5.2, `error_description`), made safe for administrators to read.

A server may repeat what it was sent, so every secret of the request is masked, and so is all that looks like a token.
If the request cannot be parsed, its secrets are not known, and the reason is "".
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote_plus

from requests import Response

LONGEST = 300
MASK = "…"
LEAST_PART = 8  # characters of a secret: fewer are of no use to an attacker, and may be a word
SECRETS = frozenset(
    {
        *("client_secret", "client_assertion", "assertion", "code", "code_verifier", "state"),
        *("token", "access_token", "refresh_token", "id_token", "password"),
    }
)
# Fields of a request that are no secret. Providers call the others as they like.
HARMLESS = frozenset(
    {
        *("grant_type", "client_id", "redirect_uri", "response_type", "scope", "token_type_hint", "audience"),
        *("resource", "code_challenge_method", "username"),
    }
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=~-]{24,}")
_NUMBER = re.compile(r"[A-Za-z0-9_.-]{0,20}[0-9][A-Za-z0-9_.-]{0,10}")  # a code with a digit: 7, AADSTS50076, E-12
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)  # request and trace ids


def reason_in(text: str, response: Response, *, grant_type: str = "") -> str:
    """The server's own text in its response, made safe; "" if it cannot be shown.

    Always "" for the password grant: the text may be about the person's password.
    """
    secrets = None if grant_type == "password" else _secrets_sent(response)
    return "" if secrets is None else mask_secrets(text, secrets)


def add_numbers(text: str, values: Iterable[object]) -> str:
    """The text, followed by the provider's code numbers that it lacks, so that they can be looked up."""
    words = [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
    added = dict.fromkeys(word for word in words if _NUMBER.fullmatch(word) and word not in text)
    return f"{text} ({', '.join(added)})".strip() if added else text


def mask_secrets(reason: str, secrets: Iterable[str]) -> str:
    """The reason as one printable line, with these secrets and all that looks like a token masked."""
    text = " ".join("".join(" " if _is_control(letter) else letter for letter in reason).split())
    spellings = sorted(
        {spelled for secret in secrets if secret for spelled in _spellings(secret)}, key=len, reverse=True
    )
    for secret in spellings:
        text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
    if any(_is_in(text, secret) for secret in spellings):
        return MASK  # a part of a secret, or an encoded one, which cannot be cut out of the rest
    text = _OPAQUE.sub(lambda run: run[0] if _UUID.fullmatch(run[0]) else MASK, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + MASK


def _spellings(secret: str) -> set[str]:
    """The secret itself, and in Base64 and hexadecimal."""
    octets = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(octets), base64.urlsafe_b64encode(octets), octets.hex().encode()}
    return {secret, *(each.decode().rstrip("=") for each in encoded)}


def _is_in(text: str, secret: str) -> bool:
    """Whether the text holds half of the secret, also percent-encoded or as HTML, or all of it with gaps."""
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
    """Secrets in the request of this response. None if they are not known, because the body is not a form."""
    request = response.request
    if request is None:
        return None
    body = request.body or ""
    try:
        text = body.decode("ascii") if isinstance(body, bytes) else str(body)
        fields = _json_fields(text) or parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        return None
    secrets = [
        value for name, value in fields if name in SECRETS or (name not in HARMLESS and len(value) >= LEAST_PART)
    ]
    authorization = request.headers.get("Authorization", "")
    return secrets + _credentials_in(
        authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    )


def _json_fields(text: str) -> list[tuple[str, str]]:
    """Names and texts of a JSON object, which is how some providers want token requests."""
    members = json.loads(text) if text.startswith("{") else {}
    return [(name, value) for name, value in members.items() if isinstance(value, str)]


def _credentials_in(authorization: str) -> list[str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return [credentials]
    try:
        secret = base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return [credentials]
    return [credentials, secret, unquote_plus(secret)]
