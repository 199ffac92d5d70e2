"""What programs were allowed by one person, and what they hold of theirs. Ending it takes effect at once."""

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
class OfProgram:
    """What a person sees of one program's access."""

    application: Application
    scopes: list[str]  # in words
    since: datetime

    @property
    def name(self) -> str:
        return self.application.name or str(self.application.client_id)


@dataclass(frozen=True, kw_only=True)
class Held(OfProgram):
    """One sign-in of one program, which lasts as long as it is renewed."""

    family: UUID
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Approved(OfProgram):
    """A program that this person is not asked about again."""

    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Grants:
    """The newest first."""

    refresh_tokens: list[Held]
    approved_scopes: list[Approved]


def of(user: User) -> Grants:
    """In as many queries for many programs as for one."""
    known = scopes.all_scopes()
    found = [held_by(token, began, known) for token, began in living_tokens(user)]
    held = [grant for grant in found if grant.expires_at > timezone.now()]
    approvals = Approval.objects.filter(user=user).select_related("application").order_by("-since")
    return Grants(refresh_tokens=held, approved_scopes=[approved_by(approval, held, known) for approval in approvals])


def living_tokens(user: User) -> list[tuple[Any, datetime]]:
    """With the moment of the sign-in that each goes back to."""
    rows = RefreshToken.objects.filter(user=user, revoked=None, access_token__isnull=False)
    tokens = list(rows.select_related("application", "access_token").order_by("-created"))
    began = dict(TokenFamily.objects.filter(pk__in=[token.token_family for token in tokens]).values_list("pk", "began"))
    return [(token, began.get(token.token_family, token.created)) for token in tokens]


def held_by(token: Any, began: datetime, known: dict[str, Any]) -> Held:
    idle = timedelta(seconds=oauth2_settings.REFRESH_TOKEN_EXPIRE_SECONDS)
    return Held(
        application=token.application,
        scopes=in_words(token.access_token.scope.split(), known),
        since=began,
        family=token.token_family,
        last_used_at=token.created,  # each use makes a new one
        expires_at=min(token.access_token.expires + idle, token_families.ends_at(began)),
    )


def approved_by(approval: Approval, held: list[Held], known: dict[str, Any]) -> Approved:
    used = [grant.last_used_at for grant in held if grant.application.pk == approval.application_id]
    return Approved(
        application=approval.application,
        scopes=in_words(approval.scopes, known),
        since=approval.since,
        last_used_at=max(filter(None, [*used, approval.last_used_at]), default=None),
    )


def in_words(names: Iterable[str], known: dict[str, Any]) -> list[str]:
    return [str(known.get(name, name)) for name in names]


def end_refresh_tokens(user: User, found: Iterable[Held], *, who: User, address: str) -> None:
    """These programs are signed out: neither the refresh token nor the access token works any more."""
    for grant in found:
        with transaction.atomic():
            token_families.end(grant.family)
            log.write(Kind.GRANT_ENDED, whose=user, who=who, address=address, subject=grant.name)


def end_approved(user: User, approved: Approved, *, who: User, address: str) -> None:
    """The program is asked about again, and all that it holds of this person is dead."""
    with transaction.atomic():
        Approval.objects.filter(user=user, application=approved.application).delete()
        validator.end_all(user, approved.application)
        log.write(Kind.APPROVAL_ENDED, whose=user, who=who, address=address, subject=approved.name)
