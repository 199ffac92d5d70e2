"""Allow stored tokens to be sent to addresses that an administrator has changed since the sign-in."""

from django.db import transaction

from accounts.models import User
from integrations.models import events
from integrations.models.card import Integration
from integrations.models.events import EventKind
from integrations.models.registry import ApplicationRegistry, HttpConnection
from integrations.models.tokens import Token, consent


def confirm_address(user: User, integration: Integration, *, fingerprint: str) -> bool:
    """Allow the token to be sent to the new addresses. False, without a change, if they are not those that were shown.

    `fingerprint`: `Integration.address_fingerprint` of the page on which the person agreed.
    """
    if not integration.address_changes or fingerprint != integration.address_fingerprint:
        return False
    url = integration.connection_url
    with transaction.atomic():
        token = Token.objects.select_for_update().of(user, integration.credential).first()
        if token is None:
            return False
        connections = HttpConnection.objects.filter(active=True, credential=integration.credential)
        origins = {consent.origin_of(each) for each in connections.values_list("connection_url", flat=True)}
        agreed_urls = (token.agreed or {}).get("connections", [])
        urls_in_use = [each for each in agreed_urls if consent.origin_of(each) in origins]
        agreed = consent.build_agreement(integration.registry, [*urls_in_use, *([url] if url else [])])
        Token.objects.filter(pk=token.pk).update(agreed=agreed)  # keeps the version: a renewal may be under way
        detail = "; ".join(f"{change.old or '–'} → {change.new}" for change in integration.address_changes)
        events.log_event(user, integration.credential, EventKind.ADDRESS_CONFIRMED, detail)
    return True


def confirm_for_system(registry: ApplicationRegistry) -> None:
    """Allow the system's tokens at this registry to be sent to its present addresses. Callers check the permission."""
    for token in Token.objects.filter(user=None, credential__profile__registry=registry).with_registry():
        agreed = consent.current_agreement(token.credential, None)
        Token.objects.filter(pk=token.pk).update(agreed=agreed)
