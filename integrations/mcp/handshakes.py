"""What a client with a handshake said about itself, for any process that serves its later requests.

The session id that `initialize` is answered with holds it, signed. Nothing is stored, and no id is refused. It tells
two clients with the same token apart, and opens nothing: each request needs a bearer token of its own.
"""

import secrets
from dataclasses import dataclass

from django.core import signing

SALT = "mcp-handshake"
LONGEST_ID = 500  # characters


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """`nonce`: "" if the client sent no id of ours."""

    nonce: str = ""
    opens_urls: bool = False


def issue_session_id(*, opens_urls: bool) -> str:
    return signing.dumps([secrets.token_urlsafe(12), opens_urls], salt=SALT)


def read_handshake(session_id: str) -> Handshake:
    """What the id says. An id that isn't ours says nothing."""
    try:
        nonce, opens_urls = signing.loads(session_id[:LONGEST_ID], salt=SALT)
    except (signing.BadSignature, ValueError):
        return Handshake()
    return Handshake(nonce=nonce, opens_urls=opens_urls)
