"""Requests of an OAuth client to an authorization server: RFC 6749, 7636, 7662 and OpenID Connect's userinfo.

Token requests go through `token_endpoint`, all others straight to the transport; `answers` parses the responses.
Stateless; knows no users and no database.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient

from foundation.oauth_client import answers, dialects, error_answers, id_tokens, provider_requests, transport
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured, Unusable
from foundation.oauth_client.registration import Registration, client_authentication, fill_values, with_origin
from foundation.oauth_client.signatures import proof_parameters
from foundation.oauth_client.token_endpoint import TokenSession

__all__ = [
    "AuthorizationRequest",
    "Introspection",
    "Registration",
    "authorization_request",
    "client_credentials",
    "exchange",
    "introspect",
    "password",
    "post",
    "refresh",
    "userinfo",
]

# Not for an administrator's extra parameters: these bind the response to this request, or replace the whole request.
_RESERVED = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """The URL to send the browser to, and the values that the response must match.

    `code_verifier` is "" without PKCE, `nonce` is "" without the scope openid.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Introspection:
    active: bool
    claims: Mapping[str, object] = field(repr=False)


def authorization_request(
    registration: Registration,
    *,
    redirect_uri: str,
    scopes: Iterable[str],
    prompt: str = "",
    demanded: Mapping[str, str] = MappingProxyType({}),
) -> AuthorizationRequest:
    """Build an authorization request with a fresh state, verifier and nonce (RFC 6749 §4.1.1, RFC 7636).

    PKCE "plain" is used only if the registration says so. `prompt` is a default: the registration or the endpoint's own
    query may override it, and "" leaves it out. `demanded`: parameters that an API has asked for, such as `claims`;
    they are defaults, too.
    """
    scopes = tuple(scopes)
    state = secrets.token_urlsafe(32)
    nonce = secrets.token_urlsafe(32) if "openid" in scopes else ""
    code_verifier, challenge = _pkce(registration)
    parameters = {
        registration.scope_parameter: registration.scope_separator.join(scopes),
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "nonce": nonce,
        **challenge,
    }
    ways = registration.profile.authorization
    if registration.profile.callback.posted:
        parameters["response_mode"] = "form_post"
    values = {
        "client_id": registration.client_id,
        "redirect_uri": redirect_uri,
        "scope": parameters[registration.scope_parameter],
    }
    parameters |= {name: fill_values(text, values) for name, text in ways.parameters.items()}
    named = {ways.names.get(name, name) or "": value for name, value in parameters.items()}
    named.pop("", None)
    defaults = {**demanded, **({"prompt": prompt} if prompt else {})}
    url = _authorization_url(registration.authorization_url, named, registration.authorization_parameters, defaults)
    return AuthorizationRequest(url=url, state=state, code_verifier=code_verifier, nonce=nonce)


def exchange(
    registration: Registration,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    nonce: str = "",
    scopes: Iterable[str] = (),
    state: str = "",
) -> TokenAnswer:
    """Exchange an authorization code for tokens (RFC 6749 §4.1.3). `Unusable` if an id token is invalid.

    `scopes` and `state`: those of the authorization request, where the provider wants them once more.
    """
    web, scope = WebApplicationClient(registration.client_id), registration.scope_separator.join(scopes)
    session = TokenSession(registration, web, redirect_uri=redirect_uri, scope=scope, state=state)
    answer = session.fetch(code=code, code_verifier=code_verifier or None)
    return provider_requests.exchange_for_longer(registration, _with_claims(answer, registration, nonce))


def password(registration: Registration, *, username: str, password: str, scopes: Iterable[str] = ()) -> TokenAnswer:
    """Exchange a user name and password for tokens (RFC 6749 §4.3). `Refused`: wrong user name or password."""
    session = TokenSession(registration, LegacyApplicationClient(registration.client_id))
    scope = registration.scope_separator.join(scopes)
    return _with_claims(session.fetch(username=username, password=password, scope=scope), registration, "")


def client_credentials(registration: Registration, *, scopes: Iterable[str] = ()) -> TokenAnswer:
    """Request a token for the client itself (RFC 6749 §4.4)."""
    session = TokenSession(registration, BackendApplicationClient(registration.client_id))
    return session.fetch(scope=registration.scope_separator.join(scopes))


def refresh(
    registration: Registration, *, refresh_token: str, scopes: Iterable[str] = (), redirect_uri: str = ""
) -> TokenAnswer:
    """Refresh (RFC 6749 §6). An empty `refresh_token` in the result means that the old one stays valid.

    An invalid id token is ignored: the server has rotated already, and raising would lose the new tokens.
    `scopes` and `redirect_uri` are sent where the profile of the provider names them; RFC 6749 needs neither.
    """
    web, scope = WebApplicationClient(registration.client_id), registration.scope_separator.join(scopes)
    session = TokenSession(registration, web, url=registration.refresh_url, redirect_uri=redirect_uri, scope=scope)
    answer = session.renew(refresh_token)
    try:
        return _with_claims(answer, registration, "")
    except (Misconfigured, Unusable):
        return answer


def introspect(registration: Registration, token: str, *, hint: str = "") -> Introspection:
    """Introspect a token (RFC 7662). Active only if the member is the JSON value `true`."""
    response = post(registration, registration.introspection_url, {"token": token, "token_type_hint": hint})
    claims = answers.parse_document(response)
    return Introspection(active=claims.get("active") is True, claims=claims)


def userinfo(registration: Registration, access_token: str, *, base_url: str = "") -> Mapping[str, object]:
    """Claims about the user (OpenID Connect Core §5.3, or as registered). `base_url`: from the token response.

    A successful status with `"ok": false` counts as an error.
    """
    try:
        request = dialects.parse_userinfo_request(registration.userinfo_request)
        value_names = registration.profile.kept_values()
        header_texts = {
            **dialects.parse_call_headers("call_headers", registration.call_headers, value_names=value_names),
            **request.headers,
        }
    except dialects.BadDialect as error:
        raise Misconfigured("bad_userinfo_request", str(error)) from None
    url = with_origin(registration.userinfo_url, base_url) if request.at_base_url else registration.userinfo_url
    token_headers = dialects.build_headers(
        header_texts, client_id=registration.client_id, access_token=access_token, value_names=value_names
    )
    content_type = {} if request.json is None else {"Content-Type": "application/json"}
    headers: dict[str, str | bytes] = {"Accept": "application/json", **content_type, **token_headers}
    proof = proof_parameters(registration.profile.calls, access_token, registration.client_secret)
    response = transport.request(request.method, url, headers=headers, data=request.json, params=proof)
    claims = answers.parse_document(response)
    if claims.get("ok") is False:
        raise error_answers.error_from(response)
    return claims


def post(registration: Registration, url: str, fields: Mapping[str, str]) -> requests.Response:
    """Post a form to an endpoint of the server, with client authentication. Empty fields are left out."""
    auth, credentials = client_authentication(registration)
    form = {name: value for name, value in {**fields, **credentials}.items() if value}
    return transport.request("POST", url, headers={"Accept": "application/json"}, data=form, auth=auth)


def _pkce(registration: Registration) -> tuple[str, dict[str, str]]:
    """Code verifier, and the challenge as request parameters (RFC 7636 §4)."""
    method = registration.code_challenge_method
    if not registration.pkce:
        return "", {}
    if method not in {"S256", "plain"}:
        raise Misconfigured("bad_code_challenge_method", "the code challenge method is neither S256 nor plain")
    oauthlib_client = WebApplicationClient(registration.client_id)
    verifier = oauthlib_client.create_code_verifier(43)
    # oauthlib returns nothing when "plain" is spelled out.
    challenge = verifier if method == "plain" else oauthlib_client.create_code_challenge(verifier, method)
    return verifier, {"code_challenge": challenge, "code_challenge_method": method}


def _authorization_url(
    url: str, parameters: Mapping[str, str], configured: Mapping[str, str], defaults: Mapping[str, str]
) -> str:
    """Add parameters to the authorization URL, whose own query stays but for reserved names (RFC 6749 §3.1).

    `defaults` apply if neither the query nor `configured` names them. An empty `configured` value leaves one out.
    """
    address = url.partition("#")[0]
    if transport.check_spelling(address).scheme == "http":
        transport.check_url(address)
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)  # a fragment is a page's own address (#/authorize)
    overridden = {name for name, _value in query} | set(configured)
    retained = [pair for pair in query if pair[0] not in _RESERVED | set(configured)]
    extra = {**{name: value for name, value in defaults.items() if name not in overridden}, **configured}
    added = [(name, value) for name, value in extra.items() if value and name not in _RESERVED]
    required = [(name, value) for name, value in parameters.items() if value]
    all_parameters = urlencode([*retained, *added, *required])
    if parts.fragment:
        return urlunsplit(parts._replace(query="", fragment=f"{parts.fragment}?{all_parameters}"))
    return urlunsplit(parts._replace(query=all_parameters))


def _with_claims(answer: TokenAnswer, registration: Registration, nonce: str) -> TokenAnswer:
    """Validate the id token, if there is one, and add its claims."""
    if not answer.unverified_id_token:
        return answer
    claims = id_tokens.validate(
        answer.unverified_id_token,
        client_id=registration.client_id,
        issuer=registration.issuer,
        nonce=nonce,
        exceptions=registration.profile.id_token,
    )
    return replace(answer, claims=claims)
