"""Heartbeats: does anything do the background work?

Beat and workers write their signs of life into the database, which all hosts share, by its clock: those of two hosts
may differ. While beat is silent, nothing is
known of workers, because nobody gives them tasks.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from integrations.models.heartbeats import BEAT, Heartbeat

logger = logging.getLogger(__name__)

BEAT_SILENT_AFTER = timedelta(minutes=1)
WORKERS_SILENT_AFTER = timedelta(minutes=2)
OVERDUE_FACTOR, OVERDUE_MARGIN = 3, timedelta(minutes=1)  # a task is overdue after so many of its intervals


@dataclass(frozen=True, kw_only=True)
class SilentPart:
    """A part of the background work that does not run. `part`: "beat", "worker" or the name of a task."""

    part: str
    since: datetime | None  # None: never seen
    sentence: str


@dataclass(frozen=True, kw_only=True)
class TaskAge:
    """When a task of beat last ended well, and when it counts as overdue."""

    name: str
    interval: timedelta
    heartbeat: Heartbeat

    @property
    def overdue_after(self) -> timedelta:
        return self.interval * OVERDUE_FACTOR + OVERDUE_MARGIN

    @property
    def has_run(self) -> bool:
        """Whether it has ever ended, well or not. Of a new task nothing is known."""
        return bool(self.heartbeat.at or self.heartbeat.failed_at)

    def is_overdue(self, now: datetime) -> bool:
        if not self.has_run:
            return False
        return self.heartbeat.at is None or now - self.heartbeat.at > self.overdue_after


def task_intervals() -> dict[str, timedelta]:
    """How often beat starts each of its tasks, by name."""
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return {entry["task"]: entry["schedule"] for entry in schedule.values()}


def task_ages(rows: dict[str, Heartbeat]) -> list[TaskAge]:
    return [
        TaskAge(name=name, interval=interval, heartbeat=rows.get(name) or Heartbeat(name=name))
        for name, interval in task_intervals().items()
    ]


def silent_parts() -> list[SilentPart]:
    """What does not run, with a sentence for administrators; empty if all is well. One statement.

    Names only what is known: of a silent beat alone, or of workers that do nothing, or of single tasks.
    """
    return judge_heartbeats(*read_heartbeats())


def read_heartbeats() -> tuple[dict[str, Heartbeat], datetime]:
    """All rows by name, and what time it is for the database, whose clock wrote them. One statement."""
    rows = list(Heartbeat.objects.annotate(read_at=Now()))
    now: datetime = rows[0].read_at if rows else timezone.now()  # type: ignore[attr-defined]  # annotated
    return {row.name: row for row in rows}, now


def judge_heartbeats(rows: dict[str, Heartbeat], now: datetime) -> list[SilentPart]:
    beat_at = rows[BEAT].at if BEAT in rows else None
    if beat_at is None or now - beat_at > BEAT_SILENT_AFTER:
        return [silent_beat(beat_at, now)]
    ages = task_ages(rows)
    last_run_at = max(
        filter(None, [moment for age in ages for moment in (age.heartbeat.at, age.heartbeat.failed_at)]), default=None
    )
    if last_run_at is None or now - last_run_at > WORKERS_SILENT_AFTER:
        return [silent_workers(last_run_at, now)]
    return [overdue_task(age, now) for age in ages if age.is_overdue(now)]


def silent_beat(since: datetime | None, now: datetime) -> SilentPart:
    if since is None:
        words = _("Beat has never run: no background work is started. Start celery beat, or one worker with --beat.")
    else:
        words = _("Beat has not run for %(time)s: no background work is started. Start celery beat.") % age_words(
            since, now
        )
    return SilentPart(part=BEAT, since=since, sentence=words)


def silent_workers(since: datetime | None, now: datetime) -> SilentPart:
    if since is None:
        words = _("No worker has finished a task yet: revocations, renewals and mails wait. Start celery worker.")
    else:
        words = _(
            "No worker has finished a task for %(time)s: revocations, renewals and mails wait. Check that workers "
            "run and reach the queue."
        ) % age_words(since, now)
    return SilentPart(part="worker", since=since, sentence=words)


def overdue_task(age: TaskAge, now: datetime) -> SilentPart:
    names: dict[str, Any] = {"name": age.name}
    if age.heartbeat.at is None:
        words = _("The task %(name)s has always failed. The log of the worker has the error.") % names
    elif age.heartbeat.failed_at is not None and age.heartbeat.failed_at > age.heartbeat.at:
        names |= age_words(age.heartbeat.at, now)
        words = _("The task %(name)s has failed for %(time)s. The log of the worker has the error.") % names
    else:
        names |= age_words(age.heartbeat.at, now)
        words = _("The task %(name)s has not run for %(time)s. Check that there are enough workers.") % names
    return SilentPart(part=age.name, since=age.heartbeat.at, sentence=words)


def age_words(since: datetime, now: datetime) -> dict[str, str]:
    return {"time": timesince(since, now)}


def background_works() -> bool:
    """Tell whether beat, a worker and all tasks of beat run."""
    return not silent_parts()


# Written by beat and workers ------------------------------------------------------------------------------------------


def take_beat(holder: str) -> bool:
    """Tell whether this process is the one beat that sends tasks. True without a database, as all tasks may repeat."""
    try:
        return Heartbeat.objects.take_beat(holder)
    except DatabaseError as error:
        logger.warning("Beat could not write its heartbeat (%s).", type(error).__name__)
        return True


def leave_beat(holder: str) -> None:
    """Release the lease of this beat, so that another one need not wait for its end."""
    try:
        Heartbeat.objects.leave_beat(holder)
    except DatabaseError as error:
        logger.warning(
            "Beat could not release its lease (%s). Another beat takes over when it expires.", type(error).__name__
        )


def last_runs() -> dict[str, datetime]:
    """When each task last ended well, for a beat that starts."""
    try:
        return {row.name: row.at for row in Heartbeat.objects.tasks() if row.at}
    except DatabaseError as error:
        logger.warning("Beat could not read when its tasks last ran (%s).", type(error).__name__)
        return {}


def record_run(name: str, *, failed: bool, seconds: float, waited_seconds: float) -> None:
    """Record one run of a task. Without a database, only the log has it."""
    moment = {"failed_at" if failed else "at": Now()}
    try:
        Heartbeat.objects.record_run(name, **moment, seconds=seconds, waited_seconds=waited_seconds)
    except DatabaseError as error:
        logger.warning("The run of %s could not be recorded (%s).", name, type(error).__name__)
