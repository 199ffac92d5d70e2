"""Ledger of issued tokens and their states. Stores checksums only, never a token."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken, refresh_token_expire_timedelta

from demo.provider.models import Client, IssuedToken


@dataclass(frozen=True, kw_only=True)
class Line:
    """A ledger line as the board shows it."""

    token: IssuedToken
    state: str


def checksum(secret: str) -> str:
    """Return the SHA-256 digits under which django-oauth-toolkit finds a token too."""
    return hashlib.sha256(secret.encode()).hexdigest()


def write(*, access_token: str, refresh_token: str, code: str) -> None:
    """Record the tokens of one response of the token endpoint; `refresh_token` and `code` may be empty."""
    access = AccessToken.objects.get(token_checksum=checksum(access_token))
    refresh = RefreshToken.objects.filter(token_checksum=checksum(refresh_token), revoked=None).first()
    line = {
        "client": Client.objects.get(application_id=access.application_id),
        "user_id": access.user_id,
        "scope": access.scope,
        "family": refresh.token_family if refresh else uuid.uuid4(),
        "code_checksum": checksum(code) if code else "",
    }
    IssuedToken.objects.create(
        kind=IssuedToken.Kind.ACCESS, checksum=access.token_checksum, expires_at=access.expires, **line
    )
    if refresh:
        expires_at = access.expires + (refresh_token_expire_timedelta() or timedelta())
        IssuedToken.objects.create(
            kind=IssuedToken.Kind.REFRESH, checksum=refresh.token_checksum, expires_at=expires_at, **line
        )


def end_what_came_of(code: str, application: Application) -> None:
    """Revoke all tokens that a code once bought. For a code that is redeemed again (RFC 9700, 4.5)."""
    bought = IssuedToken.objects.filter(code_checksum=checksum(code), client__application=application)
    families = list(bought.values_list("family", flat=True))
    AccessToken.objects.filter(
        token_checksum__in=IssuedToken.objects.filter(family__in=families).values("checksum")
    ).delete()
    for family in set(families):
        RefreshToken.revoke_family(family)


@transaction.atomic
def remove_access(user: User, application: Application) -> None:
    """Revoke everything that a user has ever allowed a client."""
    owner = {"user": user, "application": application}
    for family in set(RefreshToken.objects.filter(**owner).values_list("token_family", flat=True)):
        RefreshToken.revoke_family(family)
    AccessToken.objects.filter(**owner).delete()
    Grant.objects.filter(**owner).delete()


def latest(count: int) -> list[Line]:
    """Return the newest lines with the state that each token is in now."""
    tokens = list(IssuedToken.objects.select_related("client__application", "user")[:count])
    standing = _standing(token.checksum for token in tokens)
    newest = _newest(token.family for token in tokens)
    now = timezone.now()
    superseded = {token.pk for token in tokens if newest[token.family, token.kind] != token.pk}
    return [Line(token=token, state=_state(token, standing, superseded, now)) for token in tokens]


def _standing(checksums: Iterable[str]) -> set[str]:
    values = list(checksums)
    access = AccessToken.objects.filter(token_checksum__in=values)
    refresh = RefreshToken.objects.filter(token_checksum__in=values, revoked=None, access_token__isnull=False)
    return {*access.values_list("token_checksum", flat=True), *refresh.values_list("token_checksum", flat=True)}


def _newest(families: Iterable[uuid.UUID]) -> dict[tuple[uuid.UUID, str], int]:
    rows = IssuedToken.objects.filter(family__in=set(families)).order_by().values("family", "kind")
    return {(row["family"], row["kind"]): row["last"] for row in rows.annotate(last=Max("pk"))}


def _state(token: IssuedToken, standing: set[str], superseded: set[int], now: datetime) -> str:
    if token.checksum in standing:
        return "expired" if token.expires_at <= now else "live"
    return "rotated" if token.pk in superseded else "revoked"
