"""The site's own token, where nobody signs in: the client credentials grant (RFC 6749 §4.4), asked for on a page."""

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from integrations.connections import renewal
from integrations.connections.authorization.access import NotAvailable, integration_for
from integrations.connections.authorization.address_confirmation import confirm_for_system
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import OAuth2Credential
from integrations.models.tokens import Token, TokenState

OWNER = "integrations.change_applicationregistry"


def get_own_token(user: User, credential: OAuth2Credential) -> Token:
    """One that can be used now: the stored one, or a new one. Raises what `tokens.current` does."""
    integration_for(user, credential)
    if not renewal.grants_to_us(credential):
        raise NotAvailable
    before = Token.objects.of(None, credential).values_list("version", flat=True).first()
    give_another_chance(credential)
    if user.has_perm(OWNER):
        confirm_for_system(credential.registry)
    token = renewal.current(None, credential)
    if token.version != before:
        events.write(user, credential, EventKind.CONNECTED, "")
    return token


def give_another_chance(credential: OAuth2Credential) -> None:
    """The server refused us before, and nobody else can find out whether it still does."""
    refused = Token.objects.of(None, credential).filter(state=TokenState.NEEDS_REAUTH)
    refused.update(
        state=TokenState.VALID, failure_code="", failed_at=None, expires_at=timezone.now(), version=F("version") + 1
    )
