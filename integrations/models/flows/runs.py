"""Models of a run: who ran a subflow, when, and how each step went. Inputs and outputs are sealed; no bodies.

Inputs are deleted when the run ends, outputs some time later, and the row itself after that (docs/operations.md).
"""

import json
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.secrets_at_rest import EncryptedField, value_or_blank
from integrations.models.flows.subflows import RunAs, Subflow
from integrations.models.registry import SysIdModel


class RunState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


OPEN = (RunState.QUEUED, RunState.RUNNING)


class RunQuerySet(models.QuerySet["SubflowRun"]):
    def overdue(self) -> Self:
        """Open runs whose time is over: their process died, or the queue lost them."""
        return self.filter(status__in=OPEN, ends_by__lt=timezone.now())

    def waiting(self) -> Self:
        """Runs that have been queued for longer than a queue takes."""
        return self.filter(status=RunState.QUEUED, created_at__lt=timezone.now() - timedelta(seconds=30))

    def holding_outputs_too_long(self) -> Self:
        before = timezone.now() - timedelta(hours=settings.SUBFLOW_OUTPUT_HOURS)
        has_values = Q(sealed_outputs__isnull=False) | Q(sealed_inputs__isnull=False)
        return self.filter(has_values, finished_at__lt=before)

    def past(self) -> Self:
        return self.filter(finished_at__lt=timezone.now() - timedelta(days=settings.SUBFLOW_RUN_DAYS))


class SubflowRun(SysIdModel):
    """One run of a subflow for one person. [sys_flow_context]"""

    subflow = models.ForeignKey(
        Subflow, models.SET_NULL, null=True, related_name="runs", verbose_name=_("Subflow"), editable=False
    )
    name = models.CharField(_("Subflow"), max_length=80)
    user = models.ForeignKey(User, models.CASCADE, related_name="subflow_runs", verbose_name=_("User"))
    run_as = models.CharField(_("Run As"), max_length=10, choices=RunAs)
    origin = models.CharField(_("Started by"), max_length=30, blank=True)
    is_test = models.BooleanField(_("Test"), default=False)
    status = models.CharField(_("Status"), max_length=10, choices=RunState, default=RunState.QUEUED)
    error_code = models.CharField(_("Error code"), max_length=100, blank=True)
    error = models.CharField(_("Error"), max_length=500, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    initiator_url = models.CharField(max_length=600, blank=True)
    sealed_inputs = EncryptedField(purpose="subflow-run")
    sealed_outputs = EncryptedField(purpose="subflow-run")
    created_at = models.DateTimeField(_("Started"), default=timezone.now, db_index=True)
    started_at = models.DateTimeField(_("Began to run"), null=True, blank=True)
    finished_at = models.DateTimeField(_("Ended"), null=True, blank=True, db_index=True)
    ends_by = models.DateTimeField(_("Ends by"))

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("Subflow Run")
        verbose_name_plural = _("Subflow Runs")
        indexes = [models.Index(fields=["status", "ends_by"], name="run_by_status")]

    def __str__(self) -> str:
        return f"{self.name} ({self.created_at:%Y-%m-%d %H:%M})"

    def sealing_context(self) -> str:
        return f"{self.hex}:{self.user_id}"

    @property
    def is_over(self) -> bool:
        return self.status not in OPEN

    @property
    def inputs(self) -> dict[str, Any]:
        return json.loads(value_or_blank(self, "sealed_inputs") or "{}")  # type: ignore[no-any-return]  # ours

    @property
    def outputs(self) -> dict[str, Any]:
        """Outputs by name; empty if there are none, or once they have been deleted."""
        return json.loads(value_or_blank(self, "sealed_outputs") or "{}")  # type: ignore[no-any-return]

    def claim(self, *, ends_by: datetime) -> bool:
        """Begin the run, if no other process has. A run is never repeated: True for exactly one caller."""
        now = timezone.now()
        queued = SubflowRun.objects.filter(pk=self.pk, status=RunState.QUEUED)
        if not queued.update(status=RunState.RUNNING, started_at=now, ends_by=ends_by):
            return False
        self.status, self.started_at, self.ends_by = RunState.RUNNING, now, ends_by
        return True

    def finish(self, status: RunState, *, outputs: str = "", **details: Any) -> bool:
        """Record how the run ended, and delete its inputs. True for the first caller; later ones change nothing.

        If the row was deleted meanwhile, nothing is stored, and only this instance holds the result.
        """
        now = timezone.now()
        self.sealed_inputs, self.sealed_outputs = "", outputs
        sealed_values = {field.attname: field.pre_save(self, False) for field in sealed_columns()}
        rows = SubflowRun.objects.filter(pk=self.pk, status__in=OPEN)
        details["error"] = str(details.get("error", ""))[:500]
        updated = rows.update(status=status, finished_at=now, **sealed_values, **details)
        try:
            self.refresh_from_db()
        except SubflowRun.DoesNotExist:
            self.__dict__.update(status=status, finished_at=now, **details)
        return bool(updated)


def sealed_columns() -> list[EncryptedField]:
    return [field for field in SubflowRun._meta.concrete_fields if isinstance(field, EncryptedField)]


class StepRun(SysIdModel):
    """One call of a run: its target and the status of the answer. Holds neither request nor response."""

    run = models.ForeignKey(SubflowRun, models.CASCADE, related_name="steps", verbose_name=_("Run"))
    position = models.PositiveIntegerField(_("No."))
    action = models.CharField(_("Action"), max_length=80)
    step = models.CharField(_("Step"), max_length=80)
    alias = models.CharField(_("Alias"), max_length=80)
    method = models.CharField(_("HTTP method"), max_length=10)
    status = models.CharField(_("Status"), max_length=10, choices=RunState)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    milliseconds = models.PositiveIntegerField(_("Duration (ms)"), default=0)
    error_code = models.CharField(_("Error code"), max_length=100, blank=True)
    error = models.CharField(_("Error"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("Step")
        verbose_name_plural = _("Steps")
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.action}.{self.step}"
