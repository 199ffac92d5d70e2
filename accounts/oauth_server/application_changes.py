"""Ends approvals and tokens when an OAuth application changes, since people approved what the consent page showed.

Signal receivers call `stored_values` before and `end_if_changed` after each save, so the rule holds for the admin,
scripts and imports alike. Both must run in one transaction with the save.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_noop
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts.audit import log
from accounts.audit.details import register_detail
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server.models import Application, Approval, DeviceAuthorization

AccessToken, Grant, RefreshToken = get_access_token_model(), get_grant_model(), get_refresh_token_model()
IDToken = get_id_token_model()

# Lists separated by white space; their order does not matter.
REGISTRATION_CHANGED = register_detail(gettext_noop("its registration was changed"))
LISTS = frozenset({"redirect_uris", "post_logout_redirect_uris", "allowed_origins", "allowed_scopes"})
# Identity, redirect URIs, client authentication, scopes and standing of the application.
APPROVED_FIELDS = (
    "name", "client_id", "client_type", "authorization_grant_type", "client_secret", "hash_client_secret", "algorithm",
    "first_party", "skip_authorization", "standing", "user", *sorted(LISTS),
)  # fmt: skip


def stored_values(application: Application) -> dict[str, Any] | None:
    """The approved fields in the database; None for a new application. Locks the row until the transaction ends."""
    rows = Application.objects.select_for_update().filter(pk=application.pk)
    return rows.values(*APPROVED_FIELDS).first() if application.pk else None


def end_if_changed(application: Application, before: Mapping[str, Any], saved: Collection[str] | None = None) -> int:
    """End all approvals and tokens if an approved field differs from `before`. Returns the number of people affected.

    `saved` names the fields that were written; None means all of them.
    """
    after = {name: getattr(application, Application._meta.get_field(name).attname) for name in APPROVED_FIELDS}
    written = [name for name in APPROVED_FIELDS if saved is None or name in saved]
    changed = [name for name in written if normalize_field(name, before[name]) != normalize_field(name, after[name])]
    if not changed:
        return 0
    people = list(approvers(application))
    end_application_grants(application)
    title, detail = application.title, REGISTRATION_CHANGED
    log.write_all(log.new_event(Kind.APPROVAL_ENDED, whose=person, subject=title, detail=detail) for person in people)
    return len(people)


def approved_version(application: Application) -> str:
    """A keyed hash of the approved fields. While it is equal, the consent page would show the same."""
    fields = {name: getattr(application, Application._meta.get_field(name).attname) for name in APPROVED_FIELDS}
    text = json.dumps({name: normalize_field(name, value) for name, value in fields.items()}, default=str)
    return salted_hmac("keyrack.approved-version", text, algorithm="sha256").hexdigest()


def lock_application(**names: Any) -> Application | None:
    """Read the application and lock it: saving it has to wait until this transaction ends."""
    application: Application | None = Application.objects.select_for_update(no_key=True).filter(**names).first()
    return application


def approvers(application: Application) -> QuerySet[User]:
    """The users for whom this application can act now, or without asking them again."""
    now = timezone.now()
    approvals = Approval.objects.filter(application=application)
    refresh_tokens = RefreshToken.objects.filter(application=application, revoked=None)
    access_tokens = AccessToken.objects.filter(application=application, expires__gt=now)
    codes = Grant.objects.filter(application=application, expires__gt=now)
    devices = DeviceAuthorization.objects.filter(application=application, expires_at__gt=now)
    is_approver = Q(pk__in=[])
    for rows in (approvals, refresh_tokens, access_tokens, codes, devices):
        is_approver |= Q(pk__in=rows.exclude(user=None).values("user"))
    return User.objects.filter(is_approver)


def end_application_grants(application: Application) -> None:
    """End the approvals, codes, refresh tokens and access tokens of all users."""
    now = timezone.now()
    Approval.objects.filter(application=application).delete()
    Grant.objects.filter(application=application).delete()
    DeviceAuthorization.objects.filter(application=application).delete()
    RefreshToken.objects.filter(application=application, revoked=None).update(revoked=now, updated=now)
    AccessToken.objects.filter(application=application).delete()
    IDToken.objects.filter(application=application).delete()


def normalize_field(name: str, value: Any) -> Any:
    return sorted(set(value.split())) if name in LISTS else value
