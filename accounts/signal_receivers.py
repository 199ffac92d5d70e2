"""Signal receivers: end API access when a user's MFA changes, and approvals when an OAuth application changes.

What must never be missed is connected to the model signals: allauth sends its own after the transaction, and none when
an administrator deletes an authenticator.
"""

from collections.abc import Collection
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.access_tokens import operations
from accounts.models import User
from accounts.oauth_server import application_changes, validator
from accounts.oauth_server.models import Application
from accounts.sign_in import mfa


@receiver([post_save, post_delete], sender=Authenticator)
def end_grants_after_mfa_change(instance: Authenticator, created: bool | None = None, **_details: Any) -> None:
    """End grants as after a password change: they were obtained under other sign-in requirements (RFC 9700 §4.14.2)."""
    is_deleted = created is None
    if instance.type in mfa.KINDS and (created or is_deleted):
        validator.end_grants(instance.user)
        if is_deleted and not mfa.is_on(instance.user):
            Authenticator.objects.filter(user=instance.user, type=Authenticator.Type.RECOVERY_CODES).delete()


@receiver(authenticator_added)
def record_mfa_authentication(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    """Count the set-up as an authentication, so that the next page, with the recovery codes, doesn't ask again."""
    if authenticator.type in mfa.KINDS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


@receiver(authenticator_removed)
def end_application_passwords(user: User, **_details: Any) -> None:
    """End application passwords with two-step sign-in. Turning it on again does not restore them."""
    if not mfa.is_on(user):
        operations.end_application_passwords(user)


@receiver(pre_save, sender=Application)
def read_stored_values(instance: Application, **_details: Any) -> None:
    instance.stored_values = application_changes.stored_values(instance)


@receiver(post_save, sender=Application)
def end_approvals_after_change(instance: Application, update_fields: Collection[str] | None, **_details: Any) -> None:
    before = instance.stored_values
    instance.people_asked_again = application_changes.end_if_changed(instance, before, update_fields) if before else 0
