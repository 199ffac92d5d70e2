"""Signal receivers that write sign-ins, and changes of passwords and MFA, to the audit log."""

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.sign_in import mfa
from accounts.sign_in.middleware import client_address


@receiver(user_logged_in)
def log_sign_in(request: HttpRequest, user: User, **_details: Any) -> None:
    write(Kind.SIGNED_IN, user, request)


@receiver(user_logged_out)
def log_sign_out(request: HttpRequest, user: User | None, **_details: Any) -> None:
    if user:
        write(Kind.SIGNED_OUT, user, request)


@receiver([password_changed, password_reset, password_set])
def log_password_change(request: HttpRequest, user: User, **_details: Any) -> None:
    write(Kind.PASSWORD_CHANGED, user, request)


@receiver(authenticator_added)
def log_second_factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in mfa.KINDS:
        write(Kind.SECOND_FACTOR_ADDED, user, request, detail=str(authenticator))


@receiver(authenticator_removed)
def log_second_factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in mfa.KINDS:
        write(Kind.SECOND_FACTOR_REMOVED, user, request, detail=str(authenticator))


def write(kind: Kind, user: User, request: HttpRequest, *, detail: str = "") -> None:
    log.write(kind, whose=user, who=user, detail=detail, address=client_address(request))
