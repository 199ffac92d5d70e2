"""What an id token says, checked. It came from the token endpoint itself over the guarded transport, so OpenID Connect
Core section 3.1.3.7 item 6 lets TLS stand in for its signature; never feed it one that came by way of a browser.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hmac import compare_digest
from time import time

from foundation.oauth_client.errors import ClockSkew, Unusable

_LEEWAY = 300  # seconds that clocks may differ
_FARTHEST = 10**11  # seconds from 1970; the year 5138


def read(unverified_id_token: str, *, client_id: str, issuer: str, nonce: str) -> Mapping[str, object]:
    """The claims, or Unusable. An empty `issuer` or `nonce` means that we don't know, or did not send, one."""
    claims = _claims(unverified_id_token)
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Unusable("bad_id_token", "the id token is meant for another client")
    if issuer and claims.get("iss") != issuer:
        raise Unusable("bad_id_token", "the id token names another issuer")
    if nonce and not _equal(claims.get("nonce"), nonce):
        raise Unusable("bad_id_token", "the id token answers another request")
    check_times(claims, time())
    return claims


def check_times(claims: Mapping[str, object], now: float) -> None:
    """It was issued a moment ago: where it is not valid now by its own times, two clocks differ (RFC 7519 §4.1)."""
    expires, issued, begins = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if begins is not None and begins > now + _LEEWAY:
        raise ClockSkew(begins - now)
    if expires is None or not expires > now - _LEEWAY:
        if expires is not None and issued is not None and issued < min(expires, now - _LEEWAY):
            raise ClockSkew(issued - now)
        raise Unusable("bad_id_token", "the id token has expired")


def _seconds(value: object) -> float | None:
    """A NumericDate (RFC 7519 §2). Unusable if it is further away than any clock can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_FARTHEST < value < _FARTHEST:  # false for NaN as well
        raise Unusable("bad_id_token", "the id token has a time that is none")
    return value


def _claims(token: str) -> Mapping[str, object]:
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise Unusable("bad_id_token", "the id token cannot be read")
    return claims


def _equal(claimed: object, expected: str) -> bool:
    return isinstance(claimed, str) and compare_digest(
        claimed.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
