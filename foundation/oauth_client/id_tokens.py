"""Validate the claims of an id token that came straight from the token endpoint.

OpenID Connect Core §3.1.3.7 item 6 then accepts TLS in place of the signature. Never pass in an id token that came by
way of a browser.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hmac import compare_digest
from time import time

from foundation.oauth_client.errors import ClockSkew, Misconfigured, Unusable
from foundation.oauth_client.provider_profile import STANDARD
from foundation.oauth_client.provider_profile.format import IdToken

_LEEWAY = 300  # seconds that clocks may differ
_FARTHEST = 10**11  # seconds from 1970; the year 5138


def validate(
    unverified_id_token: str, *, client_id: str, issuer: str, nonce: str, exceptions: IdToken = STANDARD.id_token
) -> Mapping[str, object]:
    """The claims. Raises `Unusable`, or `Misconfigured` if the issuer of the registry is not the server's own name.

    `issuer` is "" if we don't know it, `nonce` if we sent none.
    `exceptions`: from the profile of a provider that sends no nonce, or names itself in several ways.
    """
    claims = _claims(unverified_id_token)
    audience = claims.get("aud")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Unusable("bad_id_token", "the id token is meant for another client")
    if issuer and not any(_is_issuer(claims, each) for each in (issuer, *exceptions.issuers)):
        raise Misconfigured(
            "other_issuer",
            "the id token names %(named)s, the registry says %(issuer)s",
            named=_named_issuer(claims),
            issuer=issuer,
        )
    is_expected = exceptions.nonce or claims.get("nonce") is not None
    if nonce and is_expected and not _equal(claims.get("nonce"), nonce):
        raise Unusable("bad_id_token", "the id token answers another request")
    check_times(claims, time())
    return claims


def _is_issuer(claims: Mapping[str, object], issuer: str) -> bool:
    """Whether the id token is of this issuer. {tenantid} stands for the tenant that the token names (Entra)."""
    tenant = claims.get("tid")
    if "{tenantid}" in issuer and isinstance(tenant, str) and re.fullmatch(r"[A-Za-z0-9.-]{1,100}", tenant):
        issuer = issuer.replace("{tenantid}", tenant)
    return claims.get("iss") == issuer


def _named_issuer(claims: Mapping[str, object]) -> str:
    """The issuer that the id token names, if it is an address that can be shown."""
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) and re.fullmatch(r"[\x21-\x7e]{1,200}", issuer) else "?"


def check_times(claims: Mapping[str, object], now: float) -> None:
    """Check exp and nbf (RFC 7519 §4.1). If a token that was just issued is not valid now, two clocks differ."""
    expires_at, issued_at, not_before = (_seconds(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if not_before is not None and not_before > now + _LEEWAY:
        raise ClockSkew(not_before - now)
    if expires_at is None or not expires_at > now - _LEEWAY:
        if expires_at is not None and issued_at is not None and issued_at < min(expires_at, now - _LEEWAY):
            raise ClockSkew(issued_at - now)
        raise Unusable("bad_id_token", "the id token has expired")


def seconds_left(unverified_token: str) -> int | None:
    """Seconds until the claim `exp` of an access token that is a JWT; None if it names none that makes sense.

    Not verified: the token endpoint, which is believed for every other lifetime, has just sent it. Where our clock is
    behind, the moment of issue counts as now. A token that seems to be over already tells of a wrong clock only.
    """
    try:
        claims = _claims(unverified_token)
        expires_at, issued_at = (_seconds(claims.get(name)) for name in ("exp", "iat"))
    except Unusable:
        return None
    if expires_at is None or (issued_at is not None and issued_at >= expires_at):
        return None
    seconds = expires_at - max(time(), issued_at or 0)
    return int(seconds) if seconds > 0 else None


def _seconds(value: object) -> float | None:
    """A NumericDate (RFC 7519 §2), also as a text of digits, or None.

    Raises `Unusable` if it is further away than any clock can be.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9]{9,11}", value):
        value = int(value)
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
