"""Curated sets of tools for agents: subflows, remote tables and integrations, for members of some groups."""

from typing import Self

from django.contrib.auth.models import Group
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models import admission
from integrations.models.flows import Subflow
from integrations.models.registry import Alias, SysIdModel
from integrations.models.remote_tables import RemoteTable


class ToolSetQuerySet(models.QuerySet["ToolSet"]):
    def available_to(self, user: User) -> Self:
        """Active sets for this person: with the role, and in one of the set's groups if it names any."""
        allowed = admission.in_a_group_of(ToolSet, user.pk)
        return self.filter(allowed, admission.may_use_any(user.pk), active=True)


class ToolSet(SysIdModel):
    """Tools under one address, /mcp/<name>. It grants nothing: each tool is offered to those who may use it anyway."""

    name = models.CharField(
        _("Name"),
        max_length=80,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]+\Z", _("Letters, digits, underscores and hyphens only."))],
        help_text=_("The last part of its address, /mcp/…"),
    )
    description = models.TextField(
        _("Description"), blank=True, help_text=_("Agents read it: what these tools are for, and when to use which.")
    )
    subflows = models.ManyToManyField(Subflow, blank=True, verbose_name=_("Subflows"))
    remote_tables = models.ManyToManyField(RemoteTable, blank=True, verbose_name=_("Remote Tables"))
    aliases = models.ManyToManyField(
        Alias,
        blank=True,
        verbose_name=_("Connection & Credential Aliases"),
        help_text=_("Only those that allow calls by agents have a tool."),
    )
    groups = models.ManyToManyField(
        Group,
        blank=True,
        verbose_name=_("Groups that may use it"),
        help_text=_("Leave it empty for everybody who has the role."),
    )
    active = models.BooleanField(_("Active"), default=True)

    objects = ToolSetQuerySet.as_manager()

    class Meta:
        verbose_name = _("Tool Set")
        verbose_name_plural = _("Tool Sets")

    def __str__(self) -> str:
        return self.name
