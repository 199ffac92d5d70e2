"""Subjects of the mails about sign-ins. Each function gets the number of lines and the words of the first one."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, ngettext

from accounts.models import User


def address_changed_subject(_count: int, first: dict[str, Any]) -> str:
    return gettext("People’s tokens of %(title)s would be sent to another address") % {"title": first["title"]}


def address_question_subject(_count: int, first: dict[str, Any]) -> str:
    return gettext("A question about the new address of %(title)s") % {"title": first["title"]}


def misconfigured_subject(_count: int, first: dict[str, Any]) -> str:
    return gettext("%(title)s does not accept Keyrack") % {"title": first["title"]}


def subject_about(user: User, subject: Callable[..., str]) -> Callable[..., str]:
    """The subject, with the name of the bot that the mail is about."""
    if not user.is_bot:
        return subject
    return lambda count, first: f"{user.get_username()}: {subject(count, first)}"


# One integration is named. That is a text of its own, not a singular: Japanese has one form for all numbers.


def sign_in_again_subject(count: int, first: dict[str, Any]) -> str:
    if count == 1:
        return gettext("Sign in to %(title)s again") % first
    subject = ngettext("Sign in to %(count)d integration again", "Sign in to %(count)d integrations again", count)
    return subject % {"count": count}


def reminder_subject(count: int, first: dict[str, Any]) -> str:
    if count == 1:
        return gettext("%(title)s needs you") % first
    return ngettext("%(count)d integration needs you", "%(count)d integrations need you", count) % {"count": count}


def expires_soon_subject(count: int, first: dict[str, Any]) -> str:
    if count == 1:
        return gettext("%(title)s expires soon") % first
    subject = ngettext("%(count)d integration expires soon", "%(count)d integrations expire soon", count)
    return subject % {"count": count}


def not_confirmed_subject(count: int, first: dict[str, Any]) -> str:
    if count == 1:
        return gettext("%(title)s didn’t confirm a revoke") % first
    subject = ngettext("%(count)d revoke was not confirmed", "%(count)d revokes were not confirmed", count)
    return subject % {"count": count}
