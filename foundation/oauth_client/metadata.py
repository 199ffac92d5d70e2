"""Authorization server metadata: RFC 8414, then OpenID Connect Discovery.

Accepts a document only for the issuer that was requested. Takes no decisions based on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from foundation.oauth_client import answers, transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unusable

MOST_SCOPES, MOST_METHODS = 10_000, 100
LONGEST_WORD = 1000  # characters


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Published endpoints, "" if missing. `names_issuer`: authorization responses carry `iss` (RFC 9207)."""

    issuer: str
    authorization_url: str
    token_url: str
    revocation_url: str
    introspection_url: str
    userinfo_url: str
    code_challenge_methods: tuple[str, ...]
    client_authentications: tuple[str, ...]
    scopes: tuple[str, ...]
    names_issuer: bool


def discover(issuer: str) -> Metadata:
    """Fetch and validate the metadata of this issuer."""
    document = _fetch_metadata(issuer)
    _check_issuer(document.get("issuer"), issuer)
    return Metadata(
        issuer=issuer,
        authorization_url=_endpoint(document, "authorization_endpoint", issuer),
        token_url=_required(_endpoint(document, "token_endpoint", issuer)),
        revocation_url=_endpoint(document, "revocation_endpoint", issuer),
        introspection_url=_endpoint(document, "introspection_endpoint", issuer),
        userinfo_url=_endpoint(document, "userinfo_endpoint", issuer),
        code_challenge_methods=_words(document, "code_challenge_methods_supported", MOST_METHODS),
        # The default of RFC 8414 §2.
        client_authentications=_words(document, "token_endpoint_auth_methods_supported", MOST_METHODS)
        or ("client_secret_basic",),
        scopes=_words(document, "scopes_supported", MOST_SCOPES),
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _fetch_metadata(issuer: str) -> Mapping[str, object]:
    """The first document that exists. The second URL is tried if the first has none, not if the server is down."""
    first, second = _metadata_urls(issuer)
    try:
        document = _fetch(first)
    except (Misconfigured, Unusable) as exc:
        if exc.code in {"blocked_address", "insecure_url"}:
            raise
        return _fetch(second)
    if document.get("issuer") != issuer or "userinfo_endpoint" in document:
        return document
    return {**_fetch_openid(second, issuer), **document}


def _fetch_openid(url: str, issuer: str) -> Mapping[str, object]:
    """The OpenID document, or {}. It adds what RFC 8414 metadata lacks, such as the userinfo endpoint."""
    try:
        document = _fetch(url)
    except OAuthError:
        return {}
    return document if document.get("issuer") == issuer else {}


def _metadata_urls(issuer: str) -> tuple[str, str]:
    """The two well-known URLs: before the path of the issuer (RFC 8414 §3.1), and after it (OpenID Discovery §4)."""
    parts = transport.check_spelling(issuer)
    if parts.query:
        raise Misconfigured("bad_url", "an issuer has no query")
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def _fetch(url: str) -> Mapping[str, object]:
    return answers.parse_document(transport.request("GET", url, headers={"Accept": "application/json"}))


def _check_issuer(published: object, issuer: str) -> None:
    """The issuer must be identical, character by character (RFC 8414 §3.3): a similar one may be another tenant."""
    if published == issuer:
        return
    if isinstance(published, str) and published.rstrip("/") == issuer.rstrip("/"):
        raise Misconfigured("issuer_mismatch", "the server's issuer differs in the slash at its end")
    raise Misconfigured("issuer_mismatch", "the server names another issuer than the one that was asked")


def _endpoint(document: Mapping[str, object], name: str, issuer: str) -> str:
    value = document.get(name) or ""
    if not isinstance(value, str):
        raise Unusable("malformed_metadata", f"{name} is not a URL")
    if value and transport.check_spelling(value).scheme == "http" and urlsplit(issuer).scheme == "https":
        raise Misconfigured("insecure_url", f"{name} is plain http")
    return value


def _required(token_url: str) -> str:
    if not token_url:
        raise Unusable("malformed_metadata", "there is no token_endpoint")
    return token_url


def _words(document: Mapping[str, object], name: str, limit: int) -> tuple[str, ...]:
    value = document.get(name)
    words = tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
    if len(words) > limit or any(len(word) > LONGEST_WORD for word in words):
        raise Unusable("malformed_metadata", f"{name} names more than {limit}, or one that is too long")
    return words
