"""The access and refresh token that one resource owner granted.

A token row is never just deleted: in the same transaction a `Revocation` row takes over a sealed copy, whoever deletes
it and why (the person, a cascade from the user or the credential). The row is the promise; the queue only hurries it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self, TypeAlias
from uuid import UUID

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.oauth_client import base_urls
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured
from foundation.secrets_at_rest import EncryptedField, is_sealed, opens_by_header, readable
from integrations.models.registry import ApplicationRegistry, GrantType, IntegrationType, OAuth2Credential, SysIdModel
from integrations.models.tokens import consent
from integrations.models.tokens.expiry import RefreshExpiry, moment, refresh_token_end
from integrations.models.tokens.renewals import NOT_RENEWED, Renewal
from integrations.models.tokens.revocations import Revocation, RevocationState

SOON = timedelta(days=7)
SOON_SHARE = 0.2  # of the lifetime
INTERRUPTED = "renewal_interrupted"  # a failure of our own: a process died while it renewed
Origin: TypeAlias = models.Model | models.QuerySet[models.Model]  # what a deletion began with


class TokenState(models.TextChoices):
    VALID = "valid", _("Valid")
    NEEDS_REAUTH = "needs_reauth", _("Sign in again")


class TokenQuerySet(models.QuerySet["Token"]):
    def of(self, user: User | None, credential: OAuth2Credential) -> Self:
        return self.filter(user=user, credential=credential)

    def with_registry(self) -> Self:
        return self.select_related("user", "credential__profile__registry")

    def with_failed_renewals(self) -> Self:
        """How renewals of the stored version have failed: since when, and the kind of the last error."""
        failed = Renewal.objects.filter(
            token_id=OuterRef("pk"), version=OuterRef("version"), outcome__in=NOT_RENEWED
        ).order_by("asked_at")
        return self.annotate(
            not_renewed_since=Subquery(failed.values("asked_at")[:1]),
            last_failure_kind=Subquery(failed.reverse().values("kind")[:1]),
        )


class Token(SysIdModel):
    """The access and refresh token that one resource owner granted. [oauth_credential, Manage Tokens]"""

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="tokens", verbose_name=_("User"))
    credential = models.ForeignKey(
        OAuth2Credential, models.CASCADE, related_name="tokens", verbose_name=_("OAuth 2.0 Credential")
    )
    integration_type = models.CharField(_("Integration Type"), max_length=10, choices=IntegrationType)
    access_token = EncryptedField(purpose="token")
    refresh_token = EncryptedField(purpose="token")
    base_url = EncryptedField(purpose="token")  # no secret, but nobody may lead a token elsewhere by writing here
    token_type = models.CharField(_("Token type"), max_length=20, default="Bearer")
    expires_at = models.DateTimeField(_("Expires"), null=True, blank=True)
    refresh_expires_at = models.DateTimeField(_("Refresh token expires"), null=True, blank=True)
    refresh_expiry = models.CharField(max_length=10, choices=RefreshExpiry, blank=True, editable=False)
    scopes = models.JSONField(_("Granted scopes"), default=list)
    requested_scopes = models.JSONField(_("Requested scopes"), default=list)
    account_id = models.CharField(_("Account id"), max_length=255, blank=True)
    account_label = models.CharField(_("Account"), max_length=255, blank=True)
    state = models.CharField(_("State"), max_length=20, choices=TokenState, default=TokenState.VALID)
    failure_code = models.CharField(_("Last error"), max_length=100, blank=True)
    failed_at = models.DateTimeField(_("Stopped"), null=True, blank=True)
    signed_in_at = models.DateTimeField(_("Signed in"), default=timezone.now)
    refreshed_at = models.DateTimeField(_("Last renewed"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("Last used"), null=True, blank=True)
    last_used_by = models.CharField(_("Last used by"), max_length=100, blank=True)
    notice = models.CharField(max_length=20, blank=True, editable=False)  # the last mail to its owner about it
    agreed = models.JSONField(null=True, editable=False)  # the addresses it was given for (`consent`)
    version = models.PositiveIntegerField(default=1, editable=False)
    lease_owner = models.CharField(max_length=32, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TokenQuerySet.as_manager()
    promised = False  # its revocation is already written down
    not_renewed_since: datetime | None = None  # set by `with_failed_renewals`, as the next
    last_failure_kind: str | None = None

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
        ]

    def __str__(self) -> str:
        return f"{self.credential} / {self.user or _('System')}"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Who signs in agrees to the set-up of that moment, where the sign-in brings no older one along."""
        if self._state.adding and self.agreed is None:
            self.agreed = consent.agreement_now(self.credential, self.user_id)
        super().save(update_fields=update_fields, **options)

    def sealing_context(self) -> str:
        return place_of(self.id, self.user_id, self.credential_id)

    def address_changes(self, connection_url: str = "") -> list[consent.Change]:
        """The addresses of the set-up to which the owner has not agreed; none where the token may be used."""
        return consent.changes(self.agreed, vars(self.credential.registry), connection_url)

    @property
    def has_refresh_token(self) -> bool:
        """Whether there is one, without opening it."""
        return bool(self.__dict__.get("refresh_token"))

    @property
    def holds_sealed(self) -> bool:
        """Whether a token lies in the database, readable or not."""
        return any(is_sealed(self, name) for name in ("access_token", "refresh_token"))

    @property
    def cannot_be_opened(self) -> bool:
        """Something lies there, and the key of none of it is set. By the headers alone."""
        held = [name for name in ("access_token", "refresh_token") if is_sealed(self, name)]
        return bool(held) and not any(opens_by_header(self, name) for name in held)

    def lives_for(self, seconds: float = 0) -> bool:
        """The access token can be used for at least so long. No expiry given counts as for ever."""
        return self.expires_at is None or self.expires_at > timezone.now() + timedelta(seconds=seconds)

    def usable_for(self, seconds: float = 0) -> bool:
        return self.state == TokenState.VALID and self.lives_for(seconds)

    @property
    def granted_at(self) -> datetime:
        """When the access token was."""
        return self.refreshed_at or self.signed_in_at

    @property
    def is_our_own(self) -> bool:
        """Granted to this site itself, not to a person (RFC 6749 §4.4): asked for anew, never refreshed."""
        is_system = self.integration_type == IntegrationType.SYSTEM
        return is_system and self.credential.profile.grant_type == GrantType.CLIENT_CREDENTIALS

    @property
    def renews_itself(self) -> bool:
        """A valid token with a failure code is one whose access token lives on, and whose renewal was refused."""
        if self.is_our_own:
            return self.state == TokenState.VALID
        if not self.has_refresh_token or self.state != TokenState.VALID or self.failure_code:
            return False
        return self.refresh_expires_at is None or self.refresh_expires_at > timezone.now()

    @property
    def renewal_fails(self) -> bool:
        """The access token is over, and the last request for a new one brought none.

        Not where our registration was refused: that is the registry's to say, also when it has been mended.
        """
        if self.lives_for() or not self.renews_itself or self.not_renewed_since is None:
            return False
        return self.last_failure_kind != Misconfigured.__name__.lower()

    @property
    def known_end(self) -> datetime | None:
        """When nothing of it works at the provider any more; None where that is not known, or past.

        With a refresh token its end counts, if it is known. What the registry assumes is not known.
        """
        ends = [self.expires_at]
        if self.has_refresh_token:
            ends.append(None if self.refresh_expiry == RefreshExpiry.ASSUMED else self.refresh_expires_at)
        known = [end for end in ends if end]
        return max(known) if len(known) == len(ends) and max(known) > timezone.now() else None

    @property
    def sign_in_again_by(self) -> datetime | None:
        """When the person has to sign in again at the latest; None where that is not known.

        The end of what renews it, or of the access token where nothing does. In the past where it is over already.
        """
        if self.state != TokenState.VALID:
            return self.failed_at
        if self.is_our_own:
            return None
        if not self.renews_itself:
            return self.expires_at
        return self.refresh_expires_at if self.refresh_expiry != RefreshExpiry.ASSUMED else None

    @property
    def is_locked(self) -> bool:
        """The key of what is needed next is not set. Nothing is written down: when the key is back, all is as before.

        By the header alone; a page of cards opens no token. Other bytes under the same id show when it is used.
        """
        return not opens_by_header(self, "access_token" if self.lives_for() else "refresh_token")

    @property
    def is_valid(self) -> bool:
        """The seed's rule: the access token lives, or a refresh token can renew it. And we can open it."""
        return self.state == TokenState.VALID and (self.lives_for() or self.renews_itself) and not self.is_locked

    @property
    def expires_soon(self) -> bool:
        """Only where nothing renews it: within 7 days, or the last fifth of its life if that is shorter."""
        if self.renews_itself or self.expires_at is None:
            return False
        lifetime = self.expires_at - self.granted_at
        return self.expires_at - timezone.now() <= min(SOON, lifetime * SOON_SHARE)

    def take(self, answer: TokenAnswer, *, registry: ApplicationRegistry) -> None:
        """Hold what the server gave. A refresh token that is not mentioned stays as it is (RFC 6749 §6)."""
        now = timezone.now()
        self.access_token, self.token_type = answer.access_token, answer.token_type
        self.expires_at = moment(now, answer.expires_in)
        if answer.refresh_token:
            known_before = self.refresh_expires_at if self.refresh_expiry != RefreshExpiry.ASSUMED else None
            end = refresh_token_end(answer, registry, now=now, known_before=known_before)
            self.refresh_token, (self.refresh_expires_at, self.refresh_expiry) = answer.refresh_token, end
        if answer.scopes is not None:
            self.scopes = sorted(answer.scopes)
        base = consent.believed(self.agreed, answer.unverified_base_url, registry.base_url_hosts)
        if registry.base_url_path and base:
            self.base_url = base
        self.state, self.failure_code, self.failed_at, self.notice = TokenState.VALID, "", None, ""

    def at_home(self, url: str) -> str:
        """The same address at the server that holds this person's part, where the provider has named one."""
        return base_urls.moved(url, readable(self, "base_url")) if is_sealed(self, "base_url") else url

    def is_of_another(self, answer: TokenAnswer) -> bool:
        """It names another subject than before (OpenID Connect Core §12.2), where we know the account by that."""
        subject, paths = str(answer.claims.get("sub") or "")[:255], self.credential.registry.account_id_path.split()
        return bool(subject and self.account_id) and paths[:1] == ["/sub"] and subject != self.account_id

    def give_up(self, code: str, *, keep_access: bool = False) -> None:
        """Only the person can help: now, or with `keep_access` when the access token has come to its end."""
        self.failure_code, self.version = code[:100], self.version + 1
        self.lease_owner, self.lease_expires_at = "", None
        if not keep_access:
            self.state, self.failed_at = TokenState.NEEDS_REAUTH, timezone.now()
        self.save()

    def missing_scopes(self) -> list[str]:
        return sorted(set(self.requested_scopes) - set(self.scopes))

    def promise_copy(self, *, reason: str) -> "Revocation | None":
        """Promise to revoke what this row holds now; the row itself is about to hold something else."""
        return promise(self, reason=reason)

    def end(
        self, *, reason: str, by_the_person: bool = False, not_before: datetime | None = None
    ) -> "Revocation | None":
        """Gone here at once; what is returned is the promise to tell the provider. Call it in a transaction."""
        revocation = promise(self, reason=reason, by_the_person=by_the_person, not_before=not_before)
        self.promised = True
        self.delete()
        return revocation


def place_of(token_id: UUID, user_id: int | None, credential_id: UUID) -> str:
    """Where its sealed values belong, and nowhere else."""
    return f"{token_id.hex}:{user_id or 0}:{credential_id.hex}"


def promise(
    token: Token,
    *,
    reason: str,
    by_the_person: bool = False,
    orphaned: bool = False,
    not_before: datetime | None = None,
) -> Revocation | None:
    """The revocation row for a token that is about to go. None when it holds nothing that could be revoked.

    `orphaned`: the person or the set-up goes in the same transaction, so that nothing must point at them.
    `not_before`: when the provider may be told, where so many end at once that it would be too much for it.
    """
    revocation = copied(token, orphaned=orphaned)
    revocation.reason, revocation.by_the_person = reason, by_the_person
    revocation.next_attempt_at = not_before or timezone.now()
    is_readable = bool(revocation.refresh_token or revocation.access_token)
    if not is_readable:
        if not token.holds_sealed:
            return None
        revocation.last_answer = "unreadable"  # it lives on there, and we cannot say which one it is
    if is_readable and revocation.revocation_url:
        revocation.save()
    else:
        revocation.settle(RevocationState.UNSUPPORTED)
    return revocation


def copied(token: Token, *, orphaned: bool) -> Revocation:
    """All that is needed to keep the promise when the token, and perhaps more, is gone. Not saved."""
    registry = token.credential.registry
    revocation = Revocation(
        user=None if orphaned else token.user,
        username=token.user.get_username() if token.user else "",
        credential=None if orphaned else token.credential,
        registry=None if orphaned else registry,
        provider=registry.name,
        account_label=token.account_label,
        account_id=token.account_id,
        access_token_expires_at=token.expires_at,
        token_id=token.pk,
        granted_at=token.granted_at,
        refresh_asked_at=token.lease_expires_at if token.lease_owner else None,  # a renewal under way may spend it
        is_refusal_proof=registry.registration_changed_at is None
        or token.granted_at >= registry.registration_changed_at,
        **consent.revocation_snapshot(token.agreed or {}, registry),
    )
    revocation.refresh_token = readable(token, "refresh_token")
    revocation.access_token = readable(token, "access_token")
    return revocation


@receiver(pre_delete, sender=Token)
def keep_the_promise(instance: Token, origin: Origin, **_kwargs: Any) -> None:
    """Deleted by an administrator, or with its user or credential: the provider is told all the same."""
    if not instance.promised:
        promise(instance, reason="deleted", orphaned=begins_elsewhere(origin, Token))


def begins_elsewhere(origin: Origin, model: type[models.Model]) -> bool:
    return (origin.model if isinstance(origin, models.QuerySet) else type(origin)) is not model
