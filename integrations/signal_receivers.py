"""Signal receivers: what follows when a person leaves, the last alias goes, or a provider answers again.

Knows only that it happened, not who did it.
"""

from collections.abc import Collection
from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils.translation import gettext as _

from accounts.audit import model_changes
from accounts.models import User
from integrations import circuit_breaker, registration_health
from integrations.connections import authorization, tasks
from integrations.models import events
from integrations.models.registry import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential
from integrations.models.tokens import Revocation, Token, TokenQuerySet, consent


@receiver(post_save, sender=User)
def hurry_who_was_deactivated(instance: User, update_fields: Collection[str] | None, **_kwargs: Any) -> None:
    """Their tokens are refused already; this has them ended without waiting for beat."""
    may_have_changed = update_fields is None or "is_active" in update_fields
    if may_have_changed and not instance.is_active and Token.objects.filter(user=instance).exists():
        tasks.hurry_deactivated()


@receiver(post_save, sender=ApplicationRegistry)
def let_renewals_go_on(
    instance: ApplicationRegistry, created: bool, update_fields: Collection[str] | None, **_kwargs: Any
) -> None:
    """An administrator may have mended it: nobody waits for the end of a pause to find out."""
    if not created:
        registration_health.end_pauses(instance)


@receiver(post_delete, sender=Alias)
@receiver(post_delete, sender=HttpConnection)
def end_what_nothing_stands_on(instance: Alias | HttpConnection, **_kwargs: Any) -> None:
    """Nobody would have a card any more to end these sign-ins on."""
    if instance.credential_id is None:
        return
    alone = OAuth2Credential.objects.filter(pk=instance.credential_id).left_alone()
    tokens = Token.objects.filter(credential__in=list(alone))
    authorization.end_all(tokens, reason="alias_deleted", detail=_("the integration was deleted"))


@receiver(circuit_breaker.answered_again)
def deliver_postponed_revocations(registry: ApplicationRegistry, **_kwargs: Any) -> None:
    """A provider that was down answers: what it was not told of meanwhile is due now. One drain takes them all."""
    if Revocation.objects.filter(registry=registry).make_due():
        tasks.hurry_sweep()


@receiver(model_changes.recorded, sender=ApplicationRegistry)
def tell_of_moved_servers(row: ApplicationRegistry, changes: list[model_changes.Change], **_signal: Any) -> None:
    names = {change["name"] for change in changes}
    if names & set(consent.COLUMNS):
        tokens = Token.objects.filter(credential__profile__registry=row)
        tell_of_moved_addresses(row, tokens, changed=names)


@receiver(model_changes.recorded, sender=HttpConnection)
@receiver(model_changes.recorded, sender=Alias)
@receiver(model_changes.recorded, sender=OAuth2Credential)
def tell_of_moved_connections(row: Any, is_deleted: bool, **_signal: Any) -> None:
    """Also where another address of a connection is used from now on: one turned on, or on another credential."""
    if is_deleted:
        return
    beside = {HttpConnection: {"pk": row.pk}, Alias: {"alias": row}, OAuth2Credential: {"credential": row}}[type(row)]
    connections = HttpConnection.objects.filter(active=True, credential__isnull=False, **beside)
    for connection in connections.select_related("credential__profile__registry"):
        assert connection.credential is not None  # noqa: S101 - filtered
        tokens = Token.objects.filter(credential=connection.credential)
        url = connection.connection_url
        tell_of_moved_addresses(connection.credential.registry, tokens, changed={consent.CONNECTION}, url=url)


def tell_of_moved_addresses(
    registry: ApplicationRegistry, tokens: TokenQuerySet, *, changed: set[str], url: str = ""
) -> None:
    """One event with old and new, and a mail to the administrators, where anybody's token is held for it."""
    for agreed in tokens.values_list("agreed", flat=True).iterator():
        moved = [each for each in consent.changes(agreed, vars(registry), url) if each.name in changed]
        if moved:
            events.write_moved(registry.name, registry.pk, [(each.name, each.old, each.new) for each in moved])
            registry.note_moved()
            return
