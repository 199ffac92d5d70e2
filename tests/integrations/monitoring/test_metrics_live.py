"""Several web processes and a worker count together, also after some of them have died; each logs lines of JSON."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.served import Served
from tests.servers.worker import FILES, Worker, broker, environment, eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TOKEN = "made up, and long enough"
SWEEP = {"task": "integrations.sweep_revocations", "result": "ok"}
REQUESTS, HOMES = 40, "/nowhere/"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"METRICS_TOKEN": TOKEN, "LOG_FORMAT": "json"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def reader(site: Served) -> Callable[..., float]:
    def read(name: str, **labels: str) -> float:
        answer = requests.get(f"{site.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        families = text_string_to_metric_families(answer.text)
        samples = [each for family in families for each in family.samples if each.name == name]
        return sum(each.value for each in samples if labels.items() <= each.labels.items())

    return read


def test_all_processes_of_a_host_are_added_up_and_no_sum_shrinks_when_one_dies(folder: Path) -> None:
    site = Served("granian", folder, {**os.environ, **environment(FILES, folder)}, workers=2)
    with broker(FILES, folder), site:
        with Worker(FILES, folder, pool="prefork") as worker:
            read = reader(site)
            for _ in range(REQUESTS):
                requests.get(f"{site.url}{HOMES}", timeout=30)
            assert read("keyrack_request_seconds_count", kind="page", status="4xx") == REQUESTS
            processes = {path.name for path in (folder / "metrics").glob("histogram_*.db")}
            assert len(processes) >= 2, "the kernel gave both web processes work"
            assert eventually(lambda: read("keyrack_task_seconds_count", **SWEEP) >= 2), worker.log[-2000:]
            lines = [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]
            plain = [line for line in worker.log.splitlines() if line.strip() and not line.startswith("{")]
            assert lines
            assert not [line for line in plain if " INFO " in line or "WARNING" in line], plain
        before = read("keyrack_task_seconds_count", **SWEEP)
        assert before >= 2
        assert read("keyrack_task_seconds_count", **SWEEP) == before
        assert read("keyrack_request_seconds_count", kind="page", status="4xx") == REQUESTS
        assert (folder / "metrics/histogram_0.db").exists(), "files of the dead are merged"
        with Worker(FILES, folder, pool="prefork"):
            assert eventually(lambda: read("keyrack_task_seconds_count", **SWEEP) > before)
