"""A real worker keeps the promises, whatever becomes of it, of the broker and of what lies in the queue."""

import base64
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, Revocation
from integrations.models.heartbeats import Heartbeat
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.integrations.revoking import ACCESS, REFRESH, TOLD, tokens_of
from tests.servers.brokers import server_of
from tests.servers.hostile import HostileServer
from tests.servers.worker import FILES, Worker, broker, environment, eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AT_ONCE = 9.0  # seconds, on a machine with other work; a page that waits for a broker would take longer


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Amira's integration, signed in."""
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    server.on(TOLD).always(status=200)
    return alias


@pytest.fixture(params=["files", "redis_url", "rabbitmq_url"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return FILES if request.param == "files" else str(request.getfixturevalue(request.param))


def revoke(person: Client, alias: Alias) -> float:
    """Press the button; how many seconds the page took."""
    began = time.monotonic()
    answer = person.post(reverse("integrations:revoke", args=[alias.hex]))
    assert answer.status_code in {200, 302, 303}
    return time.monotonic() - began


def is_confirmed() -> bool:
    return set(Revocation.objects.values_list("state", flat=True)) == {"confirmed"}


def in_queue(folder: Path) -> list[Path]:
    return sorted((folder / "queue" / "messages").glob("*.msg"))


@pytest.mark.database
def test_the_provider_is_told_within_seconds(
    broker_url: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    with broker(broker_url, tmp_path), Worker(broker_url, tmp_path, beat=False) as worker:
        assert revoke(as_amira, northwind) < AT_ONCE
        assert eventually(is_confirmed), worker.log
        assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS]
        assert "CANARY" not in worker.log


@pytest.mark.parametrize("kind", ["files", "redis_url"])
def test_what_was_revoked_without_a_worker_is_delivered_by_the_next(
    kind: str,
    request: pytest.FixtureRequest,
    server: HostileServer,
    amira: User,
    northwind: Alias,
    as_amira: Client,
    tmp_path: Path,
) -> None:
    url = FILES if kind == "files" else request.getfixturevalue(kind)
    with broker(url, tmp_path):
        assert revoke(as_amira, northwind) < AT_ONCE
        assert not PersonalAuthAPI(amira).is_token_valid("northwind")
        assert as_amira.get("/integrations/").status_code == 200
        assert server.calls == []
        with Worker(url, tmp_path, beat=False) as worker:
            assert eventually(is_confirmed), worker.log


def test_a_queue_that_is_gone_holds_up_nobody(
    server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    with broker(FILES, tmp_path), Worker(FILES, tmp_path) as worker:
        (tmp_path / "queue").rename(tmp_path / "away")
        assert revoke(as_amira, northwind) < AT_ONCE
        shutil.rmtree(tmp_path / "queue", ignore_errors=True)
        time.sleep(1.5)
        assert worker.is_alive, worker.log
        assert server.calls == []
        (tmp_path / "away").rename(tmp_path / "queue")
        assert eventually(is_confirmed), worker.log


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_is_down_holds_up_nobody(
    kind: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    with server_of(kind) as queue, broker(queue.url, tmp_path), Worker(queue.url, tmp_path) as worker:
        queue.kill()
        assert revoke(as_amira, northwind) < AT_ONCE
        assert as_amira.get("/integrations/").status_code == 200
        assert Revocation.objects.get().state == "pending"
        assert server.calls == []
        assert eventually(lambda: "The queue is unreachable" in worker.log), worker.log
        queue.start()
        assert eventually(is_confirmed), worker.log
        assert worker.is_alive
        assert "SchedulingError" not in worker.log


@pytest.mark.parametrize("how", ["replica", "full"])
def test_a_redis_that_refuses_to_write_ends_no_worker(
    how: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    """As during a failover, or without memory. A worker that waits for messages is told so by an error."""
    with (
        server_of("redis") as queue,
        redis.Redis.from_url(queue.url) as client,
        broker(queue.url, tmp_path),
        Worker(queue.url, tmp_path) as worker,
    ):
        assert eventually(lambda: Heartbeat.objects.filter(at__isnull=False).count() > 2), worker.log
        if how == "replica":
            client.replicaof("127.0.0.1", "1")
        else:
            client.config_set("maxmemory", "1")
        assert revoke(as_amira, northwind) < AT_ONCE
        time.sleep(8)
        assert worker.is_alive, worker.log
        assert server.calls == []
        if how == "replica":
            client.replicaof("NO", "ONE")
        else:
            client.config_set("maxmemory", "0")
        assert eventually(is_confirmed), worker.log
        assert worker.log.count("Cannot connect") < 8, "it waits longer after each attempt"
        assert "Traceback" not in worker.log


def test_a_worker_whose_password_is_refused_waits_longer_each_time(rabbitmq_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "celery", "--quiet", "--app", "config", "worker", "--pool", "solo"]
    variables = {**os.environ, **environment(rabbitmq_url.replace("guest:guest", "guest:CANARY"), tmp_path)}
    path = tmp_path / "worker.log"
    with path.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as worker:
        try:
            assert eventually(lambda: "Trying again in 4.00 seconds" in path.read_text(), 60), path.read_text()
        finally:
            worker.kill()
    log = path.read_text()
    assert "Trying again in 2.00 seconds" in log
    assert log.count("ACCESS_REFUSED") == 2
    assert "Traceback" not in log
    assert "CANARY" not in log


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_freezes_holds_up_nobody_for_long(
    kind: str, server: HostileServer, amira: User, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    """Also those who are connected to it, and now get no answer; when it thaws, all goes on."""
    other = cast.integration_at(cast.registry_at(server.url, name="Other"), name="other")
    cast.signed_in(amira, other)
    with server_of(kind) as queue, broker(queue.url, tmp_path), Worker(queue.url, tmp_path) as worker:
        revoke(as_amira, other)
        assert eventually(is_confirmed), worker.log
        with queue.frozen():
            assert revoke(as_amira, northwind) < AT_ONCE
            assert as_amira.get("/integrations/").status_code == 200
            assert Revocation.objects.filter(state="pending").count() == 1
        assert eventually(is_confirmed), worker.log
        assert worker.is_alive


def test_a_broker_that_hangs_holds_up_nobody(northwind: Alias, as_amira: Client, tmp_path: Path) -> None:
    """It takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as away:
        away.enter_context(broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", tmp_path))
        assert revoke(as_amira, northwind) < AT_ONCE
    assert Revocation.objects.get().state == "pending"


@pytest.mark.parametrize("kind", ["files", "redis_url"])
def test_a_worker_killed_while_it_tells_leaves_the_promise_to_the_next(
    kind: str,
    request: pytest.FixtureRequest,
    server: HostileServer,
    northwind: Alias,
    as_amira: Client,
    tmp_path: Path,
) -> None:
    url = FILES if kind == "files" else request.getfixturevalue(kind)
    server.on(TOLD).answer(status=200, delay=20)
    with broker(url, tmp_path), Worker(url, tmp_path) as worker:
        revoke(as_amira, northwind)
        assert eventually(lambda: len(server.calls) == 1), worker.log
        worker.kill()
        assert Revocation.objects.get().state == "pending"
        worker.start()
        time.sleep(1.5)
        assert len(server.calls) == 1  # whoever was at it may still be
        Revocation.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
        assert eventually(is_confirmed), worker.log
        assert tokens_of(server.calls_to(TOLD)) == [REFRESH, REFRESH, ACCESS]


RUBBISH = {
    "1_half.celery.msg": b'{"body": "W1siZm',
    "2_empty.celery.msg": b"",
    "3_list.celery.msg": b"[]",
    "4_other.celery.msg": b'{"properties": {}}',
    "5_binary.celery.msg": b"\xff\xfe\x00",
    "7_null.celery.msg": b"null",
    "8_deep.celery.msg": b"[" * 100_000,
}
ODD_MESSAGES = {
    "6_body.celery.msg": b'{"body": "!", "properties": {"delivery_tag": "a", "body_encoding": "base64"}}',
    "9_headless.celery.msg": b'{"body": "", "headers": null, "properties": {"delivery_tag": "a", "delivery_info": {}}}',
}


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_rubbish_in_the_queue_does_not_end_the_worker(
    pool: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    with broker(FILES, tmp_path), Worker(FILES, tmp_path, beat=False, pool=pool) as worker:
        for name, content in {**RUBBISH, **ODD_MESSAGES}.items():
            (tmp_path / "queue" / "messages" / name).write_bytes(content)
        assert eventually(lambda: not in_queue(tmp_path)), worker.log
        revoke(as_amira, northwind)
        assert eventually(is_confirmed), worker.log
        assert worker.is_alive
        assert worker.log.count("that is not a message") == len(RUBBISH)


@pytest.mark.parametrize("broker_url", ["redis_url", "rabbitmq_url"], indirect=True)
def test_rubbish_in_a_brokers_queue_does_not_end_the_worker(
    broker_url: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    with broker(broker_url, tmp_path), Worker(broker_url, tmp_path, beat=False) as worker:
        with current_app.connection_for_write() as link:
            for content in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000):
                link.Producer().publish(
                    content, routing_key="celery", content_type="application/json", content_encoding="utf-8"
                )
        revoke(as_amira, northwind)
        assert eventually(is_confirmed), worker.log
        assert worker.is_alive


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickled_message_is_not_opened(
    broker_url: str, server: HostileServer, northwind: Alias, as_amira: Client, tmp_path: Path
) -> None:
    blown = tmp_path / "blown"
    with broker(broker_url, tmp_path), Worker(broker_url, tmp_path, beat=False) as worker:
        with current_app.connection_for_write() as link:
            link.Producer().publish(
                pickle.dumps(Bomb(blown)),
                routing_key="celery",
                exchange="celery",
                content_type="application/x-python-serialize",
                content_encoding="binary",
                headers={"task": "integrations.deliver_revocation", "id": "a", "lang": "py"},
            )
        revoke(as_amira, northwind)
        assert eventually(is_confirmed), worker.log
        assert worker.is_alive
        assert "ContentDisallowed" in worker.log or "untrusted content" in worker.log
    assert not blown.exists()


def test_a_message_holds_an_id_and_nothing_else(northwind: Alias, as_amira: Client, tmp_path: Path) -> None:
    with broker(FILES, tmp_path):
        revoke(as_amira, northwind)
    [path] = in_queue(tmp_path)
    message = json.loads(path.read_text())
    body = base64.b64decode(message["body"]).decode()
    arguments, keywords, _ = json.loads(body)
    assert (arguments, keywords) == ([Revocation.objects.get().hex], {})
    assert message["content-type"] == "application/json"
    assert "CANARY" not in path.read_text() + body


def test_a_test_run_that_is_killed_leaves_no_worker(northwind: Alias, tmp_path: Path) -> None:
    worker = Worker(FILES, tmp_path).start()
    child = worker.revoke_answer()
    assert eventually(lambda: child.poll() is not None), worker.log
