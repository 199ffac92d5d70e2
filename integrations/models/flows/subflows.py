"""Models of a subflow (actions in order, the inputs of each, and as whom they run) and of its runs.

Inputs and outputs of a run are sealed; no bodies are stored. Inputs are deleted when the run ends, outputs some time
later, and the row itself after that (docs/operations.md).
"""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from foundation.database import CompiledQuery, Slot
from foundation.secrets_at_rest import EncryptedField, value_or_blank
from integrations.models import admission
from integrations.models.flows.actions import Action
from integrations.models.flows.declared import Named, check_pairs, check_templates, name_validator
from integrations.models.registry import Alias, SysIdModel


class RunAs(models.TextChoices):
    USER = "user", _("User who initiates session")
    SYSTEM = "system", _("System User")


class SubflowQuerySet(models.QuerySet["Subflow"]):
    def available_to(self, user: User) -> Self:
        """Subflows that this person may run: with the role, and in one of the subflow's groups if it names any."""
        return self.available_to_id(user.pk)

    def available_to_id(self, user_id: Any) -> Self:
        """The same by the id of the person, or by an expression for it."""
        allowed = admission.in_a_group_of(Subflow, user_id)
        return self.filter(allowed, admission.may_use_any(user_id), active=True)

    def calling(self, alias: Alias) -> Self:
        """Subflows that don't work for a person without a token for this alias."""
        return self.filter(run_as=RunAs.USER, actions__action__steps__alias=alias).distinct()


class Subflow(Named):
    """Actions, in order, that callers run by name. [sys_hub_flow]"""

    run_as = models.CharField(_("Run As"), max_length=10, choices=RunAs, default=RunAs.USER)
    groups = models.ManyToManyField(
        Group,
        blank=True,
        verbose_name=_("Groups that may run it"),
        help_text=_("Leave it empty for everybody who has the role."),
    )

    objects = SubflowQuerySet.as_manager()

    class Meta:
        verbose_name = _("Subflow")
        verbose_name_plural = _("Subflows")

    @property
    def runs_as_person(self) -> bool:
        return self.run_as == RunAs.USER


def find_available(name: str, user_id: int) -> Subflow | None:
    """The subflow of this name, if the person may run it. One statement, which is compiled only once."""
    row = available_subflow(tuple(admission.RULES)).row(name=name, user=user_id)
    return Subflow.from_db(DEFAULT_DB_ALIAS, COLUMNS, row) if row else None


COLUMNS = tuple(field.attname for field in Subflow._meta.concrete_fields)
NAME, USER_ID = Slot("name", models.CharField()), Slot("user", models.BigIntegerField())


@cache
def available_subflow(_rules: tuple[admission.Rule, ...]) -> CompiledQuery:
    """The compiled statement, cached by the rules of admission that are part of it."""
    return CompiledQuery(lambda: Subflow.objects.available_to_id(USER_ID).filter(name=NAME).values_list(*COLUMNS))


class SubflowAction(SysIdModel):
    """One action of a subflow and its inputs."""

    subflow = models.ForeignKey(Subflow, models.CASCADE, related_name="actions", verbose_name=_("Subflow"))
    order = models.PositiveIntegerField(_("Order"), default=100)
    name = models.CharField(_("Name"), max_length=80, validators=[name_validator])
    action = models.ForeignKey(Action, models.PROTECT, related_name="subflows", verbose_name=_("Action"))
    inputs = models.JSONField(_("Inputs"), default=list, blank=True)

    class Meta:
        verbose_name = _("Action of the subflow")
        verbose_name_plural = _("Actions of the subflow")
        ordering = ["order", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["subflow", "name"],
                name="one_name_per_action_of_a_subflow",
                violation_error_message=_("Another action of this subflow has this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            check_pairs(self.inputs)
        except ValidationError as error:
            raise ValidationError({"inputs": error}) from None

    def check_references(self, *, inputs: set[str], actions: set[str]) -> None:
        """Check the inputs against the action's, and their templates against the names available at this point.

        Raises `ValidationError` by field.
        """
        errors: list[Any] = [*self.input_errors()]
        try:
            check_templates([value for _name, value in self.inputs], {"inputs": inputs, "actions": actions})
        except ValidationError as error:
            errors.append(error)
        if errors:
            raise ValidationError({"inputs": errors})

    def input_errors(self) -> list[str]:
        names = [name for name, _value in self.inputs]
        required = {declared["name"] for declared in self.action.inputs if "default" not in declared}
        unknown = sorted(set(names) - self.action.input_names)
        return [
            *(str(_("The action has no input “%s”.")) % name for name in unknown),
            *(str(_("The action needs the input “%s”.")) % name for name in sorted(required - {*names})),
        ]


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

    def unfinished(self) -> Self:
        return self.filter(status__in=OPEN)

    def waiting(self) -> Self:
        """Runs that have been queued for longer than a queue takes."""
        return self.filter(status=RunState.QUEUED, created_at__lt=timezone.now() - timedelta(seconds=30))

    def holding_outputs_too_long(self) -> Self:
        before = timezone.now() - timedelta(hours=settings.SUBFLOW_OUTPUT_HOURS)
        has_values = models.Q(sealed_outputs__isnull=False) | models.Q(sealed_inputs__isnull=False)
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
    is_test = models.BooleanField(pgettext_lazy("a run", "Test"), default=False)
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

    def raise_for_status(self) -> None:
        """Raise `RunFailed` if the run failed or was cancelled. Does nothing while it is queued or running."""
        if self.status in (RunState.FAILED, RunState.CANCELLED):
            raise RunFailed(self)

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
        is_first = bool(rows.update(status=status, finished_at=now, **sealed_values, **details))
        if is_first:
            self.__dict__.update(sealed_values)
        else:
            with suppress(SubflowRun.DoesNotExist):
                self.refresh_from_db()
                return False
        self.__dict__.update(status=status, finished_at=now, **details)
        return is_first


class RunFailed(Exception):
    """A run failed or was cancelled. Its attributes are those of the run, and the step that failed, if one did."""

    def __init__(self, run: SubflowRun) -> None:
        failed_step = run.steps.filter(status=RunState.FAILED).last()
        self.run = run
        self.step = f"{failed_step.action}.{failed_step.step}" if failed_step else ""
        self.status, self.http_status = run.status, run.http_status
        self.code, self.sentence, self.initiator_url = run.error_code, run.error, run.initiator_url
        super().__init__(self._message())

    def _message(self) -> str:
        names = {"name": self.run.name, "step": self.step, "why": self.sentence or self.code}
        heading = _("Subflow “%(name)s”, step “%(step)s”") if self.step else _("Subflow “%(name)s”")
        status = f" (HTTP {self.http_status})" if self.http_status else ""
        return f"{heading % names}{status}: {names['why']}"


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
