"""Signal receivers: end API access and approvals after changes, and write to the audit log.

What must never be missed is connected to the model signals: allauth sends its own after the transaction, and none when
an administrator deletes an authenticator. A change of a password has no signal; Django calls its validators instead.
"""

from collections.abc import Collection
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import password_changed, password_reset, password_set, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.db.models import ProtectedError, QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import translation

from accounts import privileges
from accounts.access_tokens import operations
from accounts.audit import log, model_changes
from accounts.audit.details import register_detail
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server import application_changes, validator
from accounts.oauth_server.models import Application
from accounts.sign_in import mfa
from accounts.sign_in.middleware import client_address, forget_devices
from accounts.sign_in.models import TwoStepRequirement


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


@receiver(pre_delete, sender=Group)
def keep_restrictions(instance: Group, origin: Any, **_details: Any) -> None:
    """Refuse to delete the only groups of a row: it would be open to everybody.

    `origin`: what is being deleted, where one group at a time would not show that two go together.
    """
    is_several = isinstance(origin, QuerySet) and origin.model is Group
    deleted = Group.objects.filter(pk__in=[group.pk for group in origin] if is_several else [instance.pk])
    if rows := privileges.rows_only_for(deleted):
        raise ProtectedError(" ".join(map(privileges.only_for_them, rows)), set(rows))


# Audit log ------------------------------------------------------------------------------------------------------------


register_detail("TOTP Authenticator")  # allauth's name of an authenticator app, which its catalogs translate


@receiver(user_logged_in)
def log_sign_in(request: HttpRequest, user: User, **_details: Any) -> None:
    log_user_event(Kind.SIGNED_IN, user, request)


@receiver(user_logged_out)
def log_sign_out(request: HttpRequest, user: User | None, **_details: Any) -> None:
    if user:
        log_user_event(Kind.SIGNED_OUT, user, request)


@receiver([password_changed, password_reset, password_set])
def log_password_change(request: HttpRequest, user: User, **_details: Any) -> None:
    log_user_event(Kind.PASSWORD_CHANGED, user, request)


@receiver(authenticator_added)
def log_second_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in mfa.KINDS:
        log_user_event(Kind.SECOND_FACTOR_ADDED, user, request, detail=name_of_step(authenticator))


@receiver(authenticator_removed)
def log_second_factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in mfa.KINDS:
        log_user_event(Kind.SECOND_FACTOR_REMOVED, user, request, detail=name_of_step(authenticator))


def name_of_step(authenticator: Authenticator) -> str:
    """The name that its owner gave it, or its kind, in English as all details are stored."""
    with translation.override("en"):
        return str(authenticator)


def log_user_event(kind: Kind, user: User, request: HttpRequest, *, detail: str = "") -> None:
    log.write(kind, whose=user, who=user, detail=detail, address=client_address(request))


# Models of this app and of Django whose changes the audit log records.
PRIVILEGES = ("username", "email", "is_active", "is_staff", "is_superuser", "is_bot")
model_changes.watch_model(
    Application, ignored=["created", "updated", "last_used_at", "cimd_expires_at"], secrets=["client_secret"]
)
model_changes.watch_model(Group, many=["permissions"])
model_changes.watch_model(User, fields=PRIVILEGES, many=["groups", "user_permissions", "owners"])
model_changes.watch_model(TwoStepRequirement, parent="group")


@receiver(post_delete, sender=User)
def detach_events(instance: User, **_details: Any) -> None:
    """Connected after `watch_model`, whose event about the deletion may name the deleted user as the one who did it."""
    log.detach_user(instance)


# Passwords ------------------------------------------------------------------------------------------------------------


class EndGrantsOnPasswordChange:
    """Ends grants and known devices: whoever knew the old password may have created them (RFC 9700 §4.14.2)."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Accept every password."""

    def get_help_text(self) -> str:
        return ""

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None and user.pk:
            validator.end_grants(user)
            forget_devices(user)
