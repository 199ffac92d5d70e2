"""Replays of authorization codes and of refresh tokens.

A second use of a code ends the tokens of the first (RFC 6749 §4.1.2). A refresh token that is used again within a short
window gets the same successor again: else two processes of one program that share it would look like a theft, and the
second would end the token family (docs/decisions/0037). The row of a successor can be unsealed only with the refresh
token that it belongs to.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import get_access_token_model, get_refresh_token_model, revoke_access_token

from accounts import token_families
from accounts.models import RefreshReplay
from accounts.oauth_server.models import Application, RedeemedCode
from foundation import secrets_at_rest
from foundation.exceptions import Explained

# Authorization codes --------------------------------------------------------------------------------------------------


AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()
CODES_REMEMBERED = timedelta(days=1)


class Replayed(Explained):
    """A parallel request has redeemed the same code."""

    message = "A parallel request has redeemed the same code."


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def record_redemption(code: str, token: dict[str, Any], client: Application) -> None:
    """Store which tokens a code was exchanged for. Call it in the transaction that issues them.

    Raises `Replayed` if the code was redeemed already.
    """
    issued = RefreshToken.objects.filter(token_checksum=hash_secret(token.get("refresh_token", ""))).first()
    tokens = {
        "application": client,
        "token_family": issued.token_family if issued else None,
        "access_token_checksum": hash_secret(token["access_token"]),
    }
    _redeemed, is_first = RedeemedCode.objects.get_or_create(code_hash=hash_secret(code), defaults=tokens)
    if not is_first:
        raise Replayed


def forgotten_codes() -> QuerySet[RedeemedCode]:
    return RedeemedCode.objects.filter(at__lt=timezone.now() - CODES_REMEMBERED)


def end_tokens_of(code: str, client: Application) -> Any:
    """End the tokens of a code that was redeemed before: two parties have had it (RFC 6749 §4.1.2).

    Returns at most one refresh token of the family, for the audit log.
    """
    redeemed = RedeemedCode.objects.filter(code_hash=hash_secret(code), application=client).first()
    if redeemed is None:
        return []
    if redeemed.token_family:
        token_families.end_family(redeemed.token_family)
    for access_token in AccessToken.objects.filter(token_checksum=redeemed.access_token_checksum):
        revoke_access_token(access_token)
    return RefreshToken.objects.filter(token_family=redeemed.token_family).select_related("user", "application")[:1]


# Refresh tokens -------------------------------------------------------------------------------------------------------


PURPOSE = "accounts:refresh-replay"


@dataclass(frozen=True, kw_only=True)
class Successor:
    """The tokens that replaced a refresh token. `row` is that of the new refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    row: Any

    def as_token_response(self) -> dict[str, Any]:
        """The token response (RFC 6749 §5.1). `expires_in` is the remaining lifetime."""
        access_token = self.row.access_token
        remaining = int((access_token.expires - timezone.now()).total_seconds())
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": max(remaining, 0),
            "scope": access_token.scope,
        }


def is_replay_on() -> bool:
    return settings.REFRESH_REPLAY_SECONDS > 0 and bool(settings.TOKEN_ENCRYPTION_KEYS)


@sensitive_variables("token")
def store_successor(replaced: Any, refresh_token: str, token: Mapping[str, Any]) -> None:
    """Store the tokens that replaced `refresh_token`, whose row is `replaced`.

    Call it in the transaction that replaces it.
    """
    if not is_replay_on():
        return
    tokens = json.dumps([token["access_token"], token["refresh_token"]])
    RefreshReplay.objects.create(
        token_checksum=replaced.token_checksum,
        application_id=replaced.application_id,
        token_family=replaced.token_family,
        sealed_tokens=secrets_at_rest.seal_text(tokens, purpose=PURPOSE, also_needs=refresh_token),
    )


@sensitive_variables()
def find_successor(refresh_token: str, client: Application) -> Successor | None:
    """The tokens that replaced `refresh_token` within the window, if they were issued to this client.

    None if the successor has been replaced itself. Raises `Unreadable` if the key of the row is not set.
    """
    if not is_replay_on():
        return None
    rows = RefreshReplay.objects.filter(
        token_checksum=hash_secret(refresh_token), application=client, at__gt=_oldest_replayed()
    )
    row = rows.first()
    if row is None:
        return None
    tokens = secrets_at_rest.unseal_text(row.sealed_tokens, purpose=PURPOSE, also_needs=refresh_token)
    new_access_token, new_refresh_token = json.loads(tokens)
    living = RefreshToken.objects.select_related("access_token", "user", "application").filter(
        token_checksum=hash_secret(new_refresh_token),
        revoked=None,
        access_token__token_checksum=hash_secret(new_access_token),
    )
    successor_row = living.first()
    if successor_row is None:
        return None
    return Successor(access_token=new_access_token, refresh_token=new_refresh_token, row=successor_row)


def forget_successor(refresh_token: str, client: Application) -> None:
    """Delete the successor of a revoked token, so that it cannot be replayed within the window (RFC 7009 §2.1)."""
    RefreshReplay.objects.filter(token_checksum=hash_secret(refresh_token), application=client).delete()


def expired_successors() -> QuerySet[RefreshReplay]:
    return RefreshReplay.objects.filter(at__lte=_oldest_replayed())


def _oldest_replayed() -> datetime:
    return timezone.now() - timedelta(seconds=settings.REFRESH_REPLAY_SECONDS)
