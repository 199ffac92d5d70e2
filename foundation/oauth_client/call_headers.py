"""Headers that carry a person's token in an API call: as in RFC 6750, or as one provider requires.

An administrator defines the headers; they are validated strictly, and errors say what is wrong. Placeholders stand for
the access token and our client id. Sends nothing.
"""

from collections.abc import Mapping

from foundation.oauth_client import revocation_requests
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.revocation_requests import BadDialect

PLACEHOLDERS = ("client_id", "access_token")  # not the client secret, which APIs must not see
TOKEN = "{access_token}"  # noqa: S105  # a placeholder, not a token


def parse_call_headers(where: str, raw: object) -> Mapping[str, str]:
    """Validate header names and texts. Raises `BadDialect`."""
    texts = revocation_requests.parse_headers(where, raw)
    for name, text in texts.items():
        for placeholder in revocation_requests.placeholders_in(text):
            if placeholder not in PLACEHOLDERS:
                raise BadDialect(f"The header {name} cannot hold {{{placeholder}}}, only {{client_id}} and {TOKEN}.")
        if name.lower() == "authorization" and TOKEN not in text:
            raise BadDialect(f"The header Authorization says who calls, and must hold {TOKEN}.")
    return texts


def build_headers(raw: object, *, client_id: str, access_token: str) -> dict[str, bytes]:
    """Headers for one call. As bytes: a token that is not Latin-1 must arrive as it was issued, in UTF-8."""
    try:
        texts = parse_call_headers("call_headers", raw)
    except BadDialect as error:
        raise Misconfigured("bad_call_headers", str(error)) from None
    if not client_id.isprintable():
        raise Misconfigured("bad_client_id", "the client id holds control characters")
    values = {"client_id": client_id, "access_token": access_token}
    filled = {name: str(revocation_requests.fill_placeholders(text, values)).encode() for name, text in texts.items()}
    if any(TOKEN in text for text in texts.values()):
        return filled
    return {**filled, "Authorization": b"Bearer " + access_token.encode()}
