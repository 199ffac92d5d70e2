"""How long an access token lives. Settings import this file, so it must not import a model."""

from typing import Protocol


class _Profile(Protocol):
    def access_token_lifetime(self) -> int: ...


class _Application(Protocol):
    profile: _Profile


class _TokenRequest(Protocol):
    client: _Application


def access_token_seconds(request: _TokenRequest) -> int:
    """Answer oauthlib, which asks at every token that it makes."""
    return request.client.profile.access_token_lifetime()
