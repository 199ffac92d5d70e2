"""Model of a revocation: tokens that the provider has to be told to revoke (RFC 7009). Made of the token that ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.secrets_at_rest import value_or_blank
from integrations.models.registry import ApplicationRegistry, OAuth2Credential
from integrations.models.tokens import consent
from integrations.models.tokens.revocation_record import (
    COPIES,
    UNDELIVERED,
    UNSETTLED,
    RevocationRecord,
    RevocationState,
)
from integrations.models.tokens.token_record import TokenRecord

JUST_NOW = timedelta(minutes=2)
HOLDS_A_COPY = Q(refresh_token__isnull=False) | Q(access_token__isnull=False)


class RevocationQuerySet(models.QuerySet["Revocation"]):
    def due(self) -> Self:
        now = timezone.now()
        return self.filter(state__in=UNSETTLED, next_attempt_at__lte=now).exclude(claimed_until__gt=now)

    def make_due(self) -> int:
        """Make postponed revocations due now, or at the end of Retry-After. Returns how many are due now.

        Revocations without an attempt keep their times: the kill switch has spread them.
        """
        now = timezone.now()
        postponed = self.filter(state__in=UNSETTLED, attempts__gt=0, next_attempt_at__gt=now)
        later = postponed.filter(left_alone_until__gt=now, next_attempt_at__gt=F("left_alone_until"))
        later.update(next_attempt_at=F("left_alone_until"))
        return postponed.exclude(left_alone_until__gt=now).update(next_attempt_at=now)

    def with_registry(self) -> Self:
        return self.select_related("registry", "user", "credential").defer("registry__logo")

    def undelivered(self) -> Self:
        return self.filter(state__in=UNDELIVERED)

    def of(self, user: User | None, credential: OAuth2Credential) -> Self:
        """Revocations of this user, or of the system. Those of deleted users have no user, but a username."""
        revocations = self.filter(user=user, credential=credential)
        return revocations if user else revocations.filter(username="")

    def visible(self) -> Self:
        """Undelivered revocations that a card shows until the person dismisses them."""
        return self.undelivered().filter(by_the_person=True, dismissed_at__isnull=True)

    def shown_on_card(self) -> Self:
        """Visible revocations, and those settled so recently that an open page still has to show it."""
        settled = ~Q(state__in=UNDELIVERED) & Q(settled_at__gt=timezone.now() - JUST_NOW)
        return self.filter(Q(state__in=UNDELIVERED, dismissed_at__isnull=True) | settled, by_the_person=True)

    def claim(self, ids: list[UUID], lease: timedelta) -> list["Revocation"]:
        """Claim those of these rows that are due, for the time of the lease, and return them with their registries.

        Skips rows that another process is claiming, if the database can. SQLite lets one transaction write at a time,
        and refuses one that has read what another has changed since.
        """
        can_skip = connection.features.has_select_for_update_skip_locked
        with transaction.atomic():
            due = Revocation.objects.due().filter(pk__in=ids).with_registry()
            rows = list(due.select_for_update(skip_locked=True, of=("self",)) if can_skip else due)
            until = timezone.now() + lease
            free = Revocation.objects.due().filter(pk__in=[row.pk for row in rows])
            free.update(claimed_until=until, attempts=F("attempts") + 1)
        for row in rows:
            row.claimed_until, row.attempts = until, row.attempts + 1
        return rows

    def give_back(self, rows: list["Revocation"]) -> None:
        """Release claimed rows that were not attempted. They are due as before."""
        claimed = self.filter(pk__in=[row.pk for row in rows], claimed_until__isnull=False)
        claimed.update(claimed_until=None, attempts=F("attempts") - 1)

    def settle(self, rows: Sequence["Revocation"], state: RevocationState) -> bool:
        """Settle rows that ended alike. False if some were settled already: roll back the transaction then."""
        closing = rows[0].closing(state)
        for row in rows:
            for name, value in closing.items():
                setattr(row, name, value)
        return self.filter(pk__in=[row.pk for row in rows]).undelivered().update(**closing) == len(rows)

    def retryable(self) -> Self:
        """Revocations that still have copies and are undelivered, or accepted without proof that the token is dead."""
        accepted = Q(state=RevocationState.CONFIRMED) & HOLDS_A_COPY
        return self.filter(accepted | Q(state__in=UNDELIVERED), purged_at__isnull=True)

    def long_given_up(self) -> Self:
        """Revocations given up, or accepted without proof, so long ago that their copies are to be deleted."""
        long_ago = timezone.now() - timedelta(days=settings.REVOCATION_PURGE_DAYS)
        accepted = Q(state=RevocationState.CONFIRMED) & HOLDS_A_COPY
        ended = self.filter(accepted | Q(state=RevocationState.ABANDONED))
        return ended.filter(settled_at__lt=long_ago, purged_at__isnull=True)

    def purge(self) -> int:
        """Delete the copies of the tokens. The rows stay and cannot be retried."""
        return self.update(purged_at=timezone.now(), **dict.fromkeys(COPIES))


class Revocation(RevocationRecord):
    """Tokens that the provider has to be told to revoke (RFC 7009). Holds copies of all that delivery needs."""

    objects = RevocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("Token Revocation")
        verbose_name_plural = _("Token Revocations")
        indexes = [models.Index(fields=["state", "created_at"], name="revocation_by_state")]

    def __str__(self) -> str:
        return f"{self.provider} / {self.username or _('System')}"

    def sealing_context(self) -> str:
        return self.hex

    def claim(self, lease: timedelta) -> bool:
        """Claim it for the time of the lease. True for exactly one caller: a compare-and-swap, on any database."""
        until = timezone.now() + lease
        rows = Revocation.objects.due().filter(pk=self.pk, attempts=self.attempts)
        claimed = rows.update(claimed_until=until, attempts=F("attempts") + 1)
        if claimed:
            self.claimed_until, self.attempts = until, self.attempts + 1
        return bool(claimed)

    def is_claimed_for(self, seconds: float) -> bool:
        return bool(self.claimed_until and self.claimed_until > timezone.now() + timedelta(seconds=seconds))

    def note(self, **changes: Any) -> bool:
        """Save these fields. False if the revocation was settled meanwhile; nothing is saved then."""
        for name, value in changes.items():
            setattr(self, name, value)
        return bool(Revocation.objects.filter(pk=self.pk).undelivered().update(**changes))

    def end_attempt(self, **changes: Any) -> bool:
        """Save the result of the claimed attempt. False if another has begun: only the claim is dropped then."""
        rows = Revocation.objects.filter(pk=self.pk, state__in=UNSETTLED, attempts=self.attempts)
        if not rows.update(**changes, claimed_until=None):
            self.note(claimed_until=None)
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    def settle(self, state: RevocationState) -> bool:
        """Settle it: delivered, or nothing to deliver. False if it was settled already."""
        if not self._state.adding:
            return self.note(**self.closing(state))
        for name, value in {**self.closing(state), **dict.fromkeys(COPIES, "")}.items():
            setattr(self, name, value)
        self.save()
        return True

    def closing(self, state: RevocationState) -> dict[str, Any]:
        """Fields of a settled revocation. The copies are deleted, unless a token may live on at the provider."""
        deleted = () if state == RevocationState.CONFIRMED else COPIES
        fields = {"state": state, "settled_at": timezone.now(), "last_answer": self.last_answer, "told": self.told}
        return {**fields, "claimed_until": None, "next_attempt_at": None, **dict.fromkeys(deleted)}

    def start_over(self) -> bool:
        """Start again, with the registry's current addresses. False if it cannot be retried."""
        if not self.is_retryable:
            return False
        now = timezone.now()
        registry = self.registry_now
        addresses = registry.revocation_addresses() if registry and registry.token_revocation_url else {}
        if not all(self.may_be_sent_to(addresses.get(name, "")) for name in ("revocation_url", "introspection_url")):
            addresses = {}  # not at a server that the person agreed to
        if not self.may_be_sent_to(addresses.get("userinfo_url", ""), self.userinfo_url):
            addresses["userinfo_url"] = ""
        changes = {**addresses, "attempts": 0, "pursued_since": now, "next_attempt_at": now, "settled_at": None}
        if self.state == RevocationState.CONFIRMED:
            # Accepted once, and sent again to get proof. Dismissed, because the card may show a newer sign-in by now.
            changes |= {"told": [], "witnesses": {}, "dismissed_at": now}
        rows = Revocation.objects.retryable().filter(pk=self.pk, state=self.state)
        if not rows.update(**changes, state=RevocationState.PENDING):
            return False
        for name, value in {**changes, "state": RevocationState.PENDING}.items():
            setattr(self, name, value)
        return True


def create_revocation(
    token: TokenRecord,
    *,
    reason: str,
    by_the_person: bool = False,
    orphaned: bool = False,
    may_be_gone: bool = False,
    not_before: datetime | None = None,
) -> Revocation | None:
    """Create the revocation of a token that is about to be deleted. None if it holds nothing to revoke.

    `orphaned`: the user or the set-up is deleted in the same transaction, so that no reference to them may remain.
    `may_be_gone`: they may have been deleted since they were read, so that only those that still exist are referred to.
    `not_before`: time of the first attempt, to spread many revocations at one provider.
    """
    revocation = revocation_of(token, orphaned=orphaned)
    if may_be_gone:
        drop_deleted(revocation)
    revocation.reason, revocation.by_the_person = reason, by_the_person
    revocation.next_attempt_at = not_before or timezone.now()
    is_readable = bool(revocation.refresh_token or revocation.access_token)
    if not is_readable:
        if not token.holds_sealed:
            return None
        revocation.last_answer = "unreadable"  # it may live on at the provider, and we cannot name it there
    if is_readable and revocation.revocation_url:
        revocation.save()
    else:
        revocation.settle(RevocationState.UNSUPPORTED)
    return revocation


def revocation_of(token: TokenRecord, *, orphaned: bool) -> Revocation:
    """Build a revocation with copies of all that its delivery needs. Not saved."""
    registry = token.credential.registry
    changed_at = registry.registration_changed_at
    revocation = Revocation(
        user=None if orphaned else token.user,
        username=token.user.get_username() if token.user else "",
        credential=None if orphaned else token.credential,
        registry=None if orphaned else registry,
        provider=registry.name,
        account_label=token.account_label,
        account_id=token.account_id,
        has_userinfo=token.has_userinfo,
        access_token_expires_at=token.expires_at,
        token_id=token.pk,
        granted_at=token.granted_at,
        # A renewal under way may use up the refresh token.
        refresh_asked_at=token.lease_expires_at if token.lease_owner else None,
        is_refusal_proof=changed_at is None or token.granted_at >= changed_at,
        **consent.revocation_snapshot(token.agreed or {}, registry, server=token.server),
    )
    revocation.refresh_token = value_or_blank(token, "refresh_token")
    revocation.access_token = value_or_blank(token, "access_token")
    return revocation


def drop_deleted(revocation: Revocation) -> None:
    """Keep the references to rows that exist, and lock them, so that they exist until the end of the transaction."""
    for name, model in (("user", User), ("credential", OAuth2Credential), ("registry", ApplicationRegistry)):
        pk = getattr(revocation, f"{name}_id")
        if pk is not None and not model._default_manager.select_for_update(no_key=True).filter(pk=pk).exists():
            setattr(revocation, name, None)
