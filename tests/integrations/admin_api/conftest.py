"""An administrator's script: a permanent token with the scope to administer."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts import tokens
from tests.servers.hostile import HostileServer

ADMIN = "/api/v1/admin/"


class Script(Client):
    """A program that administers with a token. Sends and reads JSON."""

    def __init__(self, user: User, *scopes: str, name: str = "nightly-report") -> None:
        _row, secret = tokens.make_token(user, *(scopes or ["administration"]), name=name)
        super().__init__(headers={"Authorization": f"Bearer {secret}"})
        self.raise_request_exception = False

    def send(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(self, method)(f"{ADMIN}{address}", headers=headers, **data)

    def document(self, address: str) -> Any:
        answer = self.send("get", address)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def applied(self, address: str, body: Any, **headers: str) -> Any:
        answer = self.send("put", address, body, **headers)
        assert answer.status_code in (200, 201), answer.content.decode()
        return answer.json()


@pytest.fixture
def script(admin: User) -> Script:
    return Script(admin)


@pytest.fixture
def provider(server: HostileServer) -> str:
    return server.url
