"""`sn_auth.GlideOAuthClient`: personal access tokens that are stored here."""

from typing import Self

from accounts.models import User
from foundation.exceptions import Explained
from foundation.oauth_client.errors import OAuthError
from integrations.models import admission
from integrations.models.registry import Alias, OAuth2Credential
from integrations.models.registry.aliases import id_in
from integrations.personal_auth import AccessToken, NotAuthenticated, PersonalAuthAPI
from integrations.servicenow.session_user import ScriptError, session_user


class OnlyPersonal(ScriptError, Explained):
    """A token of the system was asked for."""

    message = "Only personal tokens can be read. Call setPersonal(True) first."


class ProviderFailed(ScriptError, OAuthError):
    """A token could not be renewed, for a reason that is not the person's. The cause is the error of the provider."""


class GlideOAuthToken:
    """A personal access token."""

    def __init__(self, token: AccessToken) -> None:
        self._token = token

    def getAccessToken(self) -> str:
        """Return the access token."""
        return self._token.access_token

    def getExpiresIn(self) -> int | None:
        """Return the seconds until it expires; None if the provider doesn't say."""
        return self._token.expires_in

    def getScope(self) -> str:
        """Return its scopes, separated by spaces."""
        return " ".join(self._token.scopes)

    def getRefreshToken(self) -> str:
        """Return "": Keyrack renews tokens itself and hands out no refresh token."""
        return ""


class GlideOAuthClient:
    """Tokens of the current user, or of `user`. Raises `NoSessionUser` if there is neither."""

    def __init__(self, *, user: User | None = None) -> None:
        self._user = session_user(user)
        self._is_personal = False

    def setPersonal(self, personal: bool) -> Self:
        """Set whether to read the person's tokens. Required: there is no way to read the system's."""
        self._is_personal = personal
        return self

    def getToken(self, requestor: str, oauthProfileId: str = "") -> GlideOAuthToken | None:
        """Return the person's token for an OAuth 2.0 Credential, renewed if it has expired; None if there is none.

        `requestor`: the id of the credential, or an alias by id or name. `oauthProfileId`: the id of the credential's
        OAuth Entity Profile; with any other, there is none. Raises `ProviderFailed` if a renewal fails at the provider.
        """
        if not self._is_personal:
            raise OnlyPersonal
        api = PersonalAuthAPI(self._user)
        for alias in self._aliases(requestor, oauthProfileId):
            try:
                return GlideOAuthToken(api.get_token(alias.hex))
            except NotAuthenticated:
                continue
            except OAuthError as error:
                raise ProviderFailed(error.code, error.description) from error
        return None

    def _aliases(self, requestor: str, profile_id: str) -> list[Alias]:
        """Aliases that the person may use and that authenticate with this credential and profile."""
        requestor = str(requestor)
        if not requestor.isprintable():  # no database is asked for null characters or lone surrogates
            return []
        credential_id = id_in(requestor)
        credential = OAuth2Credential.objects.filter(pk=credential_id).first() if credential_id else None
        aliases = Alias.objects.personal_using(credential) if credential else Alias.objects.named(requestor).personal()
        admitted = admission.filter_admitted(self._user.pk, aliases).order_by("name")
        return [alias for alias in admitted if not profile_id or has_profile(alias, profile_id)]


def has_profile(alias: Alias, profile_id: str) -> bool:
    credential = alias.effective_credential
    return credential is not None and credential.profile_id == id_in(profile_id)
