"""Grants of a user to OAuth applications: approved scopes and refresh tokens. Ending one takes effect at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model
from oauth2_provider.settings import oauth2_settings

from accounts import scopes, token_families
from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import TokenFamily, User
from accounts.oauth_server import validator
from accounts.oauth_server.models import Application, Approval

RefreshToken = get_refresh_token_model()


@dataclass(frozen=True, kw_only=True)
class ApplicationAccess:
    """The access of one application, as Account Security shows it."""

    application: Application
    scopes: list[str]  # descriptions
    scope_names: list[str]
    since: datetime

    @property
    def name(self) -> str:
        return self.application.title


@dataclass(frozen=True, kw_only=True)
class RefreshTokenGrant(ApplicationAccess):
    """A token family: one sign-in of one application, through all renewals."""

    family: UUID
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class ApprovedApplication(ApplicationAccess):
    """An application with approved scopes, for which the user is not asked again."""

    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Grants:
    """All grants of one user, the newest first."""

    refresh_tokens: list[RefreshTokenGrant]
    approved_scopes: list[ApprovedApplication]


def load_grants(user: User) -> Grants:
    """The grants of a user. The number of queries does not grow with them."""
    rows = RefreshToken.objects.filter(user=user, revoked=None, access_token__isnull=False)
    tokens = list(rows.select_related("application", "access_token").order_by("-created"))
    approvals = list(Approval.objects.filter(user=user).select_related("application").order_by("-since"))
    families = TokenFamily.objects.in_bulk([token.token_family for token in tokens])
    granted = {token: token_families.granted_scope(token, families.get(token.token_family)).split() for token in tokens}
    names = {name for scope_names in granted.values() for name in scope_names}
    descriptions = scopes.all_scopes(names.union(*(approval.scopes for approval in approvals)))
    all_grants = [
        refresh_token_grant(token, families.get(token.token_family), granted[token], descriptions) for token in tokens
    ]
    refresh_tokens = [grant for grant in all_grants if grant.expires_at > timezone.now()]
    approved_scopes = []
    for approval in approvals:
        uses = [grant.last_used_at for grant in refresh_tokens if grant.application.pk == approval.application_id]
        approved = ApprovedApplication(
            application=approval.application,
            scopes=describe_scopes(approval.scopes, descriptions),
            scope_names=list(approval.scopes),
            since=approval.since,
            last_used_at=max(filter(None, [*uses, approval.last_used_at]), default=None),
        )
        approved_scopes.append(approved)
    return Grants(refresh_tokens=refresh_tokens, approved_scopes=approved_scopes)


def refresh_token_grant(
    token: Any, family: TokenFamily | None, scope_names: list[str], descriptions: dict[str, Any]
) -> RefreshTokenGrant:
    began = family.began if family else token.created
    idle = timedelta(seconds=oauth2_settings.REFRESH_TOKEN_EXPIRE_SECONDS)
    return RefreshTokenGrant(
        application=token.application,
        scopes=describe_scopes(scope_names, descriptions),
        scope_names=scope_names,
        since=began,
        family=token.token_family,
        last_used_at=token.created,  # each use replaces it
        expires_at=min(token.access_token.expires + idle, token_families.ends_at(began)),
    )


def describe_scopes(names: Iterable[str], descriptions: dict[str, Any]) -> list[str]:
    return [str(descriptions.get(name, name)) for name in names]


def end_refresh_tokens(user: User, refresh_tokens: Iterable[RefreshTokenGrant], *, who: User, address: str) -> None:
    """End the token families: neither refresh tokens nor access tokens work afterwards."""
    for grant in refresh_tokens:
        with transaction.atomic():
            token_families.end_family(grant.family)
            log.write(Kind.GRANT_ENDED, whose=user, who=who, address=address, subject=grant.name)


def end_approved(user: User, approved: ApprovedApplication, *, who: User, address: str) -> None:
    """End an approval and all tokens of the application for this user, who is asked again next time."""
    with transaction.atomic():
        Approval.objects.filter(user=user, application=approved.application).delete()
        validator.end_grants(user, approved.application)
        log.write(Kind.APPROVAL_ENDED, whose=user, who=who, address=address, subject=approved.name)
