"""Models of remote tables: where the rows are read, and what the columns show.

Only the set-up is stored. The rows themselves are read from the third party, with the token of the viewer.
"""

from typing import Any, Self
from urllib.parse import parse_qsl
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.forms.models import model_to_dict
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations import expressions
from integrations.expressions import BadExpression
from integrations.models import admission
from integrations.models.flows import Action, RestStep
from integrations.models.registry import Alias, SysIdModel
from integrations.models.stored_json import check_storable

LONGEST_PATH = 500  # characters
MOST_ROWS = 10_000
LONGEST_CACHE = 3600  # seconds


def validate_jmespath(path: str) -> None:
    """Check that the path is valid JMESPath. Only an answer shows whether it finds anything."""
    try:
        expressions.check_path(path)
    except BadExpression as error:
        raise ValidationError(str(error), code="jmespath") from None


class ColumnType(models.TextChoices):
    TEXT = "text", _("Text")
    NUMBER = "number", _("Number")
    DATE = "date", _("Date")
    DATE_TIME = "date-time", _("Date and time")
    BOOLEAN = "boolean", _("Yes or no")
    LINK = "link", _("Link")
    BADGE = "badge", _("Badge")


class RemoteTableQuerySet(models.QuerySet["RemoteTable"]):
    def available_to(self, user: User | AnonymousUser) -> Self:
        """Active tables that this person can read: in one of their groups, if they name any, and through their aliases.

        Includes tables whose alias is turned off, so that people can be told why a table is empty.
        """
        return self.readable_by(user).filter(admission.in_a_group_of(RemoteTable, user.pk), active=True)

    def readable_by(self, user: User | AnonymousUser) -> Self:
        """Tables that are read only through aliases that this person may use. None without the role."""
        shared = admission.filter_visible(user.pk).values("pk")
        others = RestStep.objects.filter(action=models.OuterRef("action")).exclude(alias__in=shared)
        by_action = Q(action__isnull=False) & ~models.Exists(others)
        return self.filter(Q(alias__in=shared) | by_action, admission.may_use_any(user.pk))

    def reading_through(self, alias: Alias) -> Self:
        return self.filter(Q(alias=alias) | Q(action__steps__alias=alias)).distinct()

    def whole(self) -> Self:
        """With all rows that displaying a table needs."""
        return self.select_related("action").prefetch_related("columns", "action__steps")


class RemoteTable(SysIdModel):
    """Records of a third party as a table, read with the viewer's token. [sys_script_vtable]"""

    name = models.CharField(
        _("Name"),
        max_length=80,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]+\Z", _("Letters, digits, underscores and hyphens only."))],
        help_text=_("Part of the table’s address."),
    )
    label = models.CharField(
        _("Label"), max_length=100, blank=True, help_text=_("The title that people read above the table.")
    )
    alias = models.ForeignKey(
        Alias,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="remote_tables",
        verbose_name=_("Alias"),
        help_text=_("The integration from which the rows are read, with the token of the person who opens the table."),
    )
    action = models.ForeignKey(
        Action,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="remote_tables",
        verbose_name=_("Action"),
        help_text=_("Instead of an alias. It runs each time a person opens the table, as that person."),
    )
    inputs = models.JSONField(
        _("Inputs of the action"), default=dict, blank=True, help_text=_('For example {"limit": 500}.')
    )
    path = models.CharField(
        _("Path"), max_length=500, blank=True, help_text=_("Below the connection’s URL, for example api/contacts.")
    )
    query = models.CharField(
        _("Query"),
        max_length=1000,
        blank=True,
        help_text=_("For example active=true&limit=500. It is the same for everybody."),
    )
    rows_path = models.CharField(
        _("JMESPath to the rows"),
        max_length=LONGEST_PATH,
        default="@",
        validators=[validate_jmespath],
        help_text=_(
            "Where the list is in the answer, or among the action’s outputs: for example result. @ when the answer is "
            "the list."
        ),
    )
    cache_seconds = models.PositiveIntegerField(
        _("Cache seconds"),
        default=0,
        validators=[MaxValueValidator(LONGEST_CACHE)],
        help_text=_(
            "How long a person’s rows are cached, encrypted, for that person and that token: 0 (never) to 3600."
        ),
    )
    row_limit = models.PositiveIntegerField(
        _("Row limit"), default=1000, validators=[MinValueValidator(1), MaxValueValidator(MOST_ROWS)]
    )
    groups = models.ManyToManyField(
        Group,
        blank=True,
        verbose_name=_("Groups that may see it"),
        help_text=_("Leave it empty for everybody who has the role."),
    )
    active = models.BooleanField(_("Active"), default=True)

    objects = RemoteTableQuerySet.as_manager()

    class Meta:
        verbose_name = _("Remote Table")
        verbose_name_plural = _("Remote Tables")
        constraints = [
            models.CheckConstraint(
                condition=Q(cache_seconds__lte=LONGEST_CACHE) & Q(row_limit__gte=1) & Q(row_limit__lte=MOST_ROWS),
                name="a_remote_table_keeps_to_its_limits",
            ),
            models.CheckConstraint(
                condition=Q(alias__isnull=False, action__isnull=True) | Q(alias__isnull=True, action__isnull=False),
                name="a_remote_table_has_one_source",
                violation_error_message=_("Choose an alias or an action: a table is read in one way."),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        if not isinstance(self.inputs, dict):
            raise ValidationError({"inputs": _('Write a JSON object, for example {"limit": 500}.')})
        try:
            check_storable(self.inputs)
        except ValidationError as error:
            raise ValidationError({"inputs": error}) from None

    @property
    def title(self) -> str:
        return self.label or self.name

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The query, parsed into names and their values."""
        values_by_name: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query.lstrip("?"), keep_blank_values=True):
            values_by_name.setdefault(name, []).append(value)
        return values_by_name

    @property
    def alias_ids(self) -> list[UUID]:
        """Ids of the aliases that the table is read through, in the order of the calls."""
        if self.action:
            return list(dict.fromkeys(step.alias_id for step in self.action.steps.all()))
        return [self.alias_id] if self.alias_id else []

    def definition(self) -> str:
        """All settings that the contents of the cells depend on. Part of the cache key."""
        columns = [[column.name, column.path] for column in self.columns.all()]
        own_fields = [self.path, self.query, self.inputs, self.rows_path, self.row_limit, columns]
        action_fields: list[Any] = []
        if self.action:
            steps = [model_to_dict(step) for step in self.action.steps.all()]
            action_fields = [self.action.active, self.action.inputs, steps, self.action.outputs]
        return repr([[each.hex for each in self.alias_ids], own_fields, action_fields])


def name_from(label: str) -> str:
    return slugify(label, allow_unicode=True).replace("-", "_")[:80]


class RemoteTableColumn(models.Model):
    """One column of a remote table: a path within each row, and its type."""

    table = models.ForeignKey(RemoteTable, models.CASCADE, related_name="columns", verbose_name=_("Remote Table"))
    label = models.CharField(_("Label"), max_length=100)
    name = models.CharField(
        _("Name"),
        max_length=80,
        blank=True,
        validators=[RegexValidator(r"^\w+\Z", _("Letters, digits and underscores only."))],
        help_text=_("Used by programs and in addresses. Leave it empty to derive it from the label."),
    )
    path = models.CharField(
        _("Path"), max_length=LONGEST_PATH, validators=[validate_jmespath], help_text=_("JMESPath within a row.")
    )
    type = models.CharField(_("Type"), max_length=10, choices=ColumnType, default=ColumnType.TEXT)
    order = models.PositiveIntegerField(_("Order"), default=0)

    class Meta:
        verbose_name = _("Column")
        verbose_name_plural = _("Columns")
        ordering = ["order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["table", "name"],
                name="one_column_of_each_name",
                violation_error_message=_("Another column of this table has the same name."),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = self.name or name_from(self.label)
        super().save(*args, **kwargs)

    def clean(self) -> None:
        self.name = self.name or name_from(self.label)
        if not self.name:
            raise ValidationError({"name": _("The label has no letters or digits to make a name from. Enter a name.")})
