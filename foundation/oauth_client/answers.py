"""Hostile answers in, TokenAnswer or an OAuthError out; never anything else, whatever comes.

One thought decides doubtful cases: by the time we read, the server may have issued and rotated. Refusing a usable token
because its envelope is odd (a lifetime of "abc", scopes as a list, NaN) would lose it for good, so oddities become "not
told". Only what could harm is refused. Opens no socket and keeps nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import parse_qsl

from requests import Response

from foundation.oauth_client import error_codes, error_reasons, json_pointers
from foundation.oauth_client.errors import (
    Misconfigured,
    OAuthError,
    Refused,
    Unexplained,
    Unreachable,
    Unusable,
)

MAX_TOKEN_BYTES = 64 << 10
MAX_SCOPES = 64 << 10  # characters of all of them
MAX_LIFETIME = 10 * 365 * 86400
MAX_RETRY_AFTER = 86400.0

_BEARERS = frozenset({"", "bearer", "user", "bot"})  # Slack says whose token it is instead of how it is sent
_SECRET = re.compile(r"token|secret|password|assertion", re.IGNORECASE)
_REFRESH_LIFETIMES = ("refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in")


@dataclass(frozen=True, kw_only=True)
class TokenAnswer:
    """What a token endpoint granted. None means "not told"; `claims` are the id token's, and only ever checked ones."""

    access_token: str = field(repr=False)
    token_type: str
    refresh_token: str = field(default="", repr=False)
    expires_in: int | None = None
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] | None = None
    claims: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    unverified_id_token: str = field(default="", repr=False)
    unverified_base_url: str = ""  # where the server says that this person's API is
    said: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)  # all of it

    def tell(self, pointer: str) -> object:
        """What else the answer says, such as whose token it is. None for what speaks of a secret by its name."""
        return None if _SECRET.search(pointer) else json_pointers.at(self.said, pointer)


def read(response: Response, *, grant_type: str = "", token_path: str = "", base_url_path: str = "") -> TokenAnswer:
    """The answer of a token endpoint to a request of this grant type; its tokens where `token_path` points to."""
    found = _members(response)
    if _error(found) or not _succeeded(response):
        raise failure(response, grant_type=grant_type)
    if not found:
        raise Unusable("not_a_token_answer", "the answer is neither JSON nor a form")
    granted = _granted(found, token_path)
    if _told(granted, "token_type").lower() not in _BEARERS:
        raise Unusable("unsupported_token_type", "only bearer tokens can be used")
    return TokenAnswer(
        access_token=_secret(granted.get("access_token"), "access_token"),
        token_type="Bearer",  # noqa: S106  # the name of a scheme, not a password
        refresh_token=_optional_secret(granted.get("refresh_token"), "refresh_token"),
        expires_in=_seconds(granted.get("expires_in")),
        refresh_expires_in=_refresh_lifetime(granted),
        scopes=_scopes(granted.get("scope")),
        unverified_id_token=_told(found, "id_token"),
        unverified_base_url=_text_at(found, base_url_path),
        said=found,
    )


def _text_at(found: Mapping[str, object], pointer: str) -> str:
    value = json_pointers.at(found, pointer) if pointer else ""
    return value if isinstance(value, str) else ""


def _granted(found: Mapping[str, object], token_path: str) -> Mapping[str, object]:
    """The object that holds the person's tokens. Where there is none of that name, the answer itself: Slack nests
    what it grants at a sign-in beside its bot's token, and not what it gives for a refresh token.
    """
    nested = json_pointers.at(found, token_path) if token_path else None
    return nested if isinstance(nested, dict) else found


def document(response: Response) -> Mapping[str, object]:
    """The JSON object in an answer that is not about tokens: metadata, userinfo, introspection."""
    if not _succeeded(response):
        raise failure(response)
    found = _json_object(response)
    if found is None:
        raise Unusable("not_json", "the answer is not a JSON object")
    return found


def failure(response: Response, *, grant_type: str = "") -> OAuthError:
    """Whom to blame for an answer that is not a success."""
    error = _blame(response, grant_type)
    error.status, error.fingerprint = response.status_code, _fingerprint(response)
    error.reason = error_reasons.reason_in(_members(response), response, grant_type=grant_type)
    return error


def _fingerprint(response: Response) -> str:
    """Status and words of a refusal. What differs from answer to answer (ids, times) holds digits, and is left out."""
    words = [
        f"{name}={value}"
        for name, value in sorted(_members(response).items())
        if isinstance(value, str) and not re.search(r"\d", value)
    ]
    return hashlib.sha256("\n".join([str(response.status_code), *words]).encode("utf-8", "surrogatepass")).hexdigest()


def _blame(response: Response, grant_type: str) -> OAuthError:
    """The status outranks the body where it speaks of time."""
    status = response.status_code
    if 300 <= status < 400:
        return Misconfigured("redirected", "the endpoint answers with a redirect, which is not followed")
    code = _error(_members(response))
    if status in {408, 429} or status >= 500 or code in error_codes.TRANSIENT:
        transient = code if code in error_codes.TRANSIENT else f"http_{status}"
        return Unreachable(transient, retry_after=_retry_after(response))
    if grant_type == "refresh_token" and code in error_codes.UNEXPLAINED_AT_REFRESH:
        return Unexplained(code)
    if code in error_codes.REFUSED:
        return Refused(code)
    if code in error_codes.MISCONFIGURED:
        return Misconfigured(code)
    return _unexplained(response, code, grant_type)


def _unexplained(response: Response, code: str, grant_type: str) -> OAuthError:
    """No error code we know. A page in HTML is a firewall or a proxy speaking, which says nothing about a grant."""
    status = response.status_code
    told = code or f"http_{status}"
    is_page = bool(response.content.strip()) and _json_object(response) is None and not _form(response)
    if grant_type == "refresh_token" and status in {400, 403, 422} and not is_page:
        return Unexplained(told)
    if grant_type == "password" and status in {401, 403} and not is_page:
        return Refused(told)
    if status == 403:
        return Unreachable(told, retry_after=_retry_after(response))
    if status in {401, 404, 405, 410, 415}:
        return Misconfigured(told)
    return Unusable(told)


def _succeeded(response: Response) -> bool:
    return 200 <= response.status_code < 300


def _members(response: Response) -> Mapping[str, object]:
    """The members of a JSON object or, as GitHub answers by default, of a form. Empty when it is neither."""
    found = _json_object(response)
    return _form(response) if found is None else found


def _json_object(response: Response) -> Mapping[str, object] | None:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _form(response: Response) -> Mapping[str, object]:
    try:
        text = response.content.decode("ascii").strip()
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=50, errors="strict")
    except ValueError:
        return {}
    found = dict(pairs)
    is_ours = len(found) == len(pairs) and ("access_token" in found or "error" in found)
    return found if is_ours else {}


def _error(found: Mapping[str, object]) -> str:
    """The error code, "" if there is none. A word that is no code is not repeated: it could hold anything."""
    error = found.get("error")
    if not error:
        return "" if found.get("ok", True) is not False else "unknown_error"
    word = error.strip().lower() if isinstance(error, str) else ""
    return word if re.fullmatch(r"[a-z_]{2,40}", word) else "unknown_error"


def _told(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    return "" if value is None else str(value) if isinstance(value, str | int | float) else "unreadable"


def _secret(value: object, name: str) -> str:
    """Printable in any script: RFC 6749 says ASCII, servers don't all. Never what could end or split a header."""
    if not isinstance(value, str) or not value:
        raise Unusable(f"no_{name}", "the answer holds no such token")
    if not value.isprintable() or value != value.strip() or len(value.encode("utf-8")) > MAX_TOKEN_BYTES:
        raise Unusable(f"malformed_{name}", "the token cannot be sent in a header")
    return value


def _optional_secret(value: object, name: str) -> str:
    return "" if value is None or value == "" else _secret(value, name)


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    except OverflowError:  # an integer beyond floats
        seconds = float("inf") if int(value) > 0 else 0.0
    if seconds != seconds:  # NaN
        return None
    return int(min(max(seconds, 0.0), MAX_LIFETIME))


def _refresh_lifetime(found: Mapping[str, object]) -> int | None:
    """Zero is Keycloak's word for an offline token that never ends; nobody hands out a dead one."""
    return next((seconds for name in _REFRESH_LIFETIMES if (seconds := _seconds(found.get(name)))), None)


def _scopes(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        words = re.split(r"[\s,]+", value)
    elif isinstance(value, list):
        words = [word.strip() for word in value if isinstance(word, str)]
    else:
        return None
    scopes = tuple(dict.fromkeys(word for word in words if word.isprintable() and word))
    return scopes if sum(map(len, scopes)) <= MAX_SCOPES else None


def _retry_after(response: Response) -> float | None:
    """RFC 9110 section 10.2.3: seconds or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
