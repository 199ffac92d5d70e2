"""Health of a registration: problems seen in use, and whose fault they are. Written by the code, not by forms."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from integrations.models.failures import explanation_of


def server_origin(url: str) -> str:
    """Return scheme, host and port with a slash: the server, which is up or down as a whole."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/".lower()


class Use(models.TextChoices):
    """What a registration is used for. A problem with one use says nothing about the others."""

    TOKENS = "tokens", _("Tokens")  # the token endpoint: sign-ins and renewals
    SIGN_IN = "sign_in", _("Sign-in")  # the authorization request
    REVOCATION = "revocation", _("Revocation")
    REFUSALS = "refusals", _("Refusals")  # our registration is accepted, and many people are refused alike


class Health(models.Model):
    """Columns about the health of a registration.

    Written with `update`, so that no form or other worker overwrites them with values that it read earlier.
    """

    misconfigured_at = models.DateTimeField(null=True, blank=True, editable=False)
    misconfigured_code = models.CharField(max_length=100, blank=True, editable=False)
    misconfigured_use = models.CharField(max_length=20, choices=Use, blank=True, editable=False)
    misconfigured_reason = models.CharField(max_length=300, blank=True, editable=False)  # the provider's words
    alerted_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failing_url = models.CharField(max_length=500, blank=True, editable=False)
    down_since = models.DateTimeField(null=True, blank=True, editable=False)
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False)
    registration_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    registration_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    unknown_token_answer = models.CharField(max_length=64, blank=True, editable=False)  # a fingerprint
    client_check_until = models.DateTimeField(null=True, blank=True, editable=False)  # no check before then
    renewals_held_until = models.DateTimeField(null=True, blank=True, editable=False)  # after that, one caller may try

    renewals_paced_until = models.DateTimeField(null=True, blank=True, editable=False)  # places up to then are taken

    moved_at = models.DateTimeField(null=True, blank=True, editable=False)  # an address for tokens was changed
    moved_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    questioned_at = models.DateTimeField(null=True, blank=True, editable=False)  # a person asked about that address
    questioned_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    PROBLEM = ("misconfigured_code", "misconfigured_at", "misconfigured_use", "misconfigured_reason", "alerted_at")

    class Meta:
        abstract = True

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save what an administrator entered. Columns of health are left as they are in the database."""
        if update_fields is None and not self._state.adding:
            excluded = {"id", *(field.name for field in Health._meta.fields)}
            update_fields = [field.name for field in self._meta.concrete_fields if field.name not in excluded]
        super().save(update_fields=update_fields, **options)

    def note_misconfigured(self, code: str, *, use: Use = Use.TOKENS, reason: str = "") -> None:
        """Record that our registration is wrong, for an administrator to fix; `code` "" if it works again.

        `use`: what does not work, or what works again. A completed sign-in proves everything; a renewal doesn't prove
        that people can sign in. A problem with tokens is not replaced by a lesser one. Tokens are not touched.
        """
        code = code[:100]
        if code == self.misconfigured_code:
            return
        rows = type(self)._default_manager.filter(pk=self.pk).exclude(misconfigured_code=code)
        if use != Use.SIGN_IN and not code:
            rows = rows.exclude(misconfigured_use=Use.SIGN_IN)
        elif use != Use.TOKENS and code:
            rows = rows.filter(models.Q(misconfigured_code="") | ~models.Q(misconfigured_use__in=["", Use.TOKENS]))
        values = {
            "misconfigured_code": code,
            "misconfigured_at": timezone.now() if code else None,
            "misconfigured_use": use if code else "",
            "misconfigured_reason": reason[:300] if code else "",
        }
        if rows.update(**values):
            vars(self).update(values)

    @property
    def cannot_renew(self) -> bool:
        """Whether the token endpoint refuses our registration, so that no sign-in and no renewal can succeed."""
        return bool(self.misconfigured_code) and self.misconfigured_use in {"", Use.TOKENS}

    @property
    def cannot_sign_in(self) -> bool:
        return bool(self.misconfigured_code) and self.misconfigured_use not in {Use.REVOCATION, Use.REFUSALS}

    @property
    def is_about_renewals(self) -> bool:
        return self.misconfigured_use in {"", Use.TOKENS, Use.REFUSALS}

    @property
    def reported_at(self) -> datetime | None:
        """When the administrators got a mail about the current problem; None if they did not."""
        alerted_at, since = self.alerted_at, self.misconfigured_at
        return alerted_at if self.misconfigured_code and alerted_at and since and alerted_at >= since else None

    def note_moved(self) -> None:
        """Record that an address that tokens are sent to was changed, so that administrators get a mail."""
        self.moved_at = timezone.now()
        type(self)._default_manager.filter(pk=self.pk).update(moved_at=self.moved_at)

    @property
    def is_unproven(self) -> bool:
        """Whether our registration was changed here, and the provider has not accepted it since."""
        changed, accepted = self.registration_changed_at, self.registration_accepted_at
        return changed is not None and (accepted is None or accepted < changed)

    @property
    def misconfigured_explanation(self) -> str:
        """Explanation for administrators; "" if the provider's code and reason say enough."""
        return explanation_of(self.misconfigured_code)

    def is_down_at(self, url: str) -> bool:
        """Whether the server at this address doesn't answer, as of when this row was read."""
        return self.down_since is not None and server_origin(url) == server_origin(self.failing_url)
