"""Scheduler of beat, with its state in the database.

Only one beat sends tasks, however many run: it holds a lease in its heartbeat, and a second one takes over when that
ends. Beat needs no file: when each task last ran is in the database too.
"""

import logging
import os
import socket
import uuid
from datetime import timedelta
from typing import Any

from celery import beat
from django.db import close_old_connections
from django.utils import timezone

from integrations.monitoring import heartbeats

logger = logging.getLogger(__name__)

PAUSE = 4.0  # seconds between two heartbeats


class Scheduler(beat.Scheduler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.sends: bool | None = None
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Fill the schedule. A task that ran before this beat was started is due when it would have been anyway.

        One that never ended well is due now: if beat is restarted often, it would never be due otherwise.
        """
        super().setup_schedule()
        last_runs, intervals = heartbeats.last_runs(), heartbeats.task_intervals()
        for entry in self.schedule.values():
            name = str(entry.task)
            entry.last_run_at = last_runs.get(name) or timezone.now() - intervals.get(name, timedelta())

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, unless another beat does. Returns the seconds until the next tick."""
        close_old_connections()  # as a web process does around each request
        sends = heartbeats.take_beat(self.holder)
        if sends is not self.sends:
            logger.info("This beat sends tasks." if sends else "Another beat sends tasks; this one waits.")
        self.sends = sends
        if not sends:
            return PAUSE
        return float(min(super().tick(*args, **kwargs), PAUSE))

    def close(self) -> None:
        heartbeats.leave_beat(self.holder)
        super().close()
