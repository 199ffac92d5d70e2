"""Read a token that can be used now, and renew it if necessary."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from integrations.connections.renewal.database_connections import refuse_inside_a_transaction
from integrations.connections.renewal.single_flight import renew
from integrations.connections.renewal.validity import (
    NoUsableToken,
    ensure_readable,
    refuse_changed_addresses,
    required_seconds,
)
from integrations.models.registry import GrantType, IntegrationType, OAuth2Credential
from integrations.models.tokens import Token, TokenState

LONG_AGO = timedelta(days=1)  # whatever the clocks of other processes say


def current(
    user: User | None, credential: OAuth2Credential, *, minimum_seconds: float = 0, connection_url: str = ""
) -> Token:
    """A token of exactly this owner that can be used now, renewed if necessary.

    `minimum_seconds`: for how long the caller needs it. `connection_url`: where it is going to be sent. Raises
    `NoUsableToken` if only the person can help, also if they have not confirmed an address of the set-up, and
    `OAuthError` if the provider or the set-up is at fault; the stored token is kept in that case.
    """
    token = Token.objects.of(user, credential).with_registry().first()
    if token is None and user is None and grants_to_us(credential):
        return create_system_token(credential)
    if token is None or token.integration_type != token.credential.integration_type:
        raise NoUsableToken("not_connected")
    if token.user and not token.user.is_active:
        raise NoUsableToken("deactivated")
    if token.state != TokenState.VALID:
        raise NoUsableToken(token.failure_code or "invalid_grant")
    refuse_changed_addresses(token, connection_url)
    return ensure_readable(token) if token.lives_for(required_seconds(token, minimum_seconds)) else renew(token)


def grants_to_us(credential: OAuth2Credential) -> bool:
    return not credential.is_personal and credential.profile.grant_type == GrantType.CLIENT_CREDENTIALS


def create_system_token(credential: OAuth2Credential) -> Token:
    """Create the row of the system's token, expired and empty, for parallel callers to share its lease; renew it."""
    refuse_inside_a_transaction()
    expired = {"integration_type": IntegrationType.SYSTEM, "expires_at": timezone.now() - LONG_AGO}
    row, _is_new = Token.objects.with_registry().get_or_create(user=None, credential=credential, defaults=expired)
    return renew(row)
