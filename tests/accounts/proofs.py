"""Reauthenticated sessions, authenticator apps and their codes."""

import time

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, hotp_value
from django.test import Client

from accounts.models import User
from accounts.sign_in import mfa

PERIOD = 30  # seconds


def just_shown(client: Client, user: User, *, seconds_ago: float = 0) -> Client:
    """Record a fresh authentication of this signed-in user, with the second step if it is on."""
    at = time.time() - seconds_ago
    methods = ["password", "mfa"] if mfa.is_on(user) else ["password"]
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": method, "at": at} for method in methods]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)
    session.save()
    return client


def app_of(user: User) -> str:
    """Turn on two-step sign-in; returns the secret of the authenticator app."""
    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def code(secret: str, *, steps: int = 0) -> str:
    """The code that the app shows now, or some steps from now."""
    return f"{hotp_value(secret, int(time.time()) // PERIOD + steps):06}"


def wrong_code(secret: str) -> str:
    """A code that is not accepted now."""
    return next(each for each in ("000000", "111111", "222222", "333333") if each not in near(secret))


def near(secret: str) -> set[str]:
    return {code(secret, steps=steps) for steps in (-2, -1, 0, 1, 2)}


def recovery_codes(user: User) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def stored(user: User, kind: str = Authenticator.Type.TOTP) -> Authenticator:
    authenticator: Authenticator = Authenticator.objects.get(user=user, type=kind)
    return authenticator
