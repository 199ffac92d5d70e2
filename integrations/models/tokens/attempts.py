"""Model of a sign-in under way: begun by one person in one browser session, answered once."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self, cast

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.error_boundary import error_boundary
from foundation.oauth_client.answers import TokenAnswer
from foundation.secrets_at_rest import EncryptedField, value_or_blank
from integrations.models.registry import ApplicationRegistry, IntegrationType, OAuth2Credential, SysIdModel
from integrations.models.tokens import consent
from integrations.models.tokens.connect_links import ConnectLink
from integrations.models.tokens.revocations import Revocation, create_revocation
from integrations.models.tokens.token import Origin, Token, begins_elsewhere


class AttemptStatus(models.TextChoices):
    PENDING = "pending", _("Under way")
    CLAIMED = "claimed", _("Answer received")
    CONNECTED = "connected", _("Connected")
    OTHER_ACCOUNT = "other_account", _("Waiting for a choice of account")
    CHOICE = "choice", _("Waiting for a choice at the provider")  # such as a site or a tenant
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


WAITING = (AttemptStatus.OTHER_ACCOUNT, AttemptStatus.CHOICE)  # tokens are fetched, and the person has to decide


class AttemptQuerySet(models.QuerySet["AuthorizationAttempt"]):
    def under_way(self) -> Self:
        return self.filter(status=AttemptStatus.PENDING, expires_at__gt=timezone.now())

    def unfinished(self) -> Self:
        """Sign-ins that may still bring a token: under way, answered, or waiting for a choice of account."""
        answered = Q(status__in=(AttemptStatus.CLAIMED, *WAITING))
        return self.filter(answered | Q(status=AttemptStatus.PENDING, expires_at__gt=timezone.now()))

    def past(self) -> Self:
        """Abandoned sign-ins, and ended ones whose result has been readable for another ten minutes."""
        now = timezone.now()
        abandoned = Q(status=AttemptStatus.PENDING, expires_at__lt=now)
        return self.filter(abandoned | Q(expires_at__lt=now - settings.ATTEMPT_LIFETIME))

    def purge(self) -> None:
        """Delete these rows. Creates revocations of tokens that were fetched and never stored.

        Reads each row under a lock: its person may have made a choice since, so that the tokens are stored, or another
        run may have purged it.
        """
        rows = self.select_for_update(of=("self",)).select_related("user", "credential__profile__registry")
        for pk in list(self.values_list("pk", flat=True)):
            with error_boundary(f"Purging sign-in {pk.hex}"), transaction.atomic():
                if attempt := rows.filter(pk=pk).first():
                    attempt.revoke_answer(reason="sign_in_abandoned")
                    attempt.delete()


@dataclass(frozen=True, kw_only=True)
class PendingChoice:
    """A choice among several values that the provider offers. `options`: each with `value`, `label` and `also`."""

    name: str
    title: str
    options: list[dict[str, Any]]


def state_digest(state: str) -> str:
    return hashlib.sha256(state.encode(errors="surrogatepass")).hexdigest()


def session_digest(session_binding: str) -> str:
    """Hash of the secret that binds a sign-in to the browser session that began it, as attempts store it."""
    return hashlib.sha256(session_binding.encode()).hexdigest()


def attempt_expiry() -> datetime:
    return timezone.now() + settings.ATTEMPT_LIFETIME


class AuthorizationAttempt(SysIdModel):
    """One sign-in at a provider under way: begun by one person in one browser session, answered once."""

    user = models.ForeignKey(User, models.CASCADE, related_name="attempts")
    credential = models.ForeignKey(OAuth2Credential, models.CASCADE, related_name="attempts")
    registry = models.ForeignKey(ApplicationRegistry, models.CASCADE, related_name="attempts")
    integration_type = models.CharField(max_length=10, choices=IntegrationType, default=IntegrationType.PERSONAL)
    link = models.ForeignKey(ConnectLink, models.SET_NULL, null=True, blank=True, related_name="attempts")
    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    code_verifier = EncryptedField(purpose="attempt")
    nonce = EncryptedField(purpose="attempt")
    redirect_uri = models.CharField(max_length=600)
    scopes = models.JSONField(default=list)
    endpoints = models.JSONField(default=list)
    agreed = models.JSONField(default=dict)  # addresses that the person agrees to by signing in (`consent`)
    popup = models.BooleanField(default=False)
    next_path = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=20, choices=AttemptStatus, default=AttemptStatus.PENDING)
    failure_code = models.CharField(max_length=100, blank=True)
    failure_meaning = models.CharField(max_length=30, blank=True)  # of the rule that decided (`provider_profile`)
    failure_reason = models.CharField(max_length=300, blank=True)  # from the provider, for administrators
    account_label = models.CharField(max_length=255, blank=True)
    account_id = models.CharField(max_length=255, blank=True)
    has_userinfo = models.BooleanField(default=False, editable=False)  # the Userinfo URL accepted the access token
    answer = EncryptedField(purpose="attempt")
    choices = EncryptedField(purpose="attempt")  # JSON: name of the value, title, and pairs of value and label
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=attempt_expiry, db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        verbose_name = _("Authorization Attempt")
        verbose_name_plural = _("Authorization Attempts")
        indexes = [models.Index(fields=["user", "credential", "status"], name="attempt_of_user")]

    def __str__(self) -> str:
        return f"{self.credential} / {self.user} ({self.status})"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save. A new sign-in agrees to the current addresses; changes until its end are not agreed to."""
        if self._state.adding and not self.agreed:
            self.agreed = consent.current_agreement(self.credential, None if self.is_shared else self.user_id)
        super().save(update_fields=update_fields, **options)

    def sealing_context(self) -> str:
        return f"{self.hex}:{self.user_id}:{self.credential_id.hex}"

    @property
    def is_shared(self) -> bool:
        """Whether an administrator signs in to get a token for the system."""
        return self.integration_type == IntegrationType.SYSTEM

    @property
    def owner(self) -> User | None:
        """Owner of the token to come; None for the system."""
        return None if self.is_shared else self.user

    @property
    def signer_id(self) -> int:
        """Id of the person whose browser it is: the user, or the helper of a connect link."""
        return self.link.helper_id if self.link and self.link.helper_id else self.user_id

    @property
    def seconds_left(self) -> int:
        return max(0, round((self.expires_at - timezone.now()).total_seconds()))

    def claim(self, status: AttemptStatus, *, while_in: AttemptStatus) -> bool:
        """Change the status, if no other process has. True for exactly one caller."""
        rows = AuthorizationAttempt.objects.filter(pk=self.pk, status=while_in).update(status=status)
        self.status = status if rows else self.status
        return bool(rows)

    def was_cancelled(self) -> bool:
        """Lock the row and check whether the sign-in was cancelled during the request to the server.

        The cancellation has revoked what was fetched until then; only what came in since remains to be revoked.
        """
        stored = AuthorizationAttempt.objects.select_for_update().filter(pk=self.pk).first()
        if stored is None or stored.status != AttemptStatus.CANCELLED:
            return False
        self.answer, self.failure_code = value_or_blank(stored, "answer"), stored.failure_code
        return True

    @property
    def holds_answer(self) -> bool:
        """Whether a token answer is stored. Does not open it."""
        return bool(self.__dict__.get("answer"))

    def stored_answer(self) -> TokenAnswer | None:
        """Return the stored token answer, which no token row holds yet."""
        stored = value_or_blank(self, "answer")
        if not stored:
            return None
        fields = json.loads(stored)
        return TokenAnswer(**{**fields, "scopes": None if fields["scopes"] is None else tuple(fields["scopes"])})

    def hold(self, answer: TokenAnswer) -> bool:
        """Store a token answer and commit, so that no later failure loses it. False if the row was deleted."""
        stored = replace(answer, claims={}, unverified_id_token="", said={})
        self.answer = json.dumps(asdict(stored))
        sealed = cast(EncryptedField, self._meta.get_field("answer")).pre_save(self, add=False)
        return bool(AuthorizationAttempt.objects.filter(pk=self.pk).update(answer=sealed))

    @property
    def choice(self) -> "PendingChoice | None":
        """What the person has to choose, if this sign-in waits for that."""
        stored = value_or_blank(self, "choices")
        return PendingChoice(**json.loads(stored)) if stored else None

    def token(self, answer: TokenAnswer) -> "Token":
        """Build a token from the answer; not saved."""
        token = Token(user=self.owner, credential=self.credential, integration_type=self.integration_type)
        token.agreed = self.agreed
        token.requested_scopes, token.scopes = self.scopes, self.scopes
        token.account_id, token.account_label = self.account_id, self.account_label
        token.has_userinfo = self.has_userinfo
        token.take(answer, registry=self.registry)
        return token

    def revoke_answer(
        self,
        *,
        reason: str,
        orphaned: bool = False,
        may_be_gone: bool = False,
        not_before: datetime | None = None,
    ) -> "Revocation | None":
        """Discard the stored answer, and create a revocation of its tokens."""
        answer = self.stored_answer()
        if answer is None:
            return None
        revocation = create_revocation(
            self.token(answer), reason=reason, orphaned=orphaned, may_be_gone=may_be_gone, not_before=not_before
        )
        self.answer = ""
        return revocation

    def finish(
        self, status: AttemptStatus, *, failure_code: str = "", failure_reason: str = "", meaning: str = ""
    ) -> None:
        """Record the outcome, and delete the secrets of the sign-in."""
        self.status, self.failure_code, self.finished_at = status, failure_code[:100], timezone.now()
        self.failure_reason, self.failure_meaning = failure_reason[:300], meaning
        self.code_verifier = self.nonce = ""
        if status not in WAITING:
            self.answer = ""
        if status != AttemptStatus.CHOICE:
            self.choices = ""
        deleted_fields = ["code_verifier", "nonce", "answer", "choices"]
        outcome_fields = ["status", "failure_code", "failure_meaning", "failure_reason", "finished_at"]
        account_fields = ["account_label", "account_id", "has_userinfo"]
        self.save(update_fields=[*outcome_fields, *account_fields, *deleted_fields])


ENDED = (AttemptStatus.CONNECTED, AttemptStatus.FAILED, AttemptStatus.CANCELLED)


@receiver(pre_delete, sender=AuthorizationAttempt)
def revoke_fetched(instance: AuthorizationAttempt, origin: Origin, **_kwargs: Any) -> None:
    """Create the revocation of tokens that no token row holds yet, when their sign-in is deleted."""
    instance.revoke_answer(reason="deleted", orphaned=begins_elsewhere(origin, AuthorizationAttempt))


@receiver(pre_delete, sender=ConnectLink)
def delete_unfinished(instance: ConnectLink, origin: Origin, **_kwargs: Any) -> None:
    """Delete the unfinished sign-ins of a deleted link. Without it, they would pass for sign-ins of its user."""
    if begins_elsewhere(origin, ConnectLink):
        return
    for attempt in instance.attempts.exclude(status__in=ENDED):
        attempt.delete()
