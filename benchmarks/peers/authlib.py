"""Authlib: its OAuth2Session with `token_endpoint` and `update_token`, its token in the session."""

from collections.abc import Callable

from benchmarks.peers import sessions, stored_session
from benchmarks.peers.stored_session import prepare, stored

__all__ = ["caller", "prepare", "stored"]


def caller() -> Callable[[], str]:
    return stored_session.caller(sessions.with_authlib)
