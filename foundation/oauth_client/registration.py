"""Our client registration at one authorization server: client authentication, and base URLs that its answers may name.

A value: it knows no database, and opens no socket.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, quote_plus, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Our registration at one authorization server (RFC 6749 §2). Authentication methods are named as in RFC 7591."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    client_authentication: str = "client_secret_basic"
    authorization_url: str = ""
    token_url: str = ""
    refresh_url: str = ""  # where tokens are renewed, if not at the token URL
    revocation_url: str = ""
    introspection_url: str = ""
    userinfo_url: str = ""
    issuer: str = ""
    pkce: bool = True
    code_challenge_method: str = "S256"
    scope_separator: str = " "
    scope_parameter: str = "scope"
    token_path: str = ""
    base_url_path: str = ""
    authorization_parameters: Mapping[str, str] = field(default_factory=dict)
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    call_headers: Mapping[str, str] = field(default_factory=dict)
    userinfo_request: Mapping[str, object] = field(default_factory=dict)
    profile: ProviderProfile = STANDARD

    def at(self, server: str) -> "Registration":
        """The same registration at another origin of the provider; "" is its usual one."""
        return replace(
            self,
            token_url=with_origin(self.token_url, server),
            refresh_url=with_origin(self.refresh_url, server),
            revocation_url=with_origin(self.revocation_url, server),
            introspection_url=with_origin(self.introspection_url, server),
        )


def client_authentication(registration: Registration) -> tuple[AuthBase | None, dict[str, str]]:
    """Authentication header and form fields of a request (RFC 6749 §2.3.1). A public client sends its id alone."""
    method = registration.client_authentication
    if method == "client_secret_basic":
        return Basic(registration.client_id, registration.client_secret), {}
    if method == "client_secret_basic_unencoded":
        return BasicUnencoded(registration.client_id, registration.client_secret), {}
    if method == "client_secret_post":
        return None, {"client_id": registration.client_id, "client_secret": registration.client_secret}
    if method == "none":
        return None, {"client_id": registration.client_id}
    raise Misconfigured("bad_client_authentication", "the client authentication method is not known")


class Basic(AuthBase):
    """HTTP Basic with id and secret form-encoded first (RFC 6749 §2.3.1), so that ":", "%" and any script survive."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = "Basic " + b64encode(self._pair.encode("ascii")).decode("ascii")
        return request


class BasicUnencoded(AuthBase):
    """HTTP Basic with id and secret as they are (RFC 7617), for servers that compare the text undecoded."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._pair = f"{client_id}:{client_secret}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = "Basic " + b64encode(self._pair.encode()).decode("ascii")
        return request


class Bearer(AuthBase):
    """Bearer token (RFC 6750 §2.1). As bytes: a token that is not Latin-1 must arrive as it was issued, in UTF-8."""

    def __init__(self, access_token: str) -> None:
        self._value = b"Bearer " + access_token.encode("utf-8")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._value  # type: ignore[assignment]  # requests sends bytes as they are
        return request


HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def origin(url: str) -> str:
    """Scheme, host and port of a URL, which decide who receives a token. "" if there is no host.

    A URL that cannot be parsed is its own origin, so that it never equals a known one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def is_host_pattern(pattern: str) -> bool:
    """Whether this is a host, or `*.` and at least two labels: "*.com" would match almost any host."""
    return bool(HOST.fullmatch(pattern)) and pattern.removeprefix("*.").count(".") >= 1


def trusted_origin(unverified_base_url: str, patterns: str) -> str:
    """The origin of the base URL if it is https and its host matches one of the patterns; otherwise ""."""
    try:
        parts = urlsplit(unverified_base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    is_trustworthy = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    if not is_trustworthy or not any(matches_pattern(host, pattern) for pattern in patterns.split()):
        return ""
    return f"https://{host}"


def matches_pattern(host: str, pattern: str) -> bool:
    if not HOST.fullmatch(host) or not is_host_pattern(pattern):
        return False
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def fill_address(url: str, values: Mapping[str, str]) -> str:
    """The URL with values in the places of their names in braces. A value in place of the host may be an address."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    hosts = {name: value.removeprefix("https://").rstrip("/") for name, value in values.items()}
    return f"{scheme}://{fill_values(host, hosts)}{slash}{fill_values(path, values, quoted=True)}"


def fill_values(text: str, values: Mapping[str, str], *, quoted: bool = False) -> str:
    """The text with values in the places of their names in braces; `quoted`: as a part of a path or query.

    A name without a value stays as it is.
    """
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", quote(value, safe="") if quoted else value)
    return text


def with_origin(url: str, base_url: str) -> str:
    """The URL with the origin of `base_url`; unchanged if either is ""."""
    parts = urlsplit(base_url)
    return urlsplit(url)._replace(scheme=parts.scheme, netloc=parts.netloc).geturl() if base_url and url else url
