"""Reason that a server gives for a refusal (RFC 6749 §5.2, `error_description`), made safe for administrators to read.

A server may repeat what it was sent, so every secret of the request is masked, wherever in it that stood, and all that
looks like a token. If the request cannot be parsed, its secrets are not known, and the reason is "".
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from requests import PreparedRequest, Response

from foundation.oauth_client import transport

LONGEST = 300
LONGEST_READ = 2000  # characters of the server's text; fewer are shown
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
HARMLESS_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "connection", "content-length", "content-type", "host"),
        *("user-agent", "authorization"),  # the last of which is read by itself
    }
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=~-]{24,}")
_NUMBER = re.compile(r"[A-Za-z0-9_.-]{0,20}[0-9][A-Za-z0-9_.-]{0,10}")  # a code with a digit: 7, AADSTS50076, E-12
# Words of a code, such as client_authentication_failed. Tokens have digits, or letters of both cases.
_WORDS = re.compile(r"[a-z]{1,15}([_-][a-z]{1,15}){2,7}|[A-Z]{1,15}([_-][A-Z]{1,15}){2,7}")
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
    text = " ".join("".join(" " if _is_control(letter) else letter for letter in _beginning(reason)).split())
    spellings = sorted(
        {spelled for secret in secrets if secret for spelled in _spellings(secret)}, key=len, reverse=True
    )
    for secret in spellings:
        if len(secret) <= len(text):
            text = re.sub(re.escape(secret), MASK, text, flags=re.IGNORECASE)
    decoded = html.unescape(unquote_plus(unquote_plus(text))).lower()
    pieces, letters = _pieces(decoded), _letters(decoded)
    if any(_is_in(decoded, pieces, letters, secret.lower()) for secret in spellings):
        return MASK  # a part of a secret, or an encoded one, which cannot be cut out of the rest
    text = _OPAQUE.sub(lambda run: run[0] if _UUID.fullmatch(run[0]) or _WORDS.fullmatch(run[0]) else MASK, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + MASK


def _spellings(secret: str) -> set[str]:
    """The secret itself, and in Base64 and hexadecimal."""
    octets = secret.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(octets), base64.urlsafe_b64encode(octets), octets.hex().encode()}
    return {secret, *(each.decode().rstrip("=") for each in encoded)}


def _beginning(text: str) -> str:
    """The beginning of the text, without the word at its end, which may be a part of a secret."""
    return text if len(text) <= LONGEST_READ else text[:LONGEST_READ].rpartition(" ")[0] + f" {MASK}"


def _pieces(text: str) -> set[str]:
    """All runs of `LEAST_PART` characters."""
    return {text[start : start + LEAST_PART] for start in range(len(text) - LEAST_PART + 1)}


def _is_in(decoded: str, pieces: set[str], letters: str, secret: str) -> bool:
    """Whether the text holds half of the secret, also percent-encoded or as HTML, or all of it with gaps.

    `pieces` and `letters` are those of the text, and spare the search in most cases.
    """
    size = max(LEAST_PART, len(secret) // 2)
    if size <= len(decoded) and any(
        secret[start : start + LEAST_PART] in pieces and secret[start : start + size] in decoded
        for start in range(max(1, len(secret) - size + 1))
    ):
        return True
    looks_random = any(letter.isdigit() for letter in secret) or len(secret) > 2 * LEAST_PART
    return looks_random and len(secret) >= LEAST_PART and _letters(secret) in letters


def _letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _is_control(letter: str) -> bool:
    """Control and format characters (bidirectional overrides among them) and halves of surrogate pairs."""
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _secrets_sent(response: Response) -> list[str] | None:
    """Secrets in the request of this response. None if they are not known, because the body cannot be read."""
    request = transport.request_sent(response)
    if request is None:
        return None
    try:
        fields = [*_fields_of_url(request.url or ""), *_fields_of_body(request.body or "")]
    except (ValueError, RecursionError):
        return None
    secrets = [
        value for name, value in fields if name in SECRETS or (name not in HARMLESS and len(value) >= LEAST_PART)
    ]
    return [*secrets, *_secrets_in_headers(request)]


def _fields_of_url(url: str) -> Iterator[tuple[str, str]]:
    """Names and values of the query, and the parts of the path that look like a secret (Facebook revokes at one)."""
    parts = urlsplit(url)
    yield from parse_qsl(parts.query, keep_blank_values=True)
    for part in map(unquote, parts.path.split("/")):
        if len(part) >= 2 * LEAST_PART and any(letter.isdigit() for letter in part):
            yield "", part


def _fields_of_body(body: str | bytes) -> Iterable[tuple[str, str]]:
    """Names and texts of a form or of a JSON value. Raises `ValueError` if it is neither."""
    text = body.decode("utf-8") if isinstance(body, bytes) else str(body)
    if text.lstrip().startswith(("{", "[")):
        return _texts_in("", json.loads(text))
    return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))


def _texts_in(name: str, value: object) -> Iterator[tuple[str, str]]:
    """All texts of a JSON value, at any depth, with the names of their members."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _texts_in(str(key), member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts_in(name, member)
    elif isinstance(value, str):
        yield name, value


def _secrets_in_headers(request: PreparedRequest) -> Iterator[str]:
    """Credentials of the header Authorization, and values of all headers that are not known as harmless."""
    for name, value in request.headers.items():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if name.lower() == "authorization":
            yield from _credentials_in(text)
        elif name.lower() not in HARMLESS_HEADERS:
            yield from (part for part in {text, *text.split()} if len(part) >= LEAST_PART)


def _credentials_in(authorization: str) -> list[str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return [credentials]
    try:
        secret = base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return [credentials]
    return [credentials, secret, unquote_plus(secret)]
