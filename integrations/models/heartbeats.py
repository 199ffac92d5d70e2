"""Signs of life of the background work: rows for beat, for each of its tasks, and for places of runs."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

BEAT = "beat"
LEASE = timedelta(seconds=15)  # after which another beat takes over


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def take_beat(self, holder: str) -> bool:
        """Take or prolong the right to be the one beat that sends tasks; False while another beat has it."""
        return self.take(BEAT, holder, LEASE)

    def leave_beat(self, holder: str) -> None:
        """Give the right back, so that another beat need not wait."""
        self.leave(BEAT, holder)

    def take(self, name: str, holder: str, lease: timedelta) -> bool:
        """Take or prolong the right that this row stands for; False while another process has it."""
        row = self.filter(name=name)
        if row.filter(Q(holder__in=["", holder]) | Q(at__lt=Now() - lease)).update(holder=holder, at=Now()):
            return True
        if not row.exists():
            self.bulk_create([self.model(name=name, holder=holder, at=Now())], ignore_conflicts=True)
        return row.filter(holder=holder).exists()

    def leave(self, name: str, holder: str) -> None:
        """Give it back, so that another process need not wait for the end of the lease."""
        self.filter(name=name, holder=holder).update(holder="")

    def record_run(self, name: str, **fields: object) -> None:
        """Store fields of the last run of a task. One statement, except for the first run ever."""
        if not self.filter(name=name).update(**fields):
            self.bulk_create([self.model(name=name, **fields)], ignore_conflicts=True)

    def tasks(self) -> Self:
        return self.exclude(name=BEAT)


class Heartbeat(models.Model):
    """The last sign of life of beat, of one task that beat starts, or of one place for a run of a task."""

    name = models.CharField(primary_key=True, max_length=100)  # of the task or place
    holder = models.CharField(max_length=100, blank=True)  # the process that is beat or has the place
    at = models.DateTimeField(null=True)  # beat's last tick, or when the task last ended well
    failed_at = models.DateTimeField(null=True)  # when the task last ended with an exception
    seconds = models.FloatField(default=0)  # that its last run took
    waited_seconds = models.FloatField(default=0)  # of its last message in the queue

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        verbose_name = "Heartbeat"

    def __str__(self) -> str:
        return self.name
