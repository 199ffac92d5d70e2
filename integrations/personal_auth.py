"""PersonalAuthAPI: the API for Python callers, modelled on ServiceNow's sn_cc.PersonalAuthAPI.

    api = PersonalAuthAPI(request.user)
    contacts = api.request("northwind", "GET", "/contacts").json()

Pass an alias by its name or id. Unknown, inactive and forbidden ones have the same results: "", False, FAIL or
`NotAuthenticated`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts.current_user import NotAUser
from accounts.models import User
from integrations import calls
from integrations.connections import authorization, renewal
from integrations.connections.renewal import NoUsableToken, ReadyCall
from integrations.models.card import Integration, integration_named
from integrations.models.failures import failure_of
from integrations.models.registry import HttpConnection
from integrations.models.tokens import Revocation, Token, consent

SUCCESS, FAIL = "SUCCESS", "FAIL"
NOT_SIGNED_IN = "The person has no usable token for this integration and must authenticate."


class NotAuthenticated(Exception):
    """The person has no usable token for the integration. `initiator_url`: where to get one; "" if nowhere."""

    def __init__(self, initiator_url: str = "", *, code: str = "not_connected") -> None:
        row = failure_of(code)
        super().__init__((row and row.for_programs) or NOT_SIGNED_IN)
        self.initiator_url = initiator_url
        self.code = code


class AddressChanged(NotAuthenticated):
    """The integration was moved to another address.

    The token is not sent there until the person confirms the address, or signs in again at `initiator_url`.
    """


class RefusedAgain(NotAuthenticated):
    """The third party refuses a token, and renewing it doesn't help. `retry_after`: seconds until it may, if known."""

    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """Access token for a caller that calls the third party itself. `expires_in`: seconds, None if unknown."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RevokeResult:
    """Result of a revocation. Access through Keyrack has ended; `remote_revocation` is the state at the provider.

    `remote_revocation`: pending, confirmed, failed, unsupported, superseded, or "" if there was nothing to revoke.
    "confirmed" means that the provider accepted the revocation, not that the token is proved dead.
    """

    response_status: str
    expiry_in_seconds: int
    is_authenticated: bool
    credential_id: str
    remote_revocation: str


class PersonalAuthAPI:
    """Integrations of one person, for code that acts on their behalf. A visitor who isn't signed in may use none."""

    def __init__(self, user: User) -> None:
        if not isinstance(user, User | AnonymousUser):
            raise NotAUser(user, who="PersonalAuthAPI")
        self.user = user

    def __repr__(self) -> str:
        return f"PersonalAuthAPI({self.user.get_username()!r})"

    def get_initiator_url(self, alias: str) -> str:
        """Return the path of this site where the person authenticates; "" if the alias has no personal credential."""
        integration = self._integration(alias)
        return integration.initiator_url if integration else ""

    def is_token_valid(self, alias: str) -> bool:
        """Whether the access token is valid, or a refresh token can renew it. Makes no requests."""
        if self._find_ready_call(alias):
            return True
        integration = self._integration(alias)
        return bool(integration and integration.is_token_valid)

    def get_token(self, alias: str, *, minimum_seconds: float = 0) -> AccessToken:
        """Return an access token, renewed if it doesn't live that long. A new one may live shorter at some providers.

        Raises `NotAuthenticated`, or `foundation.oauth_client.errors.OAuthError` if the provider is at fault.
        """
        try:
            call = self._find_ready_call(alias, minimum_seconds=minimum_seconds, renews=True)
            return export_token(call or self._current(self._authenticated(alias), minimum_seconds))
        except NoUsableToken as error:
            raise self._not_authenticated(self._authenticated(alias), error) from error

    def token_refused(self, alias: str, access_token: str) -> AccessToken:
        """Report that the third party refused a token of `get_token`; return a new one. Renews at most once.

        `access_token`: that token, or the hexadecimal SHA-256 of it. If it isn't the current one, the current one is
        returned. Raises what `get_token` raises, and `RefusedAgain` if renewing doesn't help.
        """
        if not isinstance(access_token, str):
            message = f"The refused token is a text, not a {type(access_token).__name__}."
            raise TypeError(message)
        integration = self._authenticated(alias)
        try:
            return export_token(
                renewal.replace_refused(
                    self.user, integration.credential, access_token, connection_url=integration.connection_url
                )
            )
        except NoUsableToken as error:
            raise self._not_authenticated(integration, error) from error

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
        used_by: str = "Python",
    ) -> requests.Response:
        """Call the third party as this person. `path` is relative to the alias's connection URL and cannot leave it.

        `used_by`: who calls, as the person's card names it.
        Raises `NotAuthenticated`, `calls.BadPath`, or an `OAuthError` if the third party cannot be reached.
        """
        try:
            return calls.send_ready(
                self._ready_call(alias),
                method,
                path,
                params=params,
                json=json,
                data=data,
                headers=headers,
                timeout=timeout,
                used_by=used_by,
            )
        except NoUsableToken as error:
            raise self._not_authenticated(self._authenticated(alias), error) from error

    def stream(
        self,
        alias: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: calls.Body | None = None,
        timeout: float = calls.DEADLINE,
        retries: int = 0,
        used_by: str = "Python",
        program: str = "",
        call: ReadyCall | None = None,
    ) -> calls.Streamed:
        """Like `request`, but streams bodies. `call`: the result of `ready_call` for this alias, if it is at hand.

        `program`: `Rights.counted_as`, for a stream that ends with the program's own token.
        """
        options: dict[str, Any] = {"program": (self.user.pk, program) if program else None, "used_by": used_by}
        try:
            call = call or self._ready_call(alias)
            return calls.stream(
                call, method, path, headers=headers, body=body, timeout=timeout, retries=retries, **options
            )
        except NoUsableToken as error:
            raise self._not_authenticated(self._authenticated(alias), error) from error

    def revoke_token(self, alias: str) -> RevokeResult:
        """Revoke this person's tokens for the alias: here at once, at the provider by a worker. Safe to repeat."""
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
        """Return the integration if this person may use it and it is turned on."""
        return None if self.user.pk is None else integration_named(self.user, str(alias))

    def _find_ready_call(self, alias: str, *, minimum_seconds: float = 0, renews: bool = False) -> ReadyCall | None:
        if self.user.pk is None:  # Django's AnonymousUser
            return None
        return renewal.ready_call(self.user, str(alias), minimum_seconds=minimum_seconds, renews=renews)

    def _current(self, integration: Integration, minimum_seconds: float = 0) -> Token:
        """Return the token by the slow path, which raises the reason if there is none."""
        url = integration.connection_url
        return renewal.current(self.user, integration.credential, minimum_seconds=minimum_seconds, connection_url=url)

    def _ready_call(self, alias: str) -> ReadyCall:
        """Return token and address in one statement, or by the slow path, which raises the reason if there are none."""
        call = self._find_ready_call(alias, renews=True)
        if call and call.connection_url:
            return call
        integration = self._authenticated(alias)
        connection = self._connection(integration)
        return ReadyCall.of(self._current(integration), connection.connection_url, alias=integration.alias.name)

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

    def _not_authenticated(self, integration: Integration, error: NoUsableToken) -> NotAuthenticated:
        if isinstance(error, renewal.RefusedAgain):
            refused = RefusedAgain(integration.initiator_url, code=error.code)
            refused.retry_after = error.retry_after
            return refused
        kind = AddressChanged if error.code == consent.CHANGED else NotAuthenticated
        return kind(integration.initiator_url, code=error.code)

    def _latest_revocation(self, integration: Integration) -> Revocation | None:
        revocations = Revocation.objects.filter(user=self.user, credential=integration.credential)
        return revocations.order_by("-created_at").first()


def export_token(token: Token | ReadyCall) -> AccessToken:
    seconds_left = (
        None if token.expires_at is None else max(0, int((token.expires_at - timezone.now()).total_seconds()))
    )
    return AccessToken(
        access_token=token.access_token,
        token_type=token.token_type,
        expires_in=seconds_left,
        scopes=tuple(token.scopes),
    )
