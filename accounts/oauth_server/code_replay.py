"""Authorization codes that were redeemed, so that a second use of one ends what the first one gave."""

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
    """Between being looked at and being redeemed, a code was redeemed by somebody else."""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def remember(code: str, token: dict[str, Any], client: Application) -> None:
    """What a code gave, so that it can be taken back if the code comes again. In the transaction of the tokens.

    `Replayed` if it came again just now.
    """
    issued = RefreshToken.objects.filter(token_checksum=digest(token.get("refresh_token", ""))).first()
    RedeemedCode.objects.filter(at__lt=timezone.now() - CODES_REMEMBERED).delete()
    given = {
        "application": client,
        "token_family": issued.token_family if issued else None,
        "access_token_checksum": digest(token["access_token"]),
    }
    _redeemed, is_first = RedeemedCode.objects.get_or_create(code_hash=digest(code), defaults=given)
    if not is_first:
        raise Replayed


def end_what_it_gave(code: str, client: Application) -> Any:
    """A code that was used before is in two hands: neither keeps what it gave (RFC 6749 §4.1.2). One token of that."""
    redeemed = RedeemedCode.objects.filter(code_hash=digest(code), application=client).first()
    if redeemed is None:
        return []
    if redeemed.token_family:
        token_families.end(redeemed.token_family)
    for access_token in AccessToken.objects.filter(token_checksum=redeemed.access_token_checksum):
        revoke_access_token(access_token)
    return RefreshToken.objects.filter(token_family=redeemed.token_family).select_related("user", "application")[:1]
