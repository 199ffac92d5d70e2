"""`sn_cc.PersonalAuthAPI`: the integrations of one person. Pass aliases by id or name."""

from accounts.models import User
from integrations import personal_auth
from integrations.servicenow.session_user import session_user


class PersonalAuthResponse:
    """Result of `PersonalAuthAPI.revokeToken`."""

    def __init__(self, result: personal_auth.RevokeResult) -> None:
        self._result = result

    def getResponseStatus(self) -> str:
        """Return "SUCCESS" or "FAIL"."""
        return self._result.response_status

    def getExpiryInSeconds(self) -> int:
        """Return how long the token is still valid here: 0 after a revocation."""
        return self._result.expiry_in_seconds

    def isAuthenticated(self) -> bool:
        """Return whether the person still has a token here."""
        return self._result.is_authenticated

    def getCredentialId(self) -> str:
        """Return the id of the OAuth 2.0 Credential, 32 hexadecimal digits; "" if there is none."""
        return self._result.credential_id


class PersonalAuthAPI:
    """Integrations of the current user, or of `user`. Raises `NoSessionUser` if there is neither."""

    def __init__(self, *, user: User | None = None) -> None:
        self._api = personal_auth.PersonalAuthAPI(session_user(user))

    def getInitiatorURL(self, aliasId: str) -> str:
        """Return the path of this site where the person authenticates; "" if the alias has no personal credential."""
        return self._api.get_initiator_url(aliasId)

    def isTokenValid(self, aliasId: str) -> bool:
        """Return whether the person has an access token that is valid, or a refresh token that can renew it."""
        return self._api.is_token_valid(aliasId)

    def revokeToken(self, aliasId: str) -> PersonalAuthResponse:
        """Revoke the person's tokens: here at once, at the provider by a worker. Safe to repeat."""
        return PersonalAuthResponse(self._api.revoke_token(aliasId))
