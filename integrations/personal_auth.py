"""PersonalAuthAPI: the front door for Python callers, after ServiceNow's sn_cc.PersonalAuthAPI.

    api = PersonalAuthAPI(request.user)
    contacts = api.request("northwind", "GET", "/contacts").json()

An alias is given by its name or its id. Unknown, inactive and forbidden ones look alike: "", False, FAIL or
NotAuthenticated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from django.utils import timezone

from accounts.models import User
from integrations import calls
from integrations.connections import authorization, renewal
from integrations.connections.renewal import NoUsableToken, ReadyCall
from integrations.models.card import Integration, integration_named
from integrations.models.registry import HttpConnection
from integrations.models.tokens import Revocation, Token, consent

SUCCESS, FAIL = "SUCCESS", "FAIL"
NOT_SIGNED_IN = "The person has no usable token for this integration and must authenticate."
NO_INTEGRATION = {
    "not_available": "There is no alias of this name that the person may use with a token of their own.",
    "no_connection": "The alias has no active HTTP(s) Connection, so there is no address to call.",
}


class NotAuthenticated(Exception):
    """The person has no usable token for the integration. `initiator_url` is where they get one ("" if nowhere)."""

    def __init__(self, initiator_url: str = "", *, code: str = "not_connected") -> None:
        super().__init__(NO_INTEGRATION.get(code, NOT_SIGNED_IN))
        self.initiator_url = initiator_url
        self.code = code


class AddressChanged(NotAuthenticated):
    """The integration was moved to another address. The token stays here until the person confirms the new address, or
    signs in again at `initiator_url`.
    """


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """What a caller needs to call a third party by himself. `expires_in` in seconds, None when not told."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RevokeResult:
    """The local half is final when this is returned; `remote_revocation` is what the provider is known to have done.

    `remote_revocation`: pending, confirmed, failed, unsupported, superseded, or "" when there was nothing to revoke.
    confirmed: the provider accepted the revocation, whether or not the token is proved dead.
    """

    response_status: str
    expiry_in_seconds: int
    is_authenticated: bool
    credential_id: str
    remote_revocation: str


class PersonalAuthAPI:
    """What one person has connected, for code that works in that person's name."""

    def __init__(self, user: User) -> None:
        self.user = user

    def __repr__(self) -> str:
        return f"PersonalAuthAPI({self.user.get_username()!r})"

    def get_initiator_url(self, alias: str) -> str:
        """Where the person authenticates, as a path of this site; "" when the alias has no personal credential."""
        integration = self._integration(alias)
        return integration.initiator_url if integration else ""

    def is_token_valid(self, alias: str) -> bool:
        """A living access token, or a refresh token that can renew it. Asks nobody outside."""
        if renewal.ready_call(self.user, str(alias)):
            return True
        integration = self._integration(alias)
        return bool(integration and integration.is_token_valid)

    def get_token(self, alias: str, *, minimum_seconds: float = 0) -> AccessToken:
        """An access token that lives at least so long where the provider gives such; renewed if need be.

        Raises `NotAuthenticated`, or `foundation.oauth_client.errors.OAuthError` when the provider is at fault.
        """
        try:
            call = renewal.ready_call(self.user, str(alias), minimum_seconds=minimum_seconds, renews=True)
            return exported(call or self._current(self._authenticated(alias), minimum_seconds))
        except NoUsableToken as error:
            raise self._not_authenticated(self._authenticated(alias), error.code) from error

    def request(
        self,
        alias: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = calls.DEADLINE,
    ) -> requests.Response:
        """Call the third party as this person. `path` is below the alias's connection URL and cannot leave it.

        Raises `NotAuthenticated`, `rest.BadPath`, or an `OAuthError` when the third party cannot be reached.
        """
        integration = self._authenticated(alias)
        connection = self._connection(integration)
        try:
            return calls.send(
                self.user,
                connection,
                method,
                path,
                params=params,
                json=json,
                data=data,
                headers=headers,
                timeout=timeout,
                used_by="Python",
            )
        except NoUsableToken as error:
            raise self._not_authenticated(integration, error.code) from error

    def stream(
        self,
        alias: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: calls.Body | None = None,
        retries: int = 0,
        used_by: str = "Python",
        call: ReadyCall | None = None,
    ) -> calls.Streamed:
        """Like `request`, for bodies that nobody wants in memory. `call`: what is known already of person and alias."""
        try:
            call = call or renewal.ready_call(self.user, alias, renews=True) or self._call(alias)
            return calls.stream(call, method, path, headers=headers, body=body, retries=retries, used_by=used_by)
        except NoUsableToken as error:
            raise self._not_authenticated(self._authenticated(alias), error.code) from error

    def revoke_token(self, alias: str) -> RevokeResult:
        """End this person's tokens for the alias: here at once, at the provider as soon as it answers. Repeatable."""
        integration = self._integration(alias)
        if integration is None:
            return RevokeResult(
                response_status=FAIL,
                expiry_in_seconds=0,
                is_authenticated=False,
                credential_id="",
                remote_revocation="",
            )
        revocation = authorization.revoke(self.user, integration.alias) or self._latest_revocation(integration)
        if revocation:
            revocation.refresh_from_db(fields=["state"])
        return RevokeResult(
            response_status=SUCCESS,
            expiry_in_seconds=0,
            is_authenticated=False,
            credential_id=integration.credential_hex,
            remote_revocation=revocation.state_for_callers if revocation else "",
        )

    def _integration(self, alias: str) -> Integration | None:
        """Only what this person may use and what is turned on."""
        return integration_named(self.user, str(alias))

    def _current(self, integration: Integration, minimum_seconds: float = 0) -> Token:
        """Where the fast path knows nothing: this raises the reason."""
        url = integration.connection_url
        return renewal.current(self.user, integration.credential, minimum_seconds=minimum_seconds, connection_url=url)

    def _call(self, alias: str) -> ReadyCall:
        integration = self._authenticated(alias)
        connection = self._connection(integration)
        return ReadyCall.of(self._current(integration), connection.connection_url)

    def _authenticated(self, alias: str) -> Integration:
        integration = self._integration(alias)
        if integration is None:
            raise NotAuthenticated(code="not_available")
        return integration

    def _connection(self, integration: Integration) -> HttpConnection:
        connection = integration.alias.connection
        if connection is None:
            raise NotAuthenticated(code="no_connection")
        return connection

    def _not_authenticated(self, integration: Integration, code: str) -> NotAuthenticated:
        kind = AddressChanged if code == consent.CHANGED else NotAuthenticated
        return kind(integration.initiator_url, code=code)

    def _latest_revocation(self, integration: Integration) -> Revocation | None:
        mine = Revocation.objects.filter(user=self.user, credential=integration.credential)
        return mine.order_by("-created_at").first()


def exported(token: Token | ReadyCall) -> AccessToken:
    left = None if token.expires_at is None else max(0, int((token.expires_at - timezone.now()).total_seconds()))
    return AccessToken(
        access_token=token.access_token,
        token_type=token.token_type,
        expires_in=left,
        scopes=tuple(token.scopes),
    )
