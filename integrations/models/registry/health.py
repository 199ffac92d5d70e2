"""How an authorization server is doing, as seen from here: whose fault it is when nothing works. No configuration."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

# Why renewals of a registry are held, where no code of the provider says it.
CLIENT_REFUSED, UNEXPLAINED_REFUSALS = "client_refused", "unexplained_refusals"
EXPLANATIONS = {
    CLIENT_REFUSED: _(
        "The provider does not accept our Client ID and Client Secret. Compare both and Send Credentials with what is "
        "registered there."
    ),
    UNEXPLAINED_REFUSALS: _(
        "The provider refuses renewals without a reason, after a change of this registry or for several people. "
        "Compare Client ID, Client Secret, Token URL and Send Credentials with what is registered there."
    ),
}
CLOCK = re.compile(r"provider_clock_(ahead|behind)_(\d+)_minutes")  # as `ClockSkew` spells it
CLOCK_EXPLANATION = gettext_noop(
    "The clocks of the provider and of this server differ by %(minutes)s minutes. Check the clock of this server "
    "first; if it is right, the provider must set theirs."
)


def origin(url: str) -> str:
    """Scheme, host and port, with a slash behind them: what answers as a whole, or not at all."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/".lower()


class Use(models.TextChoices):
    """What a registration is used for. A problem with one of these says nothing of the others."""

    TOKENS = "tokens", _("Tokens")  # the token endpoint: sign-ins and renewals
    SIGN_IN = "sign_in", _("Sign-in")  # the authorization request
    REVOCATION = "revocation", _("Revocation")


class Health(models.Model):
    """Written with `update`, so that neither a form nor another worker overwrites it with what it had read before."""

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
    client_check_until = models.DateTimeField(null=True, blank=True, editable=False)  # nobody asks before
    renewals_held_until = models.DateTimeField(null=True, blank=True, editable=False)  # then one caller may try

    moved_at = models.DateTimeField(null=True, blank=True, editable=False)  # an address that people's tokens go to
    moved_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    PROBLEM = ("misconfigured_code", "misconfigured_at", "misconfigured_use", "misconfigured_reason", "alerted_at")

    class Meta:
        abstract = True

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """A form saves what an administrator typed, and nothing of what has become known meanwhile."""
        if update_fields is None and not self._state.adding:
            own = {"id", *(field.name for field in Health._meta.fields)}
            update_fields = [field.name for field in self._meta.concrete_fields if field.name not in own]
        super().save(update_fields=update_fields, **options)

    def note_misconfigured(self, code: str, *, use: Use = Use.TOKENS, reason: str = "") -> None:
        """Our registration is wrong: the administrator's to mend, nobody's token is touched. "" when it works again.

        `use`: what does not work, or what does. A completed sign-in proves everything; a renewal doesn't prove that
        people can sign in. A problem with tokens is not replaced by a lesser one.
        """
        code = code[:100]
        if code == self.misconfigured_code:
            return
        rows = type(self)._default_manager.filter(pk=self.pk).exclude(misconfigured_code=code)
        if use != Use.SIGN_IN and not code:
            rows = rows.exclude(misconfigured_use=Use.SIGN_IN)
        elif use != Use.TOKENS and code:
            rows = rows.filter(models.Q(misconfigured_code="") | ~models.Q(misconfigured_use__in=["", Use.TOKENS]))
        told = {
            "misconfigured_code": code,
            "misconfigured_at": timezone.now() if code else None,
            "misconfigured_use": use if code else "",
            "misconfigured_reason": reason[:300] if code else "",
        }
        if rows.update(**told):
            vars(self).update(told)

    @property
    def cannot_renew(self) -> bool:
        """The token endpoint refuses our registration: no sign-in is completed and no token is renewed."""
        return bool(self.misconfigured_code) and self.misconfigured_use in {"", Use.TOKENS}

    @property
    def cannot_sign_in(self) -> bool:
        return bool(self.misconfigured_code) and self.misconfigured_use != Use.REVOCATION

    @property
    def reported_at(self) -> datetime | None:
        """When the administrators got a mail about the present problem."""
        sent, since = self.alerted_at, self.misconfigured_at
        return sent if self.misconfigured_code and sent and since and sent >= since else None

    def note_moved(self) -> None:
        """An address that people's tokens go to was changed: administrators are to be told."""
        self.moved_at = timezone.now()
        type(self)._default_manager.filter(pk=self.pk).update(moved_at=self.moved_at)

    @property
    def is_unproven(self) -> bool:
        """Our registration was changed here, and the provider has not accepted it since."""
        changed, accepted = self.registration_changed_at, self.registration_accepted_at
        return changed is not None and (accepted is None or accepted < changed)

    @property
    def misconfigured_explanation(self) -> str:
        """In our words for an administrator; "" where the provider's code and reason say enough."""
        if clock := CLOCK.fullmatch(self.misconfigured_code):
            return gettext(CLOCK_EXPLANATION) % {"minutes": clock[2]}
        return str(EXPLANATIONS.get(self.misconfigured_code, ""))

    def is_down_at(self, url: str) -> bool:
        """The server at this address does not answer, as far as this row knew when it was read."""
        return self.down_since is not None and origin(url) == origin(self.failing_url)
