"""Token requests with requests-oauthlib, through the guarded transport.

oauthlib writes the requests. `answers` parses the response before either library sees it, because both mishandle
hostile ones. The quirks of the libraries stay in this module; it does not know what a grant is for.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient
from requests_oauthlib import OAuth2Session

from foundation.oauth_client import answers, error_answers, error_codes, transport
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Unusable
from foundation.oauth_client.provider_profile import STANDARD
from foundation.oauth_client.registration import Registration, client_authentication, fill_values

# At DEBUG, both log tokens, passwords and client secrets.
for _chatty in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_chatty).setLevel(logging.INFO)


LONGEST_READ = 2000  # bytes of a refusal
_ASKS_FOR_JSON = re.compile(
    rb"(content|media).?type.{0,80}application/json|application/json.{0,40}(required|expected|only|supported)"
    rb"|\b(request )?body (must be|is not|isn't) (valid |a )?json\b",
    re.IGNORECASE,
)

_Client = WebApplicationClient | LegacyApplicationClient | BackendApplicationClient


class _Placeholder:
    """The response that oauthlib parses in place of the server's."""

    text = '{"access_token": "read elsewhere", "token_type": "Bearer"}'


class TokenSession(transport.Session, OAuth2Session):  # type: ignore[misc]  # requests-oauthlib has no types
    """A session for one token request.

    It has no scope: oauthlib raises if the server narrows the scope, after the tokens have been issued.
    """

    def __init__(
        self,
        registration: Registration,
        client: _Client,
        *,
        redirect_uri: str = "",
        url: str = "",
        scope: str = "",
        state: str = "",
    ) -> None:
        ways = registration.profile.token_request
        super().__init__(client=client, redirect_uri=ways.redirect_uri or redirect_uri or None)
        self._values = {
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
        }
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

    def renew(self, refresh_token: str) -> TokenAnswer:
        self._grant_type = "refresh_token"
        body = urlencode(self._registration.token_parameters)
        with transport.translate_errors():
            self.refresh_token(self._https_url, refresh_token=refresh_token, body=body, auth=self._auth, **self._fields)
        return self._result()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, as the provider wants it, and with the scheme of the endpoint restored.

        Whether plain http is allowed is decided by the transport.
        """
        shape_request(request, self._registration, self._grant_type, self._values)
        if self._endpoint_url != self._https_url and (request.url or "").startswith(_prepared(self._https_url)):
            request.url = _prepared(self._endpoint_url) + (request.url or "").removeprefix(_prepared(self._https_url))
        response = super().send(request, **kwargs)
        if _wants_json(response, self._registration.profile.token_request.body):
            fields = dict(parse_qsl(_text_of(request), keep_blank_values=True))
            place_fields(request, fields, method="POST", body="json")
            response = super().send(request, **kwargs)
        response.encoding = (
            "utf-8"  # requests-oauthlib decodes the body for its log, and a hostile charset would raise there
        )
        return response

    def _read(self, response: requests.Response) -> _Placeholder:
        self._answer = answers.parse_token_answer(
            response,
            grant_type=self._grant_type,
            token_path=self._registration.token_path,
            base_url_path=self._registration.base_url_path,
            scope_separator=self._registration.scope_separator,
            profile=self._registration.profile,
        )
        return _Placeholder()

    def _result(self) -> TokenAnswer:
        if self._answer is None:
            raise Unusable("no_answer")
        return self._answer


def _wants_json(response: requests.Response, sent: str) -> bool:
    """Whether the server has refused the request for its media type alone (RFC 9110 §15.5.16), so did not act on it."""
    if response.request.method != "POST" or sent != "form" or response.status_code not in {400, 415}:
        return False
    if response.status_code == 415:
        return True
    code = error_answers.error_code(error_answers.error_document(response))
    is_about_more = code in error_codes.CODES and code != "invalid_request"  # it has read what was in the form
    return not is_about_more and bool(_ASKS_FOR_JSON.search(response.content[:LONGEST_READ]))


def _text_of(request: requests.PreparedRequest) -> str:
    return request.body.decode("ascii") if isinstance(request.body, bytes) else str(request.body or "")


def shape_request(
    request: requests.PreparedRequest, registration: Registration, grant_type: str, values: Mapping[str, str]
) -> None:
    """Rewrite a token request as the profile of the provider has it: parameters, their names, and the body."""
    ways = registration.profile.token_request
    if ways == STANDARD.token_request or not isinstance(request.body, str | bytes):
        return
    body = _text_of(request)
    own = {"authorization_code": ways.code_parameters, "refresh_token": ways.refresh_parameters}.get(grant_type, {})
    beside_basic = {"client_id": registration.client_id} if ways.client_id_beside_basic else {}
    fields = {**dict(parse_qsl(body, keep_blank_values=True)), **beside_basic}
    fields |= {name: fill_values(text, values) for name, text in {**ways.parameters, **own}.items()}
    renamed = {ways.names.get(name, name): value for name, value in fields.items() if value}
    sent = {name: value for name, value in renamed.items() if name}
    request.headers.update({name: fill_values(text, values) for name, text in ways.headers.items()})
    place_fields(request, sent, method=ways.method, body=ways.body)


def place_fields(request: requests.PreparedRequest, fields: Mapping[str, str], *, method: str, body: str) -> None:
    """Put the fields into the body, as a form or as JSON, or into the query."""
    request.method = method
    for name in ("Content-Type", "Content-Length"):
        request.headers.pop(name, None)
    if body == "query" or method == "GET":
        separator = "&" if urlsplit(request.url or "").query else "?"
        request.url = f"{request.url}{separator}{urlencode(fields)}"
        request.prepare_body(None, None)
    elif body == "json":
        request.prepare_body(None, None, json=dict(fields))
    else:
        request.prepare_body(dict(fields), None)


def _https_spelling(url: str) -> str:
    """The URL with https, which oauthlib insists on, unless an environment variable allows http everywhere."""
    parts = transport.check_spelling(url)
    return parts._replace(scheme="https").geturl() if parts.scheme == "http" else url


def _prepared(url: str) -> str:
    return requests.Request("POST", url).prepare().url or ""
