"""Requests of an OAuth client to an authorization server: RFC 6749, 7636, 7662 and OpenID Connect's userinfo.

requests-oauthlib writes the token requests, which go through the guarded transport. `answers` parses the responses
before either library sees them, because both mishandle hostile ones. Stateless; knows no users and no database.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient
from requests_oauthlib import OAuth2Session

from foundation.oauth_client import answers, dialects, error_answers, id_tokens, transport
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured, Unusable
from foundation.oauth_client.registration import Registration, client_authentication, with_origin

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

# At DEBUG, both log tokens, passwords and client secrets.
for _chatty in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_chatty).setLevel(logging.INFO)

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
    registration: Registration, *, redirect_uri: str, scopes: Iterable[str], prompt: str = ""
) -> AuthorizationRequest:
    """Build an authorization request with a fresh state, verifier and nonce (RFC 6749 §4.1.1, RFC 7636).

    PKCE "plain" is used only if the registration says so. `prompt` is a default: the registration or the endpoint's own
    query may override it, and "" leaves it out.
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
    defaults = {"prompt": prompt} if prompt else {}
    url = _authorization_url(
        registration.authorization_url, parameters, registration.authorization_parameters, defaults
    )
    return AuthorizationRequest(url=url, state=state, code_verifier=code_verifier, nonce=nonce)


def exchange(
    registration: Registration, *, code: str, redirect_uri: str, code_verifier: str, nonce: str = ""
) -> TokenAnswer:
    """Exchange an authorization code for tokens (RFC 6749 §4.1.3). `Unusable` if an id token is invalid."""
    session = TokenSession(registration, WebApplicationClient(registration.client_id), redirect_uri=redirect_uri)
    return _with_claims(session.fetch(code=code, code_verifier=code_verifier or None), registration, nonce)


def password(registration: Registration, *, username: str, password: str, scopes: Iterable[str] = ()) -> TokenAnswer:
    """Exchange a user name and password for tokens (RFC 6749 §4.3). `Refused`: wrong user name or password."""
    session = TokenSession(registration, LegacyApplicationClient(registration.client_id))
    scope = registration.scope_separator.join(scopes)
    return _with_claims(session.fetch(username=username, password=password, scope=scope), registration, "")


def client_credentials(registration: Registration, *, scopes: Iterable[str] = ()) -> TokenAnswer:
    """Request a token for the client itself (RFC 6749 §4.4)."""
    session = TokenSession(registration, BackendApplicationClient(registration.client_id))
    return session.fetch(scope=registration.scope_separator.join(scopes))


def refresh(registration: Registration, *, refresh_token: str, scopes: Iterable[str] = ()) -> TokenAnswer:
    """Refresh (RFC 6749 §6). An empty `refresh_token` in the result means that the old one stays valid.

    An invalid id token is ignored: the server has rotated already, and raising would lose the new tokens.
    """
    web = WebApplicationClient(registration.client_id)
    session = TokenSession(registration, web, url=registration.refresh_url)
    scope = registration.scope_separator.join(scopes)
    answer = session.renew(refresh_token, {"scope": scope} if scope else {})
    try:
        return _with_claims(answer, registration, "")
    except Unusable:
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
        header_texts = {**dialects.parse_call_headers("call_headers", registration.call_headers), **request.headers}
    except dialects.BadDialect as error:
        raise Misconfigured("bad_userinfo_request", str(error)) from None
    url = with_origin(registration.userinfo_url, base_url) if request.at_base_url else registration.userinfo_url
    token_headers = dialects.build_headers(header_texts, client_id=registration.client_id, access_token=access_token)
    content_type = {} if request.json is None else {"Content-Type": "application/json"}
    headers: dict[str, str | bytes] = {"Accept": "application/json", **content_type, **token_headers}
    response = transport.request(request.method, url, headers=headers, data=request.json)
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
    if transport.check_spelling(url).scheme == "http":
        transport.check(url)
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    overridden = {name for name, _value in query} | set(configured)
    retained = [pair for pair in query if pair[0] not in _RESERVED | set(configured)]
    extra = {**{name: value for name, value in defaults.items() if name not in overridden}, **configured}
    added = [(name, value) for name, value in extra.items() if value and name not in _RESERVED]
    required = [(name, value) for name, value in parameters.items() if value]
    return urlunsplit(parts._replace(query=urlencode([*retained, *added, *required])))


def _with_claims(answer: TokenAnswer, registration: Registration, nonce: str) -> TokenAnswer:
    """Validate the id token, if there is one, and add its claims."""
    if not answer.unverified_id_token:
        return answer
    claims = id_tokens.validate(
        answer.unverified_id_token, client_id=registration.client_id, issuer=registration.issuer, nonce=nonce
    )
    return replace(answer, claims=claims)


_Client = WebApplicationClient | LegacyApplicationClient | BackendApplicationClient


class _Placeholder:
    """The response that oauthlib parses in place of the server's."""

    text = '{"access_token": "read elsewhere", "token_type": "Bearer"}'


class TokenSession(transport.Session, OAuth2Session):  # type: ignore[misc]  # requests-oauthlib has no types
    """A session for one token request.

    It has no scope: oauthlib raises if the server narrows the scope, after the tokens have been issued.
    """

    def __init__(self, registration: Registration, client: _Client, *, redirect_uri: str = "", url: str = "") -> None:
        super().__init__(client=client, redirect_uri=redirect_uri or None)
        self._auth, self._fields = client_authentication(registration)
        self._grant_type, self._registration = client.grant_type, registration
        self._answer: TokenAnswer | None = None
        self._endpoint_url = url or registration.token_url
        self._https_url = _https_spelling(self._endpoint_url)
        self.register_compliance_hook("access_token_response", self._read)
        self.register_compliance_hook("refresh_token_response", self._read)

    def fetch(self, **parameters: Any) -> TokenAnswer:
        with transport.translate_errors():
            self.fetch_token(
                self._https_url,
                auth=self._auth,
                include_client_id=bool(self._fields),
                client_secret=self._fields.get("client_secret"),
                body=urlencode(self._registration.token_parameters),
                **parameters,
            )
        return self._result()

    def renew(self, refresh_token: str, fields: Mapping[str, str]) -> TokenAnswer:
        """Refresh. `fields` go into the body: requests-oauthlib passes a scope itself, and fails on a second one."""
        self._grant_type = "refresh_token"
        body = urlencode({**self._registration.token_parameters, **fields})
        with transport.translate_errors():
            self.refresh_token(self._https_url, refresh_token=refresh_token, body=body, auth=self._auth, **self._fields)
        return self._result()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, with the scheme of the endpoint restored. Whether plain http is allowed is decided by the transport."""
        if self._endpoint_url != self._https_url and request.url == _prepared(self._https_url):
            request.url = _prepared(self._endpoint_url)
        response = super().send(request, **kwargs)
        response.encoding = (
            "utf-8"  # requests-oauthlib decodes the body for its log, and a hostile charset would raise there
        )
        return response

    def _read(self, response: requests.Response) -> _Placeholder:
        places = {"token_path": self._registration.token_path, "base_url_path": self._registration.base_url_path}
        self._answer = answers.parse_token_answer(response, grant_type=self._grant_type, **places)
        return _Placeholder()

    def _result(self) -> TokenAnswer:
        if self._answer is None:
            raise Unusable("no_answer")
        return self._answer


def _https_spelling(url: str) -> str:
    """The URL with https, which oauthlib insists on, unless an environment variable allows http everywhere."""
    parts = transport.check_spelling(url)
    return parts._replace(scheme="https").geturl() if parts.scheme == "http" else url


def _prepared(url: str) -> str:
    return requests.Request("POST", url).prepare().url or ""
