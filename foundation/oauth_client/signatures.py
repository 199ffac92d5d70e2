"""Keyed hashes with the client secret, which some providers want beside a token, or put into a callback."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from foundation.oauth_client.provider_profile.format import Calls, Signature
from foundation.oauth_client.registration import fill_values

ACCESS_TOKEN_HMAC = "{access_token_hmac}"  # noqa: S105  # a placeholder in query values


def hash_token(access_token: str, client_secret: str) -> str:
    """HMAC-SHA256 of the access token, in hexadecimal (Facebook: `appsecret_proof`)."""
    return hmac.new(client_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()


def has_proof(calls: Calls) -> bool:
    """Whether calls carry a hash of the access token, for which the client secret has to be read."""
    return any(ACCESS_TOKEN_HMAC in text for text in calls.parameters.values())


def proof_parameters(calls: Calls, access_token: str, client_secret: str) -> dict[str, str]:
    """The query parameters that hold a hash of the access token; {} at providers that want none."""
    proofs = {name: text for name, text in calls.parameters.items() if ACCESS_TOKEN_HMAC in text}
    values = {"access_token_hmac": hash_token(access_token, client_secret)}
    return {name: fill_values(text, values) for name, text in proofs.items()}


def is_signed(parameters: Mapping[str, str], signature: Signature, client_secret: str) -> bool:
    """Whether the callback holds the hash of its other parameters. Never without a client secret.

    Providers hash `name=value` pairs, sorted and joined by `&`, either percent-encoded or with only the delimiters
    encoded. Both are unambiguous, so either counts.
    """
    value = parameters.get(signature.parameter, "")
    covered = sorted((n, v) for n, v in parameters.items() if n not in {signature.parameter, *signature.without})
    escaped = "&".join(f"{_escape(name, '%&=')}={_escape(text, '%&')}" for name, text in covered)
    digests = [
        hmac.new(client_secret.encode(), message.encode(errors="replace"), hashlib.sha256).hexdigest()
        for message in (urlencode(covered, errors="replace"), escaped)
    ]
    is_equal = [hmac.compare_digest(digest.encode(), value.lower().encode(errors="replace")) for digest in digests]
    return bool(client_secret) and any(is_equal)


def _escape(text: str, delimiters: str) -> str:
    return "".join(f"%{ord(letter):02X}" if letter in delimiters else letter for letter in text)
