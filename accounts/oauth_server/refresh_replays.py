"""Replays of refresh responses: within a short window, a reused refresh token gets the same successor again.

Without this, two processes of one program that share a refresh token would look like a theft, and the second would end
the token family (docs/decisions/0037). A row can be unsealed only with the refresh token that it belongs to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import get_refresh_token_model

from accounts.models import RefreshReplay
from accounts.oauth_server.code_replay import digest
from accounts.oauth_server.models import Application
from foundation import secrets_at_rest

RefreshToken = get_refresh_token_model()
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


def is_on() -> bool:
    return settings.REFRESH_REPLAY_SECONDS > 0 and bool(settings.TOKEN_ENCRYPTION_KEYS)


@sensitive_variables("token")
def store(replaced: Any, refresh_token: str, token: Mapping[str, Any]) -> None:
    """Store the tokens that replaced `refresh_token`, whose row is `replaced`.

    Call it in the transaction that replaces it.
    """
    if not is_on():
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
    if not is_on():
        return None
    rows = RefreshReplay.objects.filter(
        token_checksum=digest(refresh_token), application=client, at__gt=_oldest_replayed()
    )
    row = rows.first()
    if row is None:
        return None
    tokens = secrets_at_rest.unseal_text(row.sealed_tokens, purpose=PURPOSE, also_needs=refresh_token)
    new_access_token, new_refresh_token = json.loads(tokens)
    living = RefreshToken.objects.select_related("access_token", "user", "application").filter(
        token_checksum=digest(new_refresh_token), revoked=None, access_token__token_checksum=digest(new_access_token)
    )
    successor_row = living.first()
    if successor_row is None:
        return None
    return Successor(access_token=new_access_token, refresh_token=new_refresh_token, row=successor_row)


def forget(refresh_token: str, client: Application) -> None:
    """Delete the successor of a revoked token, so that it cannot be replayed within the window (RFC 7009 §2.1)."""
    RefreshReplay.objects.filter(token_checksum=digest(refresh_token), application=client).delete()


def delete_expired() -> None:
    RefreshReplay.objects.filter(at__lte=_oldest_replayed()).delete()


def _oldest_replayed() -> datetime:
    return timezone.now() - timedelta(seconds=settings.REFRESH_REPLAY_SECONDS)
