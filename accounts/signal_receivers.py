"""What follows when somebody's proofs change, and when an OAuth application changes.

What must follow hangs on the row: allauth's signals come after the transaction, and not when an administrator deletes.
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
def end_what_programs_hold(instance: Authenticator, created: bool | None = None, **_details: Any) -> None:
    """As after a new password: they were let in by who could do with less, or with more (RFC 9700 §4.14.2)."""
    is_gone = created is None
    if instance.type in mfa.KINDS and (created or is_gone):
        validator.end_all(instance.user)
        if is_gone and not mfa.is_on(instance.user):
            Authenticator.objects.filter(user=instance.user, type=Authenticator.Type.RECOVERY_CODES).delete()


@receiver(authenticator_added)
def remember_that_it_was_shown(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    """Who sets it up has it in hand: it is not asked for on the very next page, which shows the recovery codes."""
    if authenticator.type in mfa.KINDS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


@receiver(authenticator_removed)
def end_application_passwords(user: User, **_details: Any) -> None:
    """They were for programs that cannot ask for a second step. Turning it on again does not bring them back."""
    if not mfa.is_on(user):
        operations.end_application_passwords(user)


@receiver(pre_save, sender=Application)
def read_what_was_approved(instance: Application, **_details: Any) -> None:
    instance.stored_values = application_changes.stored_values(instance)


@receiver(post_save, sender=Application)
def end_what_was_approved(instance: Application, update_fields: Collection[str] | None, **_details: Any) -> None:
    before = instance.stored_values
    instance.asked_again = application_changes.end_if_changed(instance, before, update_fields) if before else 0
