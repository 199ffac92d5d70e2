"""What an authorization server publishes about itself: RFC 8414, then OpenID Connect Discovery.

Believes a document only about the issuer that was asked; decides nothing about what to do with it.
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
    """An endpoint that is not published is ""; `names_issuer` promises `iss` in authorization responses (RFC 9207)."""

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
    found = _published(issuer)
    _compare(found.get("issuer"), issuer)
    return Metadata(
        issuer=issuer,
        authorization_url=_endpoint(found, "authorization_endpoint", issuer),
        token_url=_required(_endpoint(found, "token_endpoint", issuer)),
        revocation_url=_endpoint(found, "revocation_endpoint", issuer),
        introspection_url=_endpoint(found, "introspection_endpoint", issuer),
        userinfo_url=_endpoint(found, "userinfo_endpoint", issuer),
        code_challenge_methods=_words(found, "code_challenge_methods_supported", MOST_METHODS),
        # RFC 8414 section 2: what a server that says nothing means.
        client_authentications=_words(found, "token_endpoint_auth_methods_supported", MOST_METHODS)
        or ("client_secret_basic",),
        scopes=_words(found, "scopes_supported", MOST_SCOPES),
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _published(issuer: str) -> Mapping[str, object]:
    """The first document there is. Only "not here" leads on to the second place; silence and refusals do not."""
    first, second = _places(issuer)
    try:
        found = _fetch(first)
    except (Misconfigured, Unusable) as exc:
        if exc.code in {"blocked_address", "insecure_url"}:
            raise
        return _fetch(second)
    if found.get("issuer") != issuer or "userinfo_endpoint" in found:
        return found
    return {**_openid(second, issuer), **found}


def _openid(url: str, issuer: str) -> Mapping[str, object]:
    """RFC 8414 knows no userinfo. Where OpenID discovery stands beside it, it adds what the first leaves unsaid."""
    try:
        found = _fetch(url)
    except OAuthError:
        return {}
    return found if found.get("issuer") == issuer else {}


def _places(issuer: str) -> tuple[str, str]:
    """RFC 8414 section 3.1 puts its path before the issuer's, OpenID Connect Discovery section 4 behind it."""
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
    return answers.document(transport.request("GET", url, headers={"Accept": "application/json"}))


def _compare(named: object, issuer: str) -> None:
    """RFC 8414 section 3.3: identical, to the letter. A near miss today is another tenant tomorrow."""
    if named == issuer:
        return
    if isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/"):
        raise Misconfigured("issuer_mismatch", "the server's issuer differs in the slash at its end")
    raise Misconfigured("issuer_mismatch", "the server names another issuer than the one that was asked")


def _endpoint(found: Mapping[str, object], name: str, issuer: str) -> str:
    value = found.get(name) or ""
    if not isinstance(value, str):
        raise Unusable("malformed_metadata", f"{name} is not a URL")
    if value and transport.check_spelling(value).scheme == "http" and urlsplit(issuer).scheme == "https":
        raise Misconfigured("insecure_url", f"{name} is plain http")
    return value


def _required(token_url: str) -> str:
    if not token_url:
        raise Unusable("malformed_metadata", "there is no token_endpoint")
    return token_url


def _words(found: Mapping[str, object], name: str, most: int) -> tuple[str, ...]:
    value = found.get(name)
    words = tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
    if len(words) > most or any(len(word) > LONGEST_WORD for word in words):
        raise Unusable("malformed_metadata", f"{name} names more than {most}, or one that is too long")
    return words
