"""How a person's token goes along with a call: as RFC 6750 has it, or in the headers that a provider wants.

Headers are data that an administrator typed in: read strictly, and refused with a sentence that says what is wrong.
Sends nothing; placeholders stand for the token and for our name.
"""

from collections.abc import Mapping

from foundation.oauth_client import revocation_requests
from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.revocation_requests import BadDialect

PLACEHOLDERS = ("client_id", "access_token")  # a call is no place for our secret
TOKEN = "{access_token}"  # noqa: S105  # a placeholder, not a token


def read(where: str, raw: object) -> Mapping[str, str]:
    """Header names and texts. `BadDialect` for what is none of it."""
    found = revocation_requests.headers(where, raw)
    for name, text in found.items():
        for placeholder in revocation_requests.placeholders(text):
            if placeholder not in PLACEHOLDERS:
                raise BadDialect(f"The header {name} cannot hold {{{placeholder}}}, only {{client_id}} and {TOKEN}.")
        if name.lower() == "authorization" and TOKEN not in text:
            raise BadDialect(f"The header Authorization says who calls, and must hold {TOKEN}.")
    return found


def headers(raw: object, *, client_id: str, access_token: str) -> dict[str, bytes]:
    """What a call bears. As bytes, for a token that is not Latin-1 must arrive as it was issued: in UTF-8."""
    try:
        texts = read("call_headers", raw)
    except BadDialect as error:
        raise Misconfigured("bad_call_headers", str(error)) from None
    if not client_id.isprintable():
        raise Misconfigured("bad_client_id", "the client id holds control characters")
    values = {"client_id": client_id, "access_token": access_token}
    borne = {name: str(revocation_requests.filled(text, values)).encode() for name, text in texts.items()}
    if any(TOKEN in text for text in texts.values()):
        return borne
    return {**borne, "Authorization": b"Bearer " + access_token.encode()}
