"""What tests about accounts at the provider share: who it says one is, and what it hears of the tokens that lost."""

from typing import Any

from integrations.connections import tasks
from integrations.models import Revocation
from tests.servers.hostile import HostileServer

AMIRAS = {"sub": "a-1", "email": "amira@northwind.example"}
BOBS = {"sub": "b-2", "email": "bob@northwind.example"}


def is_known_as(server: HostileServer, *accounts: Any) -> None:
    for account in accounts:
        server.on("GET /userinfo").answer(json=account)


def told_to_revoke(server: HostileServer) -> list[str]:
    """What the provider hears when everything that is due has been delivered."""
    for revocation in Revocation.objects.due():
        tasks.deliver_revocation(revocation.hex)
    return [call.form["token"] for call in server.calls_to("POST /revoke")]
