"""Keyrack's renewal alone as a contestant: `renewal.current(user, credential)`, without admission."""

from collections.abc import Callable

from accounts.models import User
from benchmarks.keyrack import credential_of, prepare, stored
from integrations.connections import renewal
from integrations.models import Alias

__all__ = ["caller", "prepare", "stored"]


def caller() -> Callable[[], str]:
    user, credential = User.objects.get(username="amira"), credential_of(Alias.objects.get())

    def call() -> str:
        access_token: str = renewal.current(user, credential).access_token
        return access_token

    return call
