"""Token requests with requests-oauthlib, through the guarded transport.

oauthlib writes the requests. `answers` parses the response before either library sees it, because both mishandle
hostile ones. The quirks of the libraries stay in this module; it does not know what a grant is for.
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient
from requests_oauthlib import OAuth2Session

from foundation.oauth_client import answers, transport
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Unusable
from foundation.oauth_client.registration import Registration, client_authentication

# At DEBUG, both log tokens, passwords and client secrets.
for _chatty in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_chatty).setLevel(logging.INFO)


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
