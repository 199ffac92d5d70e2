"""The successor of a refresh token, kept for a moment, so that a second process with the same token gets the same one.

Without this, two processes of one program that share a refresh token would look like a thief and its victim: the second
would end the family (docs/decisions/0037). A row opens only with the refresh token that it belongs to.
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
from foundation.secrets_at_rest import sealed_text

RefreshToken = get_refresh_token_model()
PURPOSE = "accounts:refresh-replay"


@dataclass(frozen=True, kw_only=True)
class Successor:
    """The tokens that took the place of a refresh token, and the row of the refresh token among them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    row: Any

    def as_token_response(self) -> dict[str, Any]:
        """RFC 6749 §5.1. `expires_in` is what is left now."""
        access_token = self.row.access_token
        left = int((access_token.expires - timezone.now()).total_seconds())
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": max(left, 0),
            "scope": access_token.scope,
        }


def is_on() -> bool:
    return settings.REFRESH_REPLAY_SECONDS > 0 and bool(settings.TOKEN_ENCRYPTION_KEYS)


@sensitive_variables("token")
def store(replaced: Any, shown: str, token: Mapping[str, Any]) -> None:
    """Keeps what `shown`, the token of the row `replaced`, was replaced by. Call it in the transaction that does it."""
    if not is_on():
        return
    tokens = json.dumps([token["access_token"], token["refresh_token"]])
    RefreshReplay.objects.create(
        token_checksum=replaced.token_checksum,
        application_id=replaced.application_id,
        token_family=replaced.token_family,
        sealed_tokens=sealed_text.seal(tokens, purpose=PURPOSE, also_needs=shown),
    )


@sensitive_variables()
def find_successor(shown: str, client: Application) -> Successor | None:
    """The living tokens that `shown` was replaced by within the window, if this client was given them.

    None where the successor was itself replaced since. `Unreadable` if the row's key is gone.
    """
    if not is_on():
        return None
    rows = RefreshReplay.objects.filter(token_checksum=digest(shown), application=client, at__gt=_oldest_replayed())
    row = rows.first()
    if row is None:
        return None
    opened = sealed_text.unseal(row.sealed_tokens, purpose=PURPOSE, also_needs=shown)
    access_token, refresh_token = json.loads(opened)
    living = RefreshToken.objects.select_related("access_token", "user", "application").filter(
        token_checksum=digest(refresh_token), revoked=None, access_token__token_checksum=digest(access_token)
    )
    found = living.first()
    return Successor(access_token=access_token, refresh_token=refresh_token, row=found) if found else None


def forget(shown: str, client: Application) -> None:
    """A client that revokes a token cannot use it again, within the window either (RFC 7009 §2.1)."""
    RefreshReplay.objects.filter(token_checksum=digest(shown), application=client).delete()


def delete_expired() -> None:
    RefreshReplay.objects.filter(at__lte=_oldest_replayed()).delete()


def _oldest_replayed() -> datetime:
    return timezone.now() - timedelta(seconds=settings.REFRESH_REPLAY_SECONDS)
