"""Models of an action: REST steps in order, each through an alias, and outputs extracted from their answers."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import expressions
from integrations.models.flows.declared import (
    Named,
    check_pairs,
    check_templates,
    name_validator,
)
from integrations.models.registry import Alias, SysIdModel

MOST_RETRIES = 5  # as in `integrations.calls`, which models cannot import


class Method(models.TextChoices):
    GET = "GET", "GET"
    POST = "POST", "POST"
    PUT = "PUT", "PUT"
    PATCH = "PATCH", "PATCH"
    DELETE = "DELETE", "DELETE"
    HEAD = "HEAD", "HEAD"
    OPTIONS = "OPTIONS", "OPTIONS"


class BodyType(models.TextChoices):
    JSON = "json", gettext_lazy("JSON")
    FORM = "form", gettext_lazy("Form (URL-encoded)")
    TEXT = "text", gettext_lazy("Text")


class Action(Named):
    """Calls to third parties, in order, with inputs and outputs. [sys_hub_action_type_definition]"""

    class Meta:
        verbose_name = gettext_lazy("Action")
        verbose_name_plural = gettext_lazy("Actions")


class StepManager(models.Manager["RestStep"]):
    """Steps with their alias, which every reader needs."""

    def get_queryset(self) -> "models.QuerySet[RestStep]":
        return super().get_queryset().select_related("alias")


class RestStep(SysIdModel):
    """One call through an alias. [REST step]"""

    action = models.ForeignKey(Action, models.CASCADE, related_name="steps", verbose_name=gettext_lazy("Action"))
    order = models.PositiveIntegerField(gettext_lazy("Order"), default=100)
    name = models.CharField(gettext_lazy("Name"), max_length=80, validators=[name_validator])
    alias = models.ForeignKey(
        Alias, models.PROTECT, related_name="steps", verbose_name=gettext_lazy("Connection alias")
    )
    method = models.CharField(gettext_lazy("HTTP method"), max_length=10, choices=Method, default=Method.GET)
    path = models.CharField(gettext_lazy("Resource path"), max_length=1000, blank=True)
    query = models.JSONField(gettext_lazy("Query parameters"), default=list, blank=True)
    headers = models.JSONField(gettext_lazy("Headers"), default=list, blank=True)
    body_type = models.CharField(gettext_lazy("Body type"), max_length=10, choices=BodyType, default=BodyType.JSON)
    body = models.TextField(gettext_lazy("Body"), blank=True)
    scopes = models.CharField(gettext_lazy("Needs scopes"), max_length=1000, blank=True)  # separated by spaces
    timeout = models.PositiveIntegerField(
        gettext_lazy("Timeout"), default=30, validators=[MinValueValidator(1), MaxValueValidator(120)]
    )  # seconds
    retries = models.PositiveIntegerField(
        gettext_lazy("Retries"), default=0, validators=[MaxValueValidator(MOST_RETRIES)]
    )

    objects = StepManager()

    class Meta:
        verbose_name = gettext_lazy("REST step")
        verbose_name_plural = gettext_lazy("REST steps")
        ordering = ["order", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["action", "name"],
                name="one_name_per_step",
                violation_error_message=gettext_lazy("Another step of this action has this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scope_values(self) -> list[str]:
        return self.scopes.split()

    @property
    def body_as_data(self) -> Any:
        """The JSON structure whose texts are templates; for a text body, the template itself."""
        return self.body if self.body_type == BodyType.TEXT else json.loads(self.body)

    def clean(self) -> None:
        """Check what does not depend on other steps. `check_references` checks the rest."""
        errors: dict[str, Any] = {}
        if "?" in self.path or "#" in self.path or "\\" in self.path or self.path.startswith("//"):
            errors["path"] = _("Enter a path below the connection’s URL, without ? and #: use Query parameters.")
        for field in ("query", "headers"):
            try:
                check_pairs(getattr(self, field))
            except ValidationError as error:
                errors[field] = error
        if body_error := self.body_error():
            errors["body"] = body_error
        if errors:
            raise ValidationError(errors)

    def body_error(self) -> str:
        if not self.body:
            return ""
        try:
            data = self.body_as_data
            expressions.as_json(data)
        except (ValueError, RecursionError) as error:
            names = {"line": getattr(error, "lineno", 1)}
            return (
                _('This isn’t valid JSON (line %(line)d). Texts in it can be templates: {"x": "{{ inputs.x }}"}.')
                % names
            )
        is_flat = isinstance(data, dict) and not any(isinstance(each, dict | list) for each in data.values())
        if self.body_type == BodyType.FORM and not is_flat:
            return _("A form must be a JSON object of names and values, without lists or objects in it.")
        return ""

    def check_references(self, *, inputs: set[str], steps: set[str]) -> None:
        """Check that templates refer only to declared inputs and earlier steps. Raises `ValidationError` by field."""
        available, errors = {"inputs": inputs, "steps": steps}, {}
        for field, source in self.templates().items():
            try:
                check_templates(source, available)
            except ValidationError as error:
                errors[field] = error
        if errors:
            raise ValidationError(errors)

    def templates(self) -> dict[str, Any]:
        body = self.body_as_data if self.body else ""
        pairs = {name: [value for _name, value in getattr(self, name)] for name in ("query", "headers")}
        return {"path": self.path, **pairs, "body": body}
