"""What a client says to an authorization server: RFC 6749, 7636, 7662 and OpenID Connect's userinfo.

Token requests go through `token_endpoint`, everything else straight to the transport; `answers` reads what comes back.
Keeps nothing between calls; knows no users and no database.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient

from foundation.oauth_client import answers, id_tokens, transport
from foundation.oauth_client import userinfo as account
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured, Unusable
from foundation.oauth_client.registration import Registration, client_authentication
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

# What an administrator's extra parameters may not touch: it binds the answer to this request, or replaces all of it.
_OURS = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """Where to send the browser and what its answer must match. No PKCE: no `code_verifier`; no OpenID: no `nonce`."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Introspection:
    active: bool
    claims: Mapping[str, object] = field(repr=False)


def authorization_request(
    registration: Registration, *, redirect_uri: str, scopes: Iterable[str], prompt: str = ""
) -> AuthorizationRequest:
    """A fresh state, verifier and nonce each time. Never PKCE "plain" unless the registration says so.

    `prompt` is a suggestion: what the registration or the endpoint's own query says of it wins, and "" leaves it out.
    """
    wanted = tuple(scopes)
    state = secrets.token_urlsafe(32)
    nonce = secrets.token_urlsafe(32) if "openid" in wanted else ""
    code_verifier, challenge = _proof_key(registration)
    ours = {
        registration.scope_parameter: registration.scope_separator.join(wanted),
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "nonce": nonce,
        **challenge,
    }
    suggested = {"prompt": prompt} if prompt else {}
    url = _authorization_url(registration.authorization_url, ours, registration.authorization_parameters, suggested)
    return AuthorizationRequest(url=url, state=state, code_verifier=code_verifier, nonce=nonce)


def exchange(
    registration: Registration, *, code: str, redirect_uri: str, code_verifier: str, nonce: str = ""
) -> TokenAnswer:
    """RFC 6749 section 4.1.3. An id token that comes along must be right, or the whole answer is Unusable."""
    session = TokenSession(registration, WebApplicationClient(registration.client_id), redirect_uri=redirect_uri)
    return _identified(session.fetch(code=code, code_verifier=code_verifier or None), registration, nonce)


def password(registration: Registration, *, username: str, password: str, scopes: Iterable[str] = ()) -> TokenAnswer:
    """RFC 6749 section 4.3. Refused means: wrong user name or password."""
    session = TokenSession(registration, LegacyApplicationClient(registration.client_id))
    scope = registration.scope_separator.join(scopes)
    return _identified(session.fetch(username=username, password=password, scope=scope), registration, "")


def client_credentials(registration: Registration, *, scopes: Iterable[str] = ()) -> TokenAnswer:
    """RFC 6749 section 4.4."""
    session = TokenSession(registration, BackendApplicationClient(registration.client_id))
    return session.fetch(scope=registration.scope_separator.join(scopes))


def refresh(registration: Registration, *, refresh_token: str, scopes: Iterable[str] = ()) -> TokenAnswer:
    """RFC 6749 section 6. An empty `refresh_token` in the answer means: keep the one you have.

    An id token that is wrong counts as not sent: the server has rotated already, and the tokens would be lost.
    """
    web = WebApplicationClient(registration.client_id)
    session = TokenSession(registration, web, url=registration.refresh_url)
    scope = registration.scope_separator.join(scopes)
    answer = session.renew(refresh_token, {"scope": scope} if scope else {})
    try:
        return _identified(answer, registration, "")
    except Unusable:
        return answer


def introspect(registration: Registration, token: str, *, hint: str = "") -> Introspection:
    """RFC 7662. Only a true `true` is active."""
    response = post(registration, registration.introspection_url, {"token": token, "token_type_hint": hint})
    claims = answers.document(response)
    return Introspection(active=claims.get("active") is True, claims=claims)


def userinfo(registration: Registration, access_token: str, *, base_url: str = "") -> Mapping[str, object]:
    """OpenID Connect Core section 5.3, or as the registration has it. `base_url`: as the token answer named it."""
    return account.ask(registration, access_token, base_url=base_url)


def post(registration: Registration, url: str, fields: Mapping[str, str]) -> requests.Response:
    """A form to one of the server's endpoints, with our client authentication. What is empty is not sent."""
    auth, credentials = client_authentication(registration)
    form = {name: value for name, value in {**fields, **credentials}.items() if value}
    return transport.request("POST", url, headers={"Accept": "application/json"}, data=form, auth=auth)


def _proof_key(registration: Registration) -> tuple[str, dict[str, str]]:
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
    url: str, ours: Mapping[str, str], configured: Mapping[str, str], suggested: Mapping[str, str]
) -> str:
    """RFC 6749 section 3.1: the endpoint's own query stays, unless it speaks of what is ours.

    What is suggested is sent where neither speaks of it. An empty `configured` value leaves the parameter out.
    """
    if transport.check_spelling(url).scheme == "http":
        transport.check(url)
    parts = urlsplit(url)
    own_query = parse_qsl(parts.query, keep_blank_values=True)
    spoken_of = {name for name, _value in own_query} | set(configured)
    kept = [pair for pair in own_query if pair[0] not in _OURS | set(configured)]
    extra = {**{name: value for name, value in suggested.items() if name not in spoken_of}, **configured}
    added = [(name, value) for name, value in extra.items() if value and name not in _OURS]
    query = urlencode([*kept, *added, *((name, value) for name, value in ours.items() if value)])
    return urlunsplit(parts._replace(query=query))


def _identified(answer: TokenAnswer, registration: Registration, nonce: str) -> TokenAnswer:
    if not answer.unverified_id_token:
        return answer
    claims = id_tokens.read(
        answer.unverified_id_token, client_id=registration.client_id, issuer=registration.issuer, nonce=nonce
    )
    return replace(answer, claims=claims)
