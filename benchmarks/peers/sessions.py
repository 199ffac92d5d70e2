"""OAuth 2.0 sessions that renew by themselves: they ask the authority's API, and call `save` with a new token."""

import os
import time
from collections.abc import Callable
from typing import Any

from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from requests_oauthlib import OAuth2Session

AUTHORITY = os.environ["AUTHORITY"]
TOKEN_URL, API = f"{AUTHORITY}/token", f"{AUTHORITY}/api"
Save = Callable[[dict[str, Any]], None]


def with_requests_oauthlib(stored: dict[str, Any], save: Save, client_id: str, secret: str) -> str:
    """`expires_in` is counted from now, as its documentation asks for."""
    session = OAuth2Session(
        client_id,
        token={"token_type": "Bearer", **stored, "expires_in": stored["expires_at"] - time.time()},
        auto_refresh_url=TOKEN_URL,
        auto_refresh_kwargs={"client_id": client_id, "client_secret": secret},
        token_updater=save,
    )
    session.get(API).raise_for_status()
    return str(session.token["access_token"])


def with_authlib(stored: dict[str, Any], save: Save, client_id: str, secret: str) -> str:
    session = AuthlibSession(
        client_id,
        secret,
        token={"token_type": "Bearer", **stored},
        token_endpoint=TOKEN_URL,
        update_token=lambda token, **_old: save(token),
    )
    session.get(API).raise_for_status()
    return str(session.token["access_token"])
