"""Configuration templates: settings of a provider that an administrator would otherwise look up.

Those that come with Keyrack are rows, too, so that they are listed with an administrator's own; each release updates
them. Records made from a template keep no reference to it.
"""

from functools import cached_property

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models import definitions
from integrations.models.definitions import BadDefinition, Definition
from integrations.models.registry import SysIdModel


class ConfigurationTemplate(SysIdModel):
    """Settings of one provider, with questions to an administrator. [Configuration Template]"""

    name = models.CharField(_("Name"), max_length=100)
    key = models.CharField(max_length=60, blank=True, editable=False)  # of those that come with Keyrack
    definition = models.JSONField(
        _("Definition"),
        help_text=_("As JSON, in the format of the templates that come with Keyrack. Start from a copy of one."),
    )

    class Meta:
        verbose_name = _("Configuration Template")
        verbose_name_plural = _("Configuration Templates")
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="one_row_per_shipped_template"),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(key=""),
                name="own_template_name_unique",
                violation_error_message=_("Another template of your own has this name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shipped(self) -> bool:
        return bool(self.key)

    @cached_property
    def read(self) -> Definition:
        """The parsed definition. Raises `BadDefinition` if the row was changed by other means than a form."""
        return definitions.parse_definition(self.definition)

    def clean(self) -> None:
        try:
            definitions.parse_definition(self.definition)
        except BadDefinition as error:
            raise ValidationError({"definition": str(error)}) from None
