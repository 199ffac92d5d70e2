"""Services for tests are our own, start where they can, and leave nothing behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from redis import Redis

from tests.servers import fixtures, machine, running

pytestmark = pytest.mark.slow

REDIS_IN_A_PROCESS_OF_ITS_OWN = """
import time
from tests.servers import machine
with machine.redis() as url:
    print(url, flush=True)
    time.sleep(60)
"""


def test_postgres_is_a_cluster_of_its_own(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("select current_setting('data_directory'), current_setting('fsync')").fetchone()
    assert row is not None
    assert "keyrack-postgres-" in row[0]
    assert row[1] == "off"


def test_redis_is_empty_and_remembers_nothing() -> None:
    fixtures.skip_without("redis")
    with machine.redis() as url, Redis.from_url(url) as redis:  # not the one that all tests of a process share
        assert redis.dbsize() == 0
        assert redis.config_get("save") == {"save": ""}


@pytest.mark.slow
def test_rabbitmq_answers_at_a_port_of_its_own(rabbitmq_url: str) -> None:
    port = urlsplit(rabbitmq_url).port
    assert port != 5672
    assert machine.answers(port or 0, b"AMQP\x00\x00\x09\x01", b"\x01")


def listening_port() -> int:
    with running.listening_socket() as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("choose", [machine.free_port, listening_port])
def test_processes_with_the_same_seed_choose_different_ports(choose: Callable[[], int]) -> None:
    choices = []
    for _process in range(2):
        random.seed(1)  # as pytest-randomly does before each test, in all processes of a run
        choices.append([choose() for _port in range(3)])
    assert choices[0] != choices[1]


def test_a_service_ends_with_its_block() -> None:
    fixtures.skip_without("redis")
    with machine.redis() as url:
        port = urlsplit(url).port or 0
        assert machine.answers(port, b"PING\r\n", b"+PONG")
    assert not machine.answers(port, b"PING\r\n", b"+PONG")


def test_a_service_ends_when_its_test_run_is_killed() -> None:
    fixtures.skip_without("redis")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", REDIS_IN_A_PROCESS_OF_ITS_OWN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with Redis.from_url(url) as redis:
            home = str(redis.config_get("dir")["dir"])
        os.kill(process.pid, signal.SIGKILL)
    port, until = urlsplit(url).port or 0, time.monotonic() + 10
    while machine.answers(port, b"PING\r\n", b"+PONG") and time.monotonic() < until:
        time.sleep(0.05)
    shutil.rmtree(home)
    assert not machine.answers(port, b"PING\r\n", b"+PONG")


def test_a_service_that_does_not_start_tells_why() -> None:
    command = ["/bin/sh", "-c", "echo no such thing; exit 1"]
    with (
        pytest.raises(machine.ServiceFailed, match="no such thing"),
        machine.folder("broken") as home,
        machine.running(command, home, lambda: False),
    ):
        pytest.fail("began although it was not ready")


def test_what_is_lacking_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert machine.lacks("redis") == "needs redis: Redis is not installed (apt-get install redis-server)"
    assert "apt-get install nodejs npm" in machine.lacks("node")
