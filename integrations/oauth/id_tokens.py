"""What an id token says, checked. It came from the token endpoint itself over the guarded transport, so OpenID Connect
Core section 3.1.3.7 item 6 lets TLS stand in for its signature; never feed it one that came by way of a browser.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hmac import compare_digest
from time import time

from integrations.oauth.errors import Unusable

_LEEWAY = 300  # seconds that clocks may differ


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
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not expires > time() - _LEEWAY:
        raise Unusable("bad_id_token", "the id token has expired")
    return claims


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
