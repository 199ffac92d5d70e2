"""Drafts of providers: what an administrator has entered so far, across sign-out and for other administrators too."""

from functools import cached_property
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.secrets_at_rest import EncryptedField
from integrations.models import definitions
from integrations.models.definitions import Definition
from integrations.models.registry import ApplicationRegistry, SysIdModel

KEPT = ("entered", "step", "client_secret", "findings", "checked_at", "changed_at")


class Step(models.IntegerChoices):
    REGISTER = 1, _("Register Keyrack there")
    ENTER = 2, _("Enter what you got")
    SHARE = 3, _("Choose who may use it")


class ProviderDraft(SysIdModel):
    """A provider that is being set up. Its id is reserved for the registry, so the Redirect URL stays the same.

    The Client Secret is stored only once the provider has accepted it, or an administrator has skipped the check.
    """

    name = models.CharField(_("Name"), max_length=100)
    key = models.CharField(max_length=60, blank=True)  # of a template that comes with Keyrack
    definition = models.JSONField()  # as in the template when the draft was begun; {} until it is described
    step = models.PositiveSmallIntegerField(choices=Step, default=Step.REGISTER)
    entered = models.JSONField(default=dict, blank=True)  # values of the forms, without the secret
    client_secret = EncryptedField(purpose="client-secret", verbose_name=_("Client Secret"))
    findings = models.JSONField(default=list, blank=True)  # of the check: sentence and tone of each
    checked_at = models.DateTimeField(null=True, blank=True)
    begun_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("Draft of a provider")
        verbose_name_plural = _("Drafts of providers")

    def __str__(self) -> str:
        return self.name

    def sealing_context(self) -> str:
        return f"draft:{self.hex}"

    @property
    def shown_name(self) -> str:
        return self.name or str(_("Without a name yet"))

    @property
    def is_described(self) -> bool:
        """Whether it has a definition. Without one, the form By hand is not complete yet, and no step is reached."""
        return bool(self.definition)

    @cached_property
    def read(self) -> Definition:
        """The parsed definition. It was checked when the draft was begun."""
        return definitions.read_definition(self.definition)

    @property
    def is_from_template(self) -> bool:
        """Whether it was begun from a template, shipped or an administrator's own that asks something."""
        return bool(self.key or self.read.questions)

    @property
    def redirect_url(self) -> str:
        return ApplicationRegistry(pk=self.pk).redirect_url

    @property
    def has_secret(self) -> bool:
        """Whether the secret is stored. Does not open it."""
        return bool(self.__dict__.get("client_secret"))

    @property
    def begun_by_name(self) -> str:
        return (self.begun_by.get_full_name() or self.begun_by.get_username()) if self.begun_by else ""

    def keep(self, step: Step, **entered: Any) -> None:
        """Save what was entered, and the step to continue with.

        Raises `ProviderDraft.DoesNotExist` if it was finished or discarded since it was read.
        """
        self.entered = {**self.entered, **entered}
        self.step = step
        with transaction.atomic():
            self.lock()
            self.save(update_fields=KEPT)

    def lock(self) -> None:
        """Lock the row until the end of the transaction. Raises `ProviderDraft.DoesNotExist` if it is gone."""
        ProviderDraft.objects.select_for_update().only("pk").get(pk=self.pk)
