"""Model of the access and refresh token that one resource owner granted.

Deleting a token row always creates a `Revocation` row with a sealed copy in the same transaction, whether the person
deletes it or a cascade from the user or the credential. That row guarantees delivery; a queued task only speeds it up.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

from django.db import models
from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.oauth_client.answers import TokenAnswer
from foundation.secrets_at_rest import value_or_blank
from integrations.models.registry import ApplicationRegistry, GrantType, IntegrationType, OAuth2Credential
from integrations.models.tokens import consent
from integrations.models.tokens.deadlines import deadlines_of
from integrations.models.tokens.expiry import RefreshExpiry, moment_after, refresh_token_end, refresh_token_is_over
from integrations.models.tokens.renewals import NOT_RENEWED, Renewal
from integrations.models.tokens.revocations import Revocation, create_revocation
from integrations.models.tokens.token_record import TokenRecord, TokenState

INTERRUPTED = "renewal_interrupted"  # our own failure: a process died during a renewal
RESTORED = "restored"  # refused after a restore: the token of the backup has been renewed since
COPIED = "copied"  # deleted from a copy of the database
ANSWER_LOST = "answer_lost"  # refused after a renewal without an answer, which may have used up the refresh token
Origin: TypeAlias = models.Model | models.QuerySet[models.Model]  # where a deletion began


def usable_tokens(now: datetime) -> Q:
    """`Token.is_valid` as a condition, apart from missing keys: the person need not sign in again."""
    lives = Q(expires_at=None) | Q(expires_at__gt=now)
    can_be_renewed = Q(refresh_token__isnull=False, failure_code="") & ~refresh_token_is_over(now)
    grants = Q(credential__profile__grant_type=GrantType.CLIENT_CREDENTIALS, integration_type=IntegrationType.SYSTEM)
    return Q(lives | can_be_renewed | grants, state=TokenState.VALID)


@dataclass(frozen=True)
class SignInCounts:
    """Sign-ins of active people: those that work, and those to be repeated; of the system; the last call with any."""

    connected: int = 0
    must_sign_in: int = 0
    of_system: int = 0
    last_call: datetime | None = None

    @property
    def total(self) -> int:
        return self.connected + self.must_sign_in


class TokenQuerySet(models.QuerySet["Token"]):
    def of(self, user: User | None, credential: OAuth2Credential) -> Self:
        return self.filter(user=user, credential=credential)

    def with_registry(self) -> Self:
        return self.select_related("user", "credential__profile__registry")

    def count_by_registry(self) -> "dict[UUID, SignInCounts]":
        """Count the sign-ins by registry. One query."""
        usable = usable_tokens(timezone.now())
        is_personal = Q(user__isnull=False)
        rows = self.exclude(user__is_active=False).values_list("credential__profile__registry")
        counts = rows.annotate(
            connected=Count("pk", filter=usable & is_personal),
            must_sign_in=Count("pk", filter=~usable & is_personal),
            of_system=Count("pk", filter=usable & ~is_personal),
            last_call=Max("last_used_at"),
        ).order_by()
        return {registry: SignInCounts(*row) for registry, *row in counts}

    def with_failed_renewals(self) -> Self:
        """Annotate since when renewals of the stored version have failed, and the kind of the last error."""
        failed = Renewal.objects.filter(
            token_id=OuterRef("pk"), version=OuterRef("version"), outcome__in=NOT_RENEWED
        ).order_by("asked_at")
        return self.annotate(
            not_renewed_since=Subquery(failed.values("asked_at")[:1]),
            last_failure_kind=Subquery(failed.reverse().values("kind")[:1]),
        )


class Token(TokenRecord):
    """The access and refresh token that one resource owner granted. [oauth_credential, Manage Tokens]"""

    objects = TokenQuerySet.as_manager()
    promised = False  # its revocation has been created

    class Meta:
        verbose_name = _("OAuth Token")
        verbose_name_plural = _("OAuth Tokens")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "credential"], condition=Q(user__isnull=False), name="one_token_per_user_and_credential"
            ),
            models.UniqueConstraint(
                fields=["credential"], condition=Q(user__isnull=True), name="one_system_token_per_credential"
            ),
            models.CheckConstraint(
                condition=Q(integration_type=IntegrationType.PERSONAL, user__isnull=False)
                | Q(integration_type=IntegrationType.SYSTEM, user__isnull=True),
                name="a_personal_token_has_a_user_and_a_system_token_none",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "expires_at"], name="token_by_expiry"),
            models.Index(fields=["state", "refresh_expires_at"], name="token_by_refresh_expiry"),
            models.Index(fields=["credential", "state"], name="token_by_credential"),
            models.Index(
                fields=["user"],
                name="token_owes_mail",
                condition=(Q(state=TokenState.NEEDS_REAUTH) | ~Q(failure_code="")) & ~Q(notice="needs_reauth"),
            ),
            models.Index(
                fields=["expires_at"],
                name="token_not_renewable",
                condition=Q(state=TokenState.VALID, refresh_token__isnull=True),
            ),
            models.Index(fields=["credential", "signed_in_at"], name="token_by_sign_in"),
            models.Index(fields=["credential", "due_at"], name="token_due", condition=Q(due_at__isnull=False)),
            models.Index(
                fields=["credential", "idle_due_at"], name="token_idle_due", condition=Q(idle_due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential} / {self.user or _('System')}"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save, with the moments of the next renewal.

        A new token agrees to the current addresses, unless its sign-in has recorded earlier ones.
        """
        if self._state.adding and self.agreed is None:
            self.agreed = consent.current_agreement(self.credential, self.user_id)
        if update_fields is None and not self.get_deferred_fields():
            self.due_at, self.idle_due_at = deadlines_of(self, timezone.now())
        super().save(update_fields=update_fields, **options)

    def sealing_context(self) -> str:
        return sealing_context_of(self.id, self.user_id, self.credential_id)

    def address_changes(self, connection_url: str = "") -> list[consent.Change]:
        """Addresses of the set-up that the owner has not agreed to. The token may be used only if there are none."""
        return consent.unagreed_changes(self.agreed, vars(self.credential.registry), connection_url)

    def take(self, answer: TokenAnswer, *, registry: ApplicationRegistry) -> None:
        """Take over a token answer; not saved. Without a new refresh token, the old one stays (RFC 6749 §6).

        Its end moves if the provider names another, or if it was assumed only, because the provider has just accepted
        it. The same refresh token sent again has no new life.
        """
        now = timezone.now()
        self.access_token, self.token_type = answer.access_token, answer.token_type
        self.expires_at = moment_after(now, answer.expires_in)
        is_assumed = self.refresh_expiry == RefreshExpiry.ASSUMED
        is_new = bool(answer.refresh_token) and answer.refresh_token != value_or_blank(self, "refresh_token")
        if is_new:
            self.refresh_token = answer.refresh_token
        if is_new or (self.has_refresh_token and (is_assumed or answer.refresh_expires_in)):
            known_before = None if is_assumed else self.refresh_expires_at
            end = refresh_token_end(answer, registry, now=now, known_before=known_before)
            self.refresh_expires_at, self.refresh_expiry = end
        if answer.scopes is not None:
            self.scopes = sorted(answer.scopes)
        if registry.profile.self_renewal and not answer.refresh_token:
            # The access token is what renews it (Instagram, Threads), for as long as it lives.
            self.refresh_token, self.refresh_expires_at = answer.access_token, self.expires_at
            self.refresh_expiry = RefreshExpiry.KNOWN
        new_values = {name: value for name, value in answer.kept.items() if value not in (".", "..")}  # steps in a path
        if new_values:
            self.provider_values = json.dumps({**self.values, **new_values})
        base = consent.allowed_base_url(self.agreed, answer.unverified_base_url, registry.base_url_hosts)
        if registry.base_url_path and base:
            self.base_url = base
        self.state, self.failure_code, self.failed_at, self.notice = TokenState.VALID, "", None, ""

    def is_of_another(self, answer: TokenAnswer) -> bool:
        """Whether the answer names another subject (OpenID Connect Core §12.2), if accounts are identified by it."""
        subject, paths = str(answer.claims.get("sub") or "")[:255], self.credential.registry.account_id_path.split()
        return bool(subject and self.account_id) and paths[:1] == ["/sub"] and subject != self.account_id

    def give_up(self, code: str, *, keep_access: bool = False) -> None:
        """Require a new sign-in: now or, with `keep_access`, when the access token expires. Saves."""
        self.failure_code, self.version = code[:100], self.version + 1
        self.lease_owner, self.lease_expires_at = "", None
        if not keep_access:
            self.state, self.failed_at = TokenState.NEEDS_REAUTH, timezone.now()
        self.save()

    def missing_scopes(self, registry: ApplicationRegistry | None = None) -> list[str]:
        """Requested scopes that were not granted, as far as the provider's answer and its profile tell.

        `registry`: that of the token, if it has been read.
        """
        return self.not_granted(self.requested_scopes, registry)

    def not_granted(self, scopes: Iterable[str], registry: ApplicationRegistry | None = None) -> list[str]:
        """Those of these scopes that were not granted: neither by name, nor by another spelling, nor with another."""
        names = (registry or self.credential.registry).readable_profile.scopes
        return sorted(names.missing(scopes, self.scopes, has_refresh_token=self.has_refresh_token))

    def create_revocation_of_copy(self, *, reason: str) -> "Revocation | None":
        """Create a revocation of the current tokens, before the row takes others."""
        return create_revocation(self, reason=reason)

    def end(
        self, *, reason: str, by_the_person: bool = False, not_before: datetime | None = None
    ) -> "Revocation | None":
        """Delete the token and return its revocation. Call in a transaction."""
        revocation = create_revocation(self, reason=reason, by_the_person=by_the_person, not_before=not_before)
        self.promised = True
        self.delete()
        return revocation


def sealing_context_of(token_id: UUID, user_id: int | None, credential_id: UUID) -> str:
    """Return the context that the sealed values of a token are bound to."""
    return f"{token_id.hex}:{user_id or 0}:{credential_id.hex}"


@receiver(pre_delete, sender=Token)
def revoke_deleted(instance: Token, origin: Origin, **_kwargs: Any) -> None:
    """Create the revocation of a token that is deleted by an administrator, or with its user or credential."""
    if not instance.promised:
        create_revocation(instance, reason="deleted", orphaned=begins_elsewhere(origin, Token))


def begins_elsewhere(origin: Origin, model: type[models.Model]) -> bool:
    """Whether a deletion began with rows of another model, and so cascaded."""
    return (origin.model if isinstance(origin, models.QuerySet) else type(origin)) is not model
