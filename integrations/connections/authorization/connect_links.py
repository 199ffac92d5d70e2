"""Connect links: make one, find it by its secret, and check that it may be used. Only a hash of it is stored.

The maker must be allowed to act for the user, when the link is made and when it is used: a connection that somebody
makes for a user must not give anybody rights over an account with more rights than theirs.
"""

import secrets
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts import privileges
from accounts.models import User
from integrations.models import admission, events
from integrations.models.card import Integration, integration_named
from integrations.models.events import EventKind
from integrations.models.registry import Alias
from integrations.models.tokens import AuthorizationAttempt, ConnectLink, secret_digest

MAY_CREATE = "integrations.add_connectlink"
LIFETIME = timedelta(days=1)
LONGEST_LIFETIME = timedelta(days=7)
SECRET_BYTES = 32


@sensitive_variables("secret")
def create_connect_link(
    user: User, alias: Alias, *, by: User, lifetime: timedelta = LIFETIME
) -> tuple[ConnectLink, str]:
    """Create a link; returns the row and the secret. Raises `PermissionDenied` with the reason if `by` may not."""
    if refusal := link_refusal(user, alias, by):
        raise PermissionDenied(refusal)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    expires_at = timezone.now() + min(lifetime, LONGEST_LIFETIME)
    link = ConnectLink(user=user, alias=alias, created_by=by, expires_at=expires_at, secret_hash=secret_digest(secret))
    with transaction.atomic():
        link.save()
        events.log_event(user, alias.effective_credential, EventKind.CONNECT_LINK_CREATED, alias.title)
    return link, secret


def link_refusal(user: User, alias: Alias, maker: User) -> str:
    """Why `maker` may not create a connect link for `user`, in a sentence; "" if they may."""
    if not maker.has_perms([privileges.MAY_VIEW, MAY_CREATE]):
        return _("Your account lacks the permission “Can add Connect Link” or “Can change user”.")
    if not user.is_active:
        return _("The account is deactivated.")
    if user.pk != maker.pk and privileges.exceeds_rights(user, maker):
        return _("This user has permissions or groups that you don’t have.")
    if not admission.filter_admitted(user.pk, Alias.objects.filter(pk=alias.pk).personal()).exists():
        return _("This user may not use this integration, or it is turned off. “Explain access” says why.")
    return ""


@sensitive_variables("secret")
def find_connect_link(secret: str) -> ConnectLink | None:
    """The link with this secret, if it is usable now."""
    return ConnectLink.objects.usable().with_people().filter(secret_hash=secret_digest(secret)).first()


def may_be_used(link: ConnectLink) -> bool:
    """Whether the link is unused, and its maker may still act for the user. Reads everything anew."""
    stored = ConnectLink.objects.usable().with_people().filter(pk=link.pk).first()
    if stored is None or stored.created_by is None or (stored.helper and not stored.helper.is_active):
        return False
    return not link_refusal(stored.user, stored.alias, stored.created_by)


def use_link(attempt: AuthorizationAttempt) -> bool:
    """Mark the link of a sign-in as used, just before its tokens are stored. False if it was used meanwhile."""
    return attempt.link is None or attempt.link.use()


def maker_of_link(attempt: AuthorizationAttempt) -> str:
    """Who made the link of this sign-in, for the audit log, which names user and helper anyway; "" without a link."""
    return str(attempt.link.created_by) if attempt.link else ""


def integration_of_link(link: ConnectLink) -> Integration | None:
    """The integration of the user, as their card has it."""
    return integration_named(link.user, link.alias.hex)
