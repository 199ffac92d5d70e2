"""End what people approved when an OAuth application changes: they approved what the consent page showed.

Called around each save of the model, so that the admin, scripts and imports follow one rule. Call both functions in
one transaction with the save.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server.models import Application, Approval

AccessToken, Grant, RefreshToken = get_access_token_model(), get_grant_model(), get_refresh_token_model()
IDToken, DeviceGrant = get_id_token_model(), get_device_grant_model()

# Their order does not matter: they are lists, separated by white space.
LISTS = frozenset({"redirect_uris", "post_logout_redirect_uris", "allowed_origins", "allowed_scopes"})
# Who the application is, where its answers go, how it proves itself, what it may ask for.
APPROVED_FIELDS = (
    "name", "client_id", "client_type", "authorization_grant_type", "client_secret", "hash_client_secret", "algorithm",
    "first_party", "skip_authorization", "user", *sorted(LISTS),
)  # fmt: skip


def stored_values(application: Application) -> dict[str, Any] | None:
    """The approved fields as the database has them, locked until the transaction ends. None for a new application."""
    rows = Application.objects.select_for_update().filter(pk=application.pk)
    return rows.values(*APPROVED_FIELDS).first() if application.pk else None


def end_if_changed(application: Application, before: Mapping[str, Any], saved: Collection[str] | None = None) -> int:
    """End all approvals and tokens if an approved field differs from `before`; the number of people asked again.

    `saved` names the fields that were written; None means all of them.
    """
    after = {name: getattr(application, Application._meta.get_field(name).attname) for name in APPROVED_FIELDS}
    written = [name for name in APPROVED_FIELDS if saved is None or name in saved]
    changed = [name for name in written if comparable(name, before[name]) != comparable(name, after[name])]
    if not changed:
        return 0
    people = list(approvers(application))
    end_grants(application)
    title = application.name or application.client_id
    detail = _("its registration was changed")
    log.write_all(log.line(Kind.APPROVAL_ENDED, whose=person, subject=title, detail=detail) for person in people)
    return len(people)


def approved_version(application: Application) -> str:
    """A keyed hash of the approved fields: as long as it is equal, nothing of what was shown has changed."""
    fields = {name: getattr(application, Application._meta.get_field(name).attname) for name in APPROVED_FIELDS}
    told = json.dumps({name: comparable(name, value) for name, value in fields.items()}, default=str)
    return salted_hmac("keyrack.approved-version", told, algorithm="sha256").hexdigest()


def lock(**names: Any) -> Application | None:
    """The application as it is stored. A save of it waits until the transaction ends."""
    found: Application | None = Application.objects.select_for_update(no_key=True).filter(**names).first()
    return found


def approvers(application: Application) -> QuerySet[User]:
    """The people for whom this application can act now, or without asking them again."""
    now = timezone.now()
    approved = Approval.objects.filter(application=application)
    renewed = RefreshToken.objects.filter(application=application, revoked=None)
    given = AccessToken.objects.filter(application=application, expires__gt=now)
    coming = Grant.objects.filter(application=application, expires__gt=now)
    rows = (approved, renewed, given, coming)
    by_any = Q(pk__in=[])
    for each in rows:
        by_any |= Q(pk__in=each.exclude(user=None).values("user"))
    return User.objects.filter(by_any)


def end_grants(application: Application) -> None:
    """Approvals, codes, refresh tokens and access tokens, of everybody."""
    now = timezone.now()
    Approval.objects.filter(application=application).delete()
    Grant.objects.filter(application=application).delete()
    DeviceGrant.objects.filter(client_id=application.client_id).delete()
    RefreshToken.objects.filter(application=application, revoked=None).update(revoked=now, updated=now)
    AccessToken.objects.filter(application=application).delete()
    IDToken.objects.filter(application=application).delete()


def comparable(name: str, value: Any) -> Any:
    return sorted(set(value.split())) if name in LISTS else value
