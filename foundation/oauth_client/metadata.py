"""Authorization server metadata: RFC 8414 and OpenID Connect Discovery.

Accepts a document only for the issuer that was requested, or from the very address that was requested. Takes no
decisions based on it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from urllib.parse import urlsplit

from foundation.oauth_client import answers, transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable

MOST_SCOPES, MOST_METHODS = 10_000, 100
LONGEST_WORD, LONGEST_SHOWN = 1000, 300  # characters
WELL_KNOWN = "/.well-known/"
AUTHORIZATION_SERVER, OPENID = "oauth-authorization-server", "openid-configuration"
TENANT = "{tenantid}"
SAME_EVERYWHERE = ("blocked_address", "insecure_url", "dns_failed", "tls_refused", "timeout")
SAYS_MOST = frozenset({"issuer_mismatch", "no_token_endpoint"})
OUR_AUTHENTICATIONS = frozenset({"client_secret_basic", "client_secret_post", "none"})
OUR_GRANTS = frozenset({"authorization_code", "password", "client_credentials"})

Document = Mapping[str, object]


class Demand(StrEnum):
    """Something that a server requires and Keyrack cannot do, or only after a change of the set-up."""

    CLIENT_AUTHENTICATION = "client_authentication"
    PUSHED_REQUESTS = "pushed_requests"
    SIGNED_REQUESTS = "signed_requests"
    DPOP = "dpop"
    BOUND_TOKENS_OFFERED = "bound_tokens_offered"  # a demand only if our client is registered so
    RESPONSE_MODE = "response_mode"
    POSTED_RESPONSE = "posted_response"
    RESPONSE_TYPE = "response_type"
    GRANT_TYPE = "grant_type"
    ENCRYPTED_ID_TOKEN = "encrypted_id_token"  # noqa: S105  # not a password
    CODE_CHALLENGE_METHOD = "code_challenge_method"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Published endpoints, "" if missing. `names_issuer`: authorization responses carry `iss` (RFC 9207)."""

    issuer: str  # as the document spells it; {tenantid} stands for a tenant
    authorization_url: str
    token_url: str
    revocation_url: str
    introspection_url: str
    userinfo_url: str
    code_challenge_methods: tuple[str, ...]
    client_authentications: tuple[str, ...]
    scopes: tuple[str, ...]
    names_issuer: bool
    demands: tuple[Demand, ...] = ()


def discover(address: str) -> Metadata:
    """Fetch and validate the metadata of this issuer, or those at this address of a document.

    Raises an error whose description says what each place answered, if none has metadata that can be used.
    """
    if TENANT in address:
        raise Misconfigured("bad_url", "write a tenant's name or id in place of %(part)s", part=TENANT)
    document = _fetch_metadata(address)
    return Metadata(
        issuer=str(document["issuer"]),
        authorization_url=_endpoint(document, "authorization_endpoint", address),
        token_url=_endpoint(document, "token_endpoint", address),
        revocation_url=_endpoint(document, "revocation_endpoint", address),
        introspection_url=_endpoint(document, "introspection_endpoint", address),
        userinfo_url=_endpoint(document, "userinfo_endpoint", address),
        code_challenge_methods=_words(document, "code_challenge_methods_supported", MOST_METHODS),
        # The default of RFC 8414 §2.
        client_authentications=_words(document, "token_endpoint_auth_methods_supported", MOST_METHODS)
        or ("client_secret_basic",),
        scopes=_words(document, "scopes_supported", MOST_SCOPES),
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        demands=tuple(_demands(document)),
    )


def is_named(issuer: str, published: str) -> bool:
    """Whether a server that publishes this name may be called so: {tenantid} is one segment of the path (Entra)."""
    if TENANT not in urlsplit(published).path.split("/") or published.count(TENANT) > 1:
        return issuer == published
    pattern = re.escape(published).replace(re.escape(TENANT), r"[A-Za-z0-9.-]{1,100}")
    return issuer == published or bool(re.fullmatch(pattern, issuer))


def fill_tenant(issuer: str, *urls: str) -> str:
    """The issuer with the tenant that one of its URLs names in place of {tenantid}. Unchanged if none does."""
    before, placeholder, after = issuer.partition(TENANT)
    for url in urls:
        tenant = url.removeprefix(before).partition("/")[0] if placeholder and url.startswith(before) else ""
        if re.fullmatch(r"[A-Za-z0-9.-]{1,100}", tenant):
            return f"{before}{tenant}{after}"
    return issuer


# Where documents are -------------------------------------------------------------------------------------------------


def _fetch_metadata(address: str) -> Document:
    """The first usable document, complemented by the OpenID document of the same issuer.

    One that names where people sign in, but no token endpoint (Facebook), is used if there is no better one.
    """
    failures: dict[str, OAuthError] = {}
    places, incomplete = _places(address), None
    for place in places:
        try:
            document = _fetch(place, address)
            if not document.get("token_endpoint"):
                incomplete = incomplete or (document if document.get("authorization_endpoint") else None)
                raise Unusable("no_token_endpoint", "the document names no token endpoint, where codes become tokens")
        except OAuthError as error:
            if error.code in SAME_EVERYWHERE:
                raise
            failures[place] = error
        else:
            return document if WELL_KNOWN in address else _complemented(document, places[places.index(place) + 1 :])
    if incomplete:
        return incomplete
    raise _summary(failures)


def _places(address: str) -> tuple[str, ...]:
    """Where the document may be: before the path of the issuer (RFC 8414 §3.1, §5) and after it (OpenID Discovery §4).

    Okta appends the name of RFC 8414 as well. An address below `/.well-known/` is that of the document. Any other
    address with a path may be one, which is tried last.
    """
    parts = transport.check_spelling(address)
    if WELL_KNOWN in parts.path:
        return (address,)
    if parts.query:
        raise Misconfigured("bad_url", "an issuer has no query")
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    places = (
        f"{origin}{WELL_KNOWN}{AUTHORIZATION_SERVER}{path}",
        f"{origin}{path}{WELL_KNOWN}{OPENID}",
        f"{origin}{WELL_KNOWN}{OPENID}{path}",
        f"{origin}{path}{WELL_KNOWN}{AUTHORIZATION_SERVER}",
        *((address,) if path else ()),
    )
    return tuple(dict.fromkeys(places))


def _fetch(place: str, address: str) -> Document:
    """The document at this place. It may name any issuer if this is the address that was requested."""
    response = transport.request("GET", place, headers={"Accept": "application/json"})
    document = {name: value for name, value in answers.parse_document(response).items() if value is not None}
    issuer = document.get("issuer")
    if place != address:
        _check_issuer(issuer, address)
    elif not isinstance(issuer, str) or not _is_address(issuer):
        raise Unusable("malformed_metadata", "a document that names no issuer")
    return document


def _is_address(issuer: str) -> bool:
    try:
        transport.check_spelling(issuer)
    except Misconfigured:
        return False
    return True


def _complemented(document: Document, places: tuple[str, ...]) -> Document:
    """The document with what only the OpenID document of the same issuer says, such as the userinfo endpoint."""
    if "userinfo_endpoint" in document:
        return document
    issuer = str(document["issuer"])
    for place in places:
        if OPENID not in place:
            continue
        try:
            openid = answers.parse_document(transport.request("GET", place, headers={"Accept": "application/json"}))
        except OAuthError:
            continue
        if openid.get("issuer") == issuer:
            return {**openid, **document}
    return document


def _check_issuer(published: object, issuer: str) -> None:
    """The issuer must be identical, character by character (RFC 8414 §3.3): a similar one may be another tenant."""
    if not isinstance(published, str) or not published:
        raise Unusable("malformed_metadata", "a document that names no issuer")
    if is_named(issuer, published):
        return
    names = {"published": published, "issuer": issuer}
    if not published.isprintable() or len(published) > LONGEST_SHOWN:
        raise Misconfigured("issuer_mismatch", "the server names another issuer, which can't be shown")
    if published.rstrip("/") == issuer.rstrip("/"):
        raise Misconfigured(
            "issuer_mismatch",
            "the server's issuer differs in the slash at its end: it is %(published)s, not %(issuer)s",
            **names,
        )
    raise Misconfigured("issuer_mismatch", "the server names another issuer: %(published)s, not %(issuer)s", **names)


def _summary(failures: Mapping[str, OAuthError]) -> OAuthError:
    """One error for all places: its kind is that of the failure that says most."""
    first = min(failures.values(), key=_rank)
    if first.code in SAYS_MOST:
        return first
    summary = type(first)(first.code)
    summary.status = first.status
    summary.parts = {urlsplit(place).path or "/": _answered(error) for place, error in failures.items()}
    return summary


def _rank(error: OAuthError) -> int:
    if error.code in SAYS_MOST:
        return 0
    return 1 if isinstance(error, Unreachable) and error.status != 403 else 3 if error.status in {401, 403, 404} else 2


def _answered(error: OAuthError) -> OAuthError:
    """What one place answered: the status says more than what can't be read in its body."""
    if 300 <= error.status < 400:
        return Unusable(error.code, "a redirect (HTTP %(status)s)", status=error.status)
    return Unusable("HTTP " + str(error.status)) if error.status else error


# What a document says ------------------------------------------------------------------------------------------------


def _endpoint(document: Document, name: str, address: str) -> str:
    value = document.get(name) or ""
    if not isinstance(value, str):
        raise Unusable("malformed_metadata", "%(name)s is not a URL", name=name)
    if value.startswith("/") and not value.startswith("//"):  # a path of the server that publishes the document
        value = urlsplit(address)._replace(path="", query="").geturl() + value
    try:
        is_plain = bool(value) and transport.check_spelling(value).scheme == "http"
    except Misconfigured as error:
        raise Misconfigured(error.code, "%(name)s: %(why)s", name=name, why=error) from None
    if is_plain and urlsplit(address).scheme == "https":
        raise Misconfigured("insecure_url", "%(name)s is plain http", name=name)
    return value


def _words(document: Document, name: str, limit: int) -> tuple[str, ...]:
    value = document.get(name)
    value = value.split() if isinstance(value, str) else value  # one word, or several as in a scope
    words = tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
    if len(words) > limit or any(len(word) > LONGEST_WORD for word in words):
        raise Unusable(
            "malformed_metadata", "%(name)s names more than %(limit)s, or one that is too long", name=name, limit=limit
        )
    return words


def _listed(document: Document, name: str) -> set[str]:
    return set(_words(document, name, MOST_METHODS))


def _demands(document: Document) -> Iterator[Demand]:
    """What the server requires beyond what Keyrack does. A list that is missing requires nothing."""
    listed = partial(_listed, document)
    authentications = listed("token_endpoint_auth_methods_supported")
    if authentications and not authentications & OUR_AUTHENTICATIONS:
        yield Demand.CLIENT_AUTHENTICATION
    if document.get("require_pushed_authorization_requests") is True:
        yield Demand.PUSHED_REQUESTS
    if document.get("require_signed_request_object") is True:
        yield Demand.SIGNED_REQUESTS
    if document.get("dpop_bound_access_tokens") is True:
        yield Demand.DPOP
    elif (
        listed("dpop_signing_alg_values_supported")
        or document.get("tls_client_certificate_bound_access_tokens") is True
    ):
        yield Demand.BOUND_TOKENS_OFFERED
    grants = listed("grant_types_supported")
    if grants and not grants & OUR_GRANTS:
        yield Demand.GRANT_TYPE
    types = listed("response_types_supported")
    if types and "code" not in types and (not grants or "authorization_code" in grants):
        yield Demand.RESPONSE_TYPE
    modes = listed("response_modes_supported")
    if modes and not modes & {"query", "form_post"}:
        yield Demand.RESPONSE_MODE
    elif modes and "query" not in modes:
        yield Demand.POSTED_RESPONSE
    if listed("id_token_encryption_alg_values_supported") and not listed("id_token_signing_alg_values_supported"):
        yield Demand.ENCRYPTED_ID_TOKEN
    methods = listed("code_challenge_methods_supported")
    if methods and not methods & {"S256", "plain"}:
        yield Demand.CODE_CHALLENGE_METHOD
