"""A real worker runs what was started in the background, and not what its person may no longer run."""

import base64
import json
from pathlib import Path

import pytest

from accounts.models import User
from integrations import flows
from integrations.models import Alias, SubflowRun
from tests import cast, walks
from tests.integrations.flowing import BEARER, INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer
from tests.servers.worker import FILES, Worker, broker, eventually

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind(server: HostileServer, amira: User, bob: User) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "CANARY-1"}]})
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    cast.signed_in(bob, alias, access_token="CANARY-of-bob")
    return alias


def test_a_worker_runs_it_as_who_started_it_and_for_nobody_who_has_left(
    northwind: Alias, amira: User, bob: User, server: HostileServer, tmp_path: Path
) -> None:
    subflow_of(open_incidents(northwind))
    with broker(FILES, tmp_path):
        of_bob = flows.start_subflow("my_open_incidents", user=bob, inputs={"limit": 3})
        User.objects.filter(pk=bob.pk).update(is_active=False)
        of_amira = flows.start_subflow("my_open_incidents", user=amira, inputs={"limit": 2})
        bodies = [json.loads(path.read_bytes())["body"] for path in (tmp_path / "queue" / "messages").glob("*.msg")]
        arguments = [json.loads(base64.b64decode(body))[:2] for body in bodies]
        assert sorted(arguments) == sorted([[[run.hex], {}] for run in (of_bob, of_amira)])
        with Worker(FILES, tmp_path, beat=False) as worker:
            assert eventually(lambda: not SubflowRun.objects.filter(status__in=["queued", "running"]).exists()), (
                worker.log
            )
    of_amira.refresh_from_db()
    of_bob.refresh_from_db()
    assert (of_amira.status, of_amira.outputs) == ("succeeded", {"numbers": ["CANARY-1"]})
    assert (of_bob.status, of_bob.error) == ("cancelled", "Stopped: the person was deactivated.")
    assert [(call.headers["authorization"], call.query) for call in server.calls] == [(BEARER, "limit=2")]
    assert "CANARY" not in worker.log
