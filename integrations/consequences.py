"""Signal receivers: what follows when a person leaves, the last alias goes, or a provider answers again.

Knows only that it happened, not who did it.
"""

from collections.abc import Collection
from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils.translation import gettext as _

from accounts.models import User
from integrations import authorization, circuits, tasks
from integrations.models.registry import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential
from integrations.models.tokens import Revocation, Token


@receiver(post_save, sender=User)
def hurry_who_was_deactivated(instance: User, update_fields: Collection[str] | None, **_kwargs: Any) -> None:
    """Their tokens are refused already; this has them ended without waiting for beat."""
    may_have_changed = update_fields is None or "is_active" in update_fields
    if may_have_changed and not instance.is_active and Token.objects.filter(user=instance).exists():
        tasks.hurry_deactivated()


@receiver(post_delete, sender=Alias)
@receiver(post_delete, sender=HttpConnection)
def end_what_nothing_stands_on(instance: Alias | HttpConnection, **_kwargs: Any) -> None:
    """Nobody would have a card any more to end these sign-ins on."""
    if instance.credential_id is None:
        return
    alone = OAuth2Credential.objects.filter(pk=instance.credential_id).left_alone()
    tokens = Token.objects.filter(credential__in=list(alone))
    authorization.end_all(tokens, reason="alias_deleted", detail=_("the integration was deleted"))


@receiver(circuits.answered_again)
def deliver_postponed_revocations(registry: ApplicationRegistry, **_kwargs: Any) -> None:
    """A provider that was down answers: what it was not told of meanwhile is due now. One drain takes them all."""
    if Revocation.objects.filter(registry=registry).make_due():
        tasks.hurry_sweep()
