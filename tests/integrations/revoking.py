"""What tests about promises to revoke share: making one, delivering it, reading what was sent and what is left."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from integrations.connections import authorization, tasks
from integrations.models import Alias, Revocation
from tests.servers.hostile import Call

TOLD = "POST /revoke"
REFRESH, ACCESS = "CANARY-refresh-1", "CANARY-access-1"


def promised(user: User, alias: Alias) -> Revocation:
    revocation = authorization.revoke(user, alias)
    assert revocation is not None
    return revocation


def deliver(revocation: Revocation) -> Revocation:
    """What a worker does with the id, now or when it is due next."""
    Revocation.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())
    tasks.deliver_revocation(revocation.hex)
    return Revocation.objects.get(pk=revocation.pk)


def tokens_of(calls: list[Call]) -> list[str]:
    return [call.form["token"] for call in calls]


def copies(revocation: Revocation) -> list[Any]:
    """What the row holds of secrets, sealed."""
    names = ("refresh_token", "access_token", "client_secret")
    return list(Revocation.objects.filter(pk=revocation.pk).values_list(*names)[0])
