"""Real processes: a worker with beat, a second beat beside it, and what is seen once they are killed."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from integrations.models.heartbeats import BEAT, Heartbeat
from integrations.monitoring import heartbeats
from tests.servers.worker import CHECKOUT, FILES, Worker, broker, environment, eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
SWEEP = "integrations.sweep_revocations"  # every second here


def sweep_at() -> object:
    return Heartbeat.objects.filter(name=SWEEP).values_list("at", flat=True).first()


def test_workers_and_beat_write_heartbeats_and_a_second_beat_keeps_out_of_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broker(FILES, tmp_path), Worker(FILES, tmp_path) as worker:
        assert eventually(lambda: sweep_at() is not None), worker.log[-2000:]
        holder = Heartbeat.objects.get(name=BEAT).holder
        log = tmp_path / "beat.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "config", "beat", "--loglevel=INFO"],
                cwd=CHECKOUT,
                env={**os.environ, **environment(FILES, tmp_path)},
                stdout=output,
                stderr=output,
            ) as second,
        ):
            assert eventually(lambda: "this one waits" in log.read_text())
            before = sweep_at()
            assert eventually(lambda: sweep_at() != before)
            assert "This beat sends tasks" not in log.read_text()
            assert Heartbeat.objects.get(name=BEAT).holder == holder
            assert Heartbeat.objects.get(name=SWEEP).waited_seconds > 0
            worker.kill()
            assert eventually(lambda: "This beat sends tasks" in log.read_text()), "the second beat takes over"
            monkeypatch.setattr(heartbeats, "WORKERS_SILENT_AFTER", timedelta(seconds=2))
            assert eventually(lambda: [silent.part for silent in heartbeats.silent_parts()] == ["worker"])
            second.terminate()
            second.wait(60)
        assert Heartbeat.objects.get(name=BEAT).holder == "", "a beat that ends in peace lets the next begin at once"
        monkeypatch.setattr(heartbeats, "BEAT_SILENT_AFTER", timedelta(seconds=2))
        assert eventually(lambda: [silent.part for silent in heartbeats.silent_parts()] == [BEAT])
