"""requests-oauthlib alone: OAuth2Session with `auto_refresh_url` and `token_updater`, its token in the session."""

from collections.abc import Callable

from benchmarks.peers import sessions, stored_session
from benchmarks.peers.stored_session import prepare, stored

__all__ = ["caller", "prepare", "stored"]


def caller() -> Callable[[], str]:
    return stored_session.caller(sessions.with_requests_oauthlib)
