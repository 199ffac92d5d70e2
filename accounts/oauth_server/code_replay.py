"""Detection of replayed authorization codes: a second use ends the tokens of the first (RFC 6749 §4.1.2)."""

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_refresh_token_model, revoke_access_token

from accounts import token_families
from accounts.oauth_server.models import Application, RedeemedCode

AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()
CODES_REMEMBERED = timedelta(days=1)


class Replayed(Exception):
    """A parallel request has redeemed the same code."""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def record_redemption(code: str, token: dict[str, Any], client: Application) -> None:
    """Store which tokens a code was exchanged for. Call it in the transaction that issues them.

    Raises `Replayed` if the code was redeemed already.
    """
    issued = RefreshToken.objects.filter(token_checksum=digest(token.get("refresh_token", ""))).first()
    RedeemedCode.objects.filter(at__lt=timezone.now() - CODES_REMEMBERED).delete()
    tokens = {
        "application": client,
        "token_family": issued.token_family if issued else None,
        "access_token_checksum": digest(token["access_token"]),
    }
    _redeemed, is_first = RedeemedCode.objects.get_or_create(code_hash=digest(code), defaults=tokens)
    if not is_first:
        raise Replayed


def end_tokens_of(code: str, client: Application) -> Any:
    """End the tokens of a code that was redeemed before: two parties have had it (RFC 6749 §4.1.2).

    Returns at most one refresh token of the family, for the audit log.
    """
    redeemed = RedeemedCode.objects.filter(code_hash=digest(code), application=client).first()
    if redeemed is None:
        return []
    if redeemed.token_family:
        token_families.end(redeemed.token_family)
    for access_token in AccessToken.objects.filter(token_checksum=redeemed.access_token_checksum):
        revoke_access_token(access_token)
    return RefreshToken.objects.filter(token_family=redeemed.token_family).select_related("user", "application")[:1]
