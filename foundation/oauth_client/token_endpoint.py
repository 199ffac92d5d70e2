"""requests-oauthlib, tamed: one request to a token endpoint, through the guarded transport.

oauthlib writes the requests. The answer is read by `answers` before either library sees it, for both take hostile ones
badly. Knows the libraries' habits, so that nobody else needs to; knows nothing of what a grant is for.
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

# At DEBUG both write tokens, passwords and client secrets into the log.
for _chatty in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_chatty).setLevel(logging.INFO)


_Client = WebApplicationClient | LegacyApplicationClient | BackendApplicationClient


class _Harmless:
    """What oauthlib gets to parse in place of the server's answer."""

    text = '{"access_token": "read elsewhere", "token_type": "Bearer"}'


class TokenSession(transport.Session, OAuth2Session):  # type: ignore[misc]  # requests-oauthlib has no types
    """Never given a scope to compare: at a narrowed one oauthlib raises, after the server has issued."""

    def __init__(self, registration: Registration, client: _Client, *, redirect_uri: str = "", url: str = "") -> None:
        super().__init__(client=client, redirect_uri=redirect_uri or None)
        self._auth, self._fields = client_authentication(registration)
        self._grant_type, self._registration = client.grant_type, registration
        self._answer: TokenAnswer | None = None
        self._true_url = url or registration.token_url
        self._https_url = _https_spelling(self._true_url)
        self.register_compliance_hook("access_token_response", self._read)
        self.register_compliance_hook("refresh_token_response", self._read)

    def fetch(self, **parameters: Any) -> TokenAnswer:
        with transport.translated():
            self.fetch_token(
                self._https_url,
                auth=self._auth,
                include_client_id=bool(self._fields),
                client_secret=self._fields.get("client_secret"),
                body=urlencode(self._registration.token_parameters),
                **parameters,
            )
        return self._told()

    def renew(self, refresh_token: str, fields: Mapping[str, str]) -> TokenAnswer:
        """`fields` go as a ready body: requests-oauthlib passes a scope of its own and would choke on a second."""
        self._grant_type = "refresh_token"
        body = urlencode({**self._registration.token_parameters, **fields})
        with transport.translated():
            self.refresh_token(self._https_url, refresh_token=refresh_token, body=body, auth=self._auth, **self._fields)
        return self._told()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Restores the true scheme of exactly this endpoint. Whether plain http will do is the transport's question."""
        if self._true_url != self._https_url and request.url == _prepared(self._https_url):
            request.url = _prepared(self._true_url)
        response = super().send(request, **kwargs)
        response.encoding = "utf-8"  # requests-oauthlib decodes for its log; a hostile charset would raise there
        return response

    def _read(self, response: requests.Response) -> _Harmless:
        places = {"token_path": self._registration.token_path, "base_url_path": self._registration.base_url_path}
        self._answer = answers.read(response, grant_type=self._grant_type, **places)
        return _Harmless()

    def _told(self) -> TokenAnswer:
        if self._answer is None:
            raise Unusable("no_answer")
        return self._answer


def _https_spelling(url: str) -> str:
    """oauthlib insists on https by the look of the URL, or on an environment variable that would hold everywhere."""
    parts = transport.check_spelling(url)
    return parts._replace(scheme="https").geturl() if parts.scheme == "http" else url


def _prepared(url: str) -> str:
    return requests.Request("POST", url).prepare().url or ""
