"""The system's own token by the client credentials grant (RFC 6749 §4.4), requested on a page."""

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

CHANGE_PERMISSION = "integrations.change_applicationregistry"


def get_own_token(user: User, credential: OAuth2Credential) -> Token:
    """A token that can be used now: the stored one, or a new one. Raises the exceptions of `renewal.current`."""
    integration_for(user, credential)
    if not renewal.grants_to_us(credential):
        raise NotAvailable
    old_version = Token.objects.of(None, credential).values_list("version", flat=True).first()
    reset_refusal(credential)
    if user.has_perm(CHANGE_PERMISSION):
        confirm_for_system(credential.registry)
    token = renewal.current(None, credential)
    if token.version != old_version:
        events.log_event(user, credential, EventKind.CONNECTED, "")
    return token


def reset_refusal(credential: OAuth2Credential) -> None:
    """Make a refused token renewable again. Otherwise no request would find out that the server accepts us now."""
    refused = Token.objects.of(None, credential).filter(state=TokenState.NEEDS_REAUTH)
    refused.update(
        state=TokenState.VALID, failure_code="", failed_at=None, expires_at=timezone.now(), version=F("version") + 1
    )
