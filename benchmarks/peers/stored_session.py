"""A token in the Django session, where requests-oauthlib's own example keeps it."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from benchmarks.filling import ACCESS_TOKEN

KEY = "oauth_token"
Renewing = Callable[[dict[str, Any], Callable[[dict[str, Any]], None], str, str], str]


def prepare(refresh_token: str) -> None:
    session = SessionStore()
    session[KEY] = {"access_token": ACCESS_TOKEN, "refresh_token": refresh_token, "expires_at": time.time() - 3600}
    session.create()


def stored() -> str:
    return str(opened()[KEY]["refresh_token"])


def opened() -> SessionStore:
    return SessionStore(Session.objects.get().session_key)


def caller(renewing: Renewing) -> Callable[[], str]:
    key = Session.objects.get().session_key

    def call() -> str:
        session = SessionStore(key)

        def save(token: dict[str, Any]) -> None:
            session[KEY] = token
            session.save()

        return renewing(dict(session[KEY]), save, "client", "secret")

    return call
