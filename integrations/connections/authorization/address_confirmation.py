"""Somebody agrees to the address that an integration was moved to: the person, or for the system who may move it."""

from django.db import transaction

from accounts.models import User
from integrations.models import events
from integrations.models.card import Integration
from integrations.models.events import EventKind
from integrations.models.registry import ApplicationRegistry, HttpConnection
from integrations.models.tokens import Token, consent


def confirm_address(user: User, integration: Integration, *, shown: str) -> bool:
    """Let the token go to the new addresses. False, and nothing is changed, where they are not those that were shown.

    `shown`: `Integration.address_fingerprint` of the page on which the person agreed.
    """
    if not integration.address_changes or shown != integration.address_fingerprint:
        return False
    url = integration.connection_url
    with transaction.atomic():
        token = Token.objects.select_for_update().of(user, integration.credential).first()
        if token is None:
            return False
        others = HttpConnection.objects.filter(active=True, credential=integration.credential)
        in_use = {consent.origin_of(each) for each in others.values_list("connection_url", flat=True)}
        known = (token.agreed or {}).get("connections", [])
        kept = [each for each in known if consent.origin_of(each) in in_use]
        agreed = consent.agreement(integration.registry, [*kept, *([url] if url else [])])
        Token.objects.filter(pk=token.pk).update(agreed=agreed)  # not the version: a renewal may be under way
        detail = "; ".join(f"{change.old or '–'} → {change.new}" for change in integration.address_changes)
        events.write(user, integration.credential, EventKind.ADDRESS_CONFIRMED, detail)
    return True


def confirm_for_system(registry: ApplicationRegistry) -> None:
    """Let the system's own tokens at this registry go where the set-up leads now. For who may change the registry."""
    for token in Token.objects.filter(user=None, credential__profile__registry=registry).with_registry():
        agreed = consent.agreement_now(token.credential, None)
        Token.objects.filter(pk=token.pk).update(agreed=agreed)
