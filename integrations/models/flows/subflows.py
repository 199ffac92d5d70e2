"""Models of a subflow: actions in order, the inputs of each, and as whom they run."""

from typing import Any, Self

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy

from accounts.models import User
from integrations.models import admission
from integrations.models.flows.actions import Action
from integrations.models.flows.declared import Named, check_pairs, check_templates, name_validator
from integrations.models.registry import Alias, SysIdModel


class RunAs(models.TextChoices):
    USER = "user", gettext_lazy("User who initiates session")
    SYSTEM = "system", gettext_lazy("System User")


class SubflowQuerySet(models.QuerySet["Subflow"]):
    def available_to(self, user: User) -> Self:
        """Subflows that this person may run: with the role, and in one of the subflow's groups if it names any."""
        members_only = Subflow.groups.through.objects.filter(subflow=models.OuterRef("pk"))
        group_ids = User.groups.through.objects.filter(user_id=user.pk).values("group_id")
        allowed = ~models.Exists(members_only) | models.Exists(members_only.filter(group_id__in=group_ids))
        return self.filter(allowed, admission.may_use_any(user.pk), active=True)

    def calling(self, alias: Alias) -> Self:
        """Subflows that don't work for a person without a token for this alias."""
        return self.filter(run_as=RunAs.USER, actions__action__steps__alias=alias).distinct()


class Subflow(Named):
    """Actions, in order, that callers run by name. [sys_hub_flow]"""

    run_as = models.CharField(gettext_lazy("Run As"), max_length=10, choices=RunAs, default=RunAs.USER)
    groups = models.ManyToManyField(
        Group,
        blank=True,
        verbose_name=gettext_lazy("Groups that may run it"),
        help_text=gettext_lazy("Empty: everybody with the role."),
    )

    objects = SubflowQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("Subflow")
        verbose_name_plural = gettext_lazy("Subflows")

    @property
    def runs_as_person(self) -> bool:
        return self.run_as == RunAs.USER


class SubflowAction(SysIdModel):
    """One action of a subflow and its inputs."""

    subflow = models.ForeignKey(Subflow, models.CASCADE, related_name="actions", verbose_name=gettext_lazy("Subflow"))
    order = models.PositiveIntegerField(gettext_lazy("Order"), default=100)
    name = models.CharField(gettext_lazy("Name"), max_length=80, validators=[name_validator])
    action = models.ForeignKey(Action, models.PROTECT, related_name="subflows", verbose_name=gettext_lazy("Action"))
    inputs = models.JSONField(gettext_lazy("Inputs"), default=list, blank=True)

    class Meta:
        verbose_name = gettext_lazy("Action of the subflow")
        verbose_name_plural = gettext_lazy("Actions of the subflow")
        ordering = ["order", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["subflow", "name"],
                name="one_name_per_action_of_a_subflow",
                violation_error_message=gettext_lazy("Another action of this subflow has this name."),
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
            *(str(gettext_lazy("The action has no input “%s”.")) % name for name in unknown),
            *(str(gettext_lazy("The action needs the input “%s”.")) % name for name in sorted(required - {*names})),
        ]
