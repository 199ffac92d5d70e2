"""Kinds of events in the audit log, with labels. Other apps add their own with `add_kinds`."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    SIGNED_IN = "signed_in", _("Signed in to Keyrack")
    SIGNED_OUT = "signed_out", _("Signed out of Keyrack")
    SIGN_IN_REFUSED = "sign_in_refused", _("A sign-in to Keyrack failed")
    LOCKED_OUT = "locked_out", _("Locked out after too many wrong passwords")
    PASSWORD_CHANGED = "password_changed", _("Changed the password")
    SECOND_FACTOR_ADDED = "second_factor_added", _("Added a second step to signing in")
    SECOND_FACTOR_REMOVED = "second_factor_removed", _("Removed a second step from signing in")
    TOKEN_CREATED = "token_created", _("Created a permanent token")
    TOKEN_FIRST_USED = "token_first_used", _("A permanent token was used for the first time")
    TOKEN_DELETED = "token_deleted", _("Deleted a permanent token")
    TOKEN_LEAKED = "token_leaked", _("A permanent token was reported as leaked and revoked")
    APPLICATION_PASSWORD_CREATED = "app_password_created", _("Created an application password")
    APPLICATION_PASSWORD_USED = "app_password_first_used", _("An application password was used for the first time")
    APPLICATION_PASSWORD_DELETED = "app_password_deleted", _("Deleted an application password")
    APPROVED = "approved", _("Allowed an application")
    APPROVAL_ENDED = "approval_ended", _("Withdrew the approval of an application")
    GRANTED = "granted", _("An application was given access")
    GRANT_ENDED = "grant_ended", _("Ended the access of an application")
    REFRESH_REUSED = "refresh_reused", _("A refresh token was used twice; the application lost its access")
    CODE_REPLAYED = "code_replayed", _("An authorization code was used twice; the application lost its access")
    SET_UP_ADDED = "set_up_added", _("Added to the set-up")
    SET_UP_CHANGED = "set_up_changed", _("Changed the set-up")
    SET_UP_DELETED = "set_up_deleted", _("Deleted from the set-up")
    LOOKED_AT = "looked_at", _("An administrator opened the Account Security page")


_kinds: list[type[models.TextChoices]] = [Kind]


def add_kinds(kinds: type[models.TextChoices]) -> None:
    """Register the kinds of another app, which this one must not know."""
    if kinds not in _kinds:
        _kinds.append(kinds)


def all_kinds() -> list[tuple[str, Any]]:
    return [choice for kinds in _kinds for choice in kinds.choices]
