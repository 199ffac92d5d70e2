"""Parse untrusted responses of an authorization server: a `TokenAnswer` or an `OAuthError`, and nothing else.

By the time we parse, the server may have issued tokens and rotated. To reject a usable token because another member
is odd (a lifetime of "abc", scopes as a list, NaN) would lose it for good, so odd members become None. Only what
could do harm is rejected. Opens no socket; stateless.
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
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable

MAX_TOKEN_BYTES = 64 << 10
MAX_SCOPES = 64 << 10  # characters of all of them
MAX_LIFETIME = 10 * 365 * 86400
MAX_RETRY_AFTER = 86400.0

_BEARERS = frozenset({"", "bearer", "user", "bot"})  # Slack names the kind of owner instead of the scheme
_SECRET = re.compile(r"token|secret|password|assertion", re.IGNORECASE)
_REFRESH_LIFETIMES = ("refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in")


@dataclass(frozen=True, kw_only=True)
class TokenAnswer:
    """What a token endpoint granted. None: the server does not say. `claims` are the validated id token's."""

    access_token: str = field(repr=False)
    token_type: str
    refresh_token: str = field(default="", repr=False)
    expires_in: int | None = None
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] | None = None
    claims: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    unverified_id_token: str = field(default="", repr=False)
    unverified_base_url: str = ""  # of this person's API, according to the server
    said: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)  # all members

    def member_at(self, pointer: str) -> object:
        """Another member, such as the owner of the token. None if its name suggests a secret."""
        return None if _SECRET.search(pointer) else json_pointers.resolve(self.said, pointer)


def parse_token_answer(
    response: Response, *, grant_type: str = "", token_path: str = "", base_url_path: str = ""
) -> TokenAnswer:
    """Parse the response of a token endpoint to a request of this grant type. `token_path` points to the tokens."""
    members = _members(response)
    if _error_code(members) or not _succeeded(response):
        raise error_from(response, grant_type=grant_type)
    if not members:
        raise Unusable("not_a_token_answer", "the answer is neither JSON nor a form")
    grant = _grant_in(members, token_path)
    if _text(grant, "token_type").lower() not in _BEARERS:
        raise Unusable("unsupported_token_type", "only bearer tokens can be used")
    return TokenAnswer(
        access_token=_secret(grant.get("access_token"), "access_token"),
        token_type="Bearer",  # noqa: S106  # the name of a scheme, not a password
        refresh_token=_optional_secret(grant.get("refresh_token"), "refresh_token"),
        expires_in=_seconds(grant.get("expires_in")),
        refresh_expires_in=_refresh_lifetime(grant),
        scopes=_scopes(grant.get("scope")),
        unverified_id_token=_text(members, "id_token"),
        unverified_base_url=_text_at(members, base_url_path),
        said=members,
    )


def _text_at(members: Mapping[str, object], pointer: str) -> str:
    value = json_pointers.resolve(members, pointer) if pointer else ""
    return value if isinstance(value, str) else ""


def _grant_in(members: Mapping[str, object], token_path: str) -> Mapping[str, object]:
    """The object that holds the person's tokens; the whole response if `token_path` leads to none.

    Slack nests the person's tokens beside its bot's at a sign-in, but not in the response to a refresh.
    """
    nested = json_pointers.resolve(members, token_path) if token_path else None
    return nested if isinstance(nested, dict) else members


def parse_document(response: Response) -> Mapping[str, object]:
    """The JSON object of a response that grants no tokens: metadata, userinfo, introspection."""
    if not _succeeded(response):
        raise error_from(response)
    members = _json_object(response)
    if members is None:
        raise Unusable("not_json", "the answer is not a JSON object")
    return members


def error_from(response: Response, *, grant_type: str = "") -> OAuthError:
    """The error for a response that is not a success."""
    error = _error_of(response, grant_type)
    error.status, error.fingerprint = response.status_code, _fingerprint(response)
    error.reason = error_reasons.reason_in(_members(response), response, grant_type=grant_type)
    return error


def _fingerprint(response: Response) -> str:
    """A hash of status and texts. Texts with digits (ids, times) differ in each response and are left out."""
    words = [
        f"{name}={value}"
        for name, value in sorted(_members(response).items())
        if isinstance(value, str) and not re.search(r"\d", value)
    ]
    return hashlib.sha256("\n".join([str(response.status_code), *words]).encode("utf-8", "surrogatepass")).hexdigest()


def _error_of(response: Response, grant_type: str) -> OAuthError:
    """Choose the error class. Statuses that mean "try later" take precedence over the body."""
    status = response.status_code
    if 300 <= status < 400:
        return Misconfigured("redirected", "the endpoint answers with a redirect, which is not followed")
    code = _error_code(_members(response))
    if status in {408, 429} or status >= 500 or code in error_codes.TRANSIENT:
        transient = code if code in error_codes.TRANSIENT else f"http_{status}"
        return Unreachable(transient, retry_after=_retry_after(response))
    if grant_type == "refresh_token" and code in error_codes.UNEXPLAINED_AT_REFRESH:
        return Unexplained(code)
    if code in error_codes.REFUSED:
        return Refused(code)
    if code in error_codes.MISCONFIGURED:
        return Misconfigured(code)
    return _error_by_status(response, code, grant_type)


def _error_by_status(response: Response, code: str, grant_type: str) -> OAuthError:
    """Choose the error class for an unknown code. An HTML page comes from a firewall or proxy, and proves nothing."""
    status = response.status_code
    code = code or f"http_{status}"
    is_page = bool(response.content.strip()) and _json_object(response) is None and not _form(response)
    if grant_type == "refresh_token" and status in {400, 403, 422} and not is_page:
        return Unexplained(code)
    if grant_type == "password" and status in {401, 403} and not is_page:
        return Refused(code)
    if status == 403:
        return Unreachable(code, retry_after=_retry_after(response))
    if status in {401, 404, 405, 410, 415}:
        return Misconfigured(code)
    return Unusable(code)


def _succeeded(response: Response) -> bool:
    return 200 <= response.status_code < 300


def _members(response: Response) -> Mapping[str, object]:
    """The members of a JSON object or, as GitHub responds by default, of a form. Empty if it is neither."""
    members = _json_object(response)
    return _form(response) if members is None else members


def _json_object(response: Response) -> Mapping[str, object] | None:
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _form(response: Response) -> Mapping[str, object]:
    try:
        text = response.content.decode("ascii").strip()
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=50, errors="strict")
    except ValueError:
        return {}
    members = dict(pairs)
    is_known = len(members) == len(pairs) and ("access_token" in members or "error" in members)
    return members if is_known else {}


def _error_code(members: Mapping[str, object]) -> str:
    """The error code; "" if there is none. Text that is not a code is replaced, because it could hold anything."""
    error = members.get("error")
    if not error:
        return "" if members.get("ok", True) is not False else "unknown_error"
    code = error.strip().lower() if isinstance(error, str) else ""
    return code if re.fullmatch(r"[a-z_]{2,40}", code) else "unknown_error"


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return "" if value is None else str(value) if isinstance(value, str | int | float) else "unreadable"


def _secret(value: object, name: str) -> str:
    """A token that can be sent in a header. RFC 6749 demands ASCII, but some servers use other printable characters."""
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


def _refresh_lifetime(members: Mapping[str, object]) -> int | None:
    """Seconds, or None. Zero is how Keycloak says "never" (offline tokens); no server issues a dead token."""
    return next((seconds for name in _REFRESH_LIFETIMES if (seconds := _seconds(members.get(name)))), None)


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
    """Retry-After in seconds, sent as seconds or as a date (RFC 9110 §10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
