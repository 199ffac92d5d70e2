"""Keyrack's revocations, for `benchmarks.mass_revocation`. No peer revokes tokens that it deletes."""

import os
from concurrent.futures import ThreadPoolExecutor

from django.db import transaction

from accounts.models import User
from benchmarks.keyrack import alias_at, credential_of, token_of
from foundation.oauth_client import transport
from integrations.connections import revocations
from integrations.models import Alias, Revocation, Token
from integrations.models.tokens import RevocationState

REASON = "benchmark"


def prepare() -> None:
    alias_at("northwind")


def promise(count: int) -> None:
    """So many people have a token, and all of them are ended."""
    credential = credential_of(Alias.objects.get())
    first = User.objects.count()
    users = User.objects.bulk_create([User(username=f"person-{first + number}") for number in range(count)])
    with transaction.atomic():
        for token in Token.objects.bulk_create([token_of(user, credential) for user in users]):
            token.end(reason=REASON)


def drain(threads: int) -> None:
    """Deliver whatever is due, on so many threads."""
    revocations.drain(seconds=600, threads=threads)


def bare(threads: int, calls: int) -> None:
    """The same HTTP client, and nothing else."""
    url, form = f"{os.environ['AUTHORITY']}/revoke", {"token": "r" * 40, "token_type_hint": "refresh_token"}
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _number: transport.request("POST", url, data=form), range(calls)))


def kept() -> int:
    return Revocation.objects.filter(state__in=(RevocationState.CONFIRMED, RevocationState.VERIFIED)).count()
