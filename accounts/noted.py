"""What Django, django-allauth and django-axes tell of signing in, written into the diary."""

from typing import Any

from allauth.account.signals import password_changed, password_reset, password_set, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import backends, diary, second_factor
from accounts.diary import Kind
from accounts.lockout import client_address
from accounts.models import User


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, user: User, **_details: Any) -> None:
    write(Kind.SIGNED_IN, user, request)


@receiver(user_logged_out)
def note_sign_out(request: HttpRequest, user: User | None, **_details: Any) -> None:
    if user:
        write(Kind.SIGNED_OUT, user, request)


@receiver(user_login_failed)
def note_refusal(credentials: dict[str, Any], request: HttpRequest | None = None, **_details: Any) -> None:
    """Not while it is locked: somebody who goes on trying fills no diary. What is no name of anybody is not kept."""
    name = str(credentials.get("username") or credentials.get("email") or "")
    if request is not None and not was_locked_before(request) and (user := backends.meant_by(name)):
        diary.write(Kind.SIGN_IN_REFUSED, whose=user, address=client_address(request))


@receiver(user_locked_out)
def note_lock_out(request: HttpRequest, username: str | None, **_details: Any) -> None:
    user = None if was_locked_before(request) else backends.meant_by(username or "")
    if user:
        diary.write(Kind.LOCKED_OUT, whose=user, address=client_address(request))


def was_locked_before(request: HttpRequest) -> bool:
    """django-axes counts what was tried, and does not what it refused unseen."""
    return bool(getattr(request, "axes_locked_out", False)) and request.axes_failures_since_start is None  # type: ignore[attr-defined]  # set by django-axes


@receiver([password_changed, password_reset, password_set])
def note_password(request: HttpRequest, user: User, **_details: Any) -> None:
    write(Kind.PASSWORD_CHANGED, user, request)


@receiver(authenticator_added)
def note_second_factor(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in second_factor.KINDS:
        write(Kind.SECOND_FACTOR_ADDED, user, request, detail=str(authenticator))


@receiver(authenticator_removed)
def note_no_second_factor(request: HttpRequest, user: User, authenticator: Authenticator, **_details: Any) -> None:
    if authenticator.type in second_factor.KINDS:
        write(Kind.SECOND_FACTOR_REMOVED, user, request, detail=str(authenticator))


def write(kind: Kind, user: User, request: HttpRequest, *, detail: str = "") -> None:
    diary.write(kind, whose=user, who=user, detail=detail, address=client_address(request))
