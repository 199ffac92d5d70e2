"""A promise to tell the provider that tokens are over (RFC 7009)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from foundation.oauth_client.base_urls import origin
from foundation.oauth_client.client import Registration
from foundation.secrets_at_rest import EncryptedField, is_sealed
from integrations.models.registry import ApplicationRegistry, OAuth2Credential, SysIdModel
from integrations.models.tokens.renewals import Renewal


class RevocationState(models.TextChoices):
    PENDING = "pending", _("Under way")
    CONFIRMED = "confirmed", _("Accepted by the provider")
    VERIFIED = "verified", _("Verified: the token is dead")
    FAILED = "failed", _("Not confirmed")
    ABANDONED = "abandoned", _("Given up")
    UNSUPPORTED = "unsupported", _("The provider has no such call")
    SUPERSEDED = "superseded", _("Replaced by a new sign-in")


UNSETTLED = (RevocationState.PENDING, RevocationState.FAILED)  # pursued
UNKEPT = (*UNSETTLED, RevocationState.ABANDONED)  # pursued, or it could be again
COPIES = ("refresh_token", "access_token", "client_secret")
FOR_CALLERS = {RevocationState.VERIFIED: RevocationState.CONFIRMED, RevocationState.ABANDONED: RevocationState.FAILED}


JUST_NOW = timedelta(minutes=2)
HOLDS_A_COPY = Q(refresh_token__isnull=False) | Q(access_token__isnull=False)


class RevocationQuerySet(models.QuerySet["Revocation"]):
    def due(self) -> Self:
        now = timezone.now()
        return self.filter(state__in=UNSETTLED, next_attempt_at__lte=now).exclude(claimed_until__gt=now)

    def make_due(self) -> int:
        """What was attempted and postponed is due now, or when the provider's Retry-After is over. How many are due.

        Promises that nobody has attempted yet keep their moments: the kill switch spreads them.
        """
        now = timezone.now()
        postponed = self.filter(state__in=UNSETTLED, attempts__gt=0, next_attempt_at__gt=now)
        later = postponed.filter(left_alone_until__gt=now, next_attempt_at__gt=F("left_alone_until"))
        later.update(next_attempt_at=F("left_alone_until"))
        return postponed.exclude(left_alone_until__gt=now).update(next_attempt_at=now)

    def with_registry(self) -> Self:
        return self.select_related("registry", "user", "credential").defer("registry__logo")

    def unkept(self) -> Self:
        return self.filter(state__in=UNKEPT)

    def of(self, user: User | None, credential: OAuth2Credential) -> Self:
        """Nobody's are the system's; those of people who were deleted meanwhile keep a name."""
        theirs = self.filter(user=user, credential=credential)
        return theirs if user else theirs.filter(username="")

    def visible(self) -> Self:
        """What a card still has to tell: a promise that is not kept yet, until the person puts it away."""
        return self.unkept().filter(by_the_person=True, dismissed_at__isnull=True)

    def spoken_of(self) -> Self:
        """What is visible, and what was settled so lately that a page that is open has to say so yet."""
        settled = ~Q(state__in=UNKEPT) & Q(settled_at__gt=timezone.now() - JUST_NOW)
        return self.filter(Q(state__in=UNKEPT, dismissed_at__isnull=True) | settled, by_the_person=True)

    def claim(self, ids: list[UUID], lease: timedelta) -> list["Revocation"]:
        """Take these for so long, as far as nobody else has; whole rows, with their registries.

        Rows that another process is claiming right now are skipped where the database can do that. SQLite lets one
        transaction write at a time, and refuses one that has read what another wrote since.
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
        """Claimed and not taken up: due as before."""
        claimed = self.filter(pk__in=[row.pk for row in rows], claimed_until__isnull=False)
        claimed.update(claimed_until=None, attempts=F("attempts") - 1)

    def settle(self, rows: Sequence["Revocation"], state: RevocationState) -> bool:
        """All of these, of which the same is to be said. False if some are settled already: for a transaction."""
        closing = rows[0].closing(state)
        for row in rows:
            for name, value in closing.items():
                setattr(row, name, value)
        return self.filter(pk__in=[row.pk for row in rows]).unkept().update(**closing) == len(rows)

    def retryable(self) -> Self:
        """Not settled, or accepted without a proof, and the copies of the tokens are still there."""
        accepted = Q(state=RevocationState.CONFIRMED) & HOLDS_A_COPY
        return self.filter(accepted | Q(state__in=UNKEPT), purged_at__isnull=True)

    def long_given_up(self) -> Self:
        """Given up, or accepted without a proof, so long ago that the copies are wiped."""
        long_ago = timezone.now() - timedelta(days=settings.REVOCATION_PURGE_DAYS)
        accepted = Q(state=RevocationState.CONFIRMED) & HOLDS_A_COPY
        ended = self.filter(accepted | Q(state=RevocationState.ABANDONED))
        return ended.filter(settled_at__lt=long_ago, purged_at__isnull=True)

    def purge(self) -> int:
        """Wipe the copies. The rows stay, and nobody can try them again."""
        return self.update(purged_at=timezone.now(), **dict.fromkeys(COPIES))


class Revocation(SysIdModel):
    """A promise to tell the provider that tokens are over (RFC 7009). Holds its own copy of all it needs to keep it."""

    user = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="revocations", verbose_name=_("User")
    )
    username = models.CharField(max_length=150, blank=True)
    credential = models.ForeignKey(
        OAuth2Credential,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="revocations",
        verbose_name=_("Credential"),
    )
    registry = models.ForeignKey(
        ApplicationRegistry, models.SET_NULL, null=True, related_name="revocations", verbose_name=_("Registry")
    )
    provider = models.CharField(_("Provider"), max_length=100)
    account_label = models.CharField(_("Account"), max_length=255, blank=True)
    account_id = models.CharField(max_length=255, blank=True)
    reason = models.CharField(_("Reason"), max_length=100)
    by_the_person = models.BooleanField(default=True)
    revocation_url = models.CharField(max_length=500, blank=True)
    revocation_request = models.JSONField(default=dict, blank=True)
    introspection_url = models.CharField(max_length=500, blank=True)
    userinfo_url = models.CharField(max_length=500, blank=True)
    token_url = models.CharField(max_length=500)
    client_id = models.CharField(max_length=255)
    client_secret = EncryptedField(purpose="revocation")
    send_credentials = models.CharField(max_length=20)
    refresh_token = EncryptedField(purpose="revocation")
    access_token = EncryptedField(purpose="revocation")
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    told = models.JSONField(default=list, blank=True)  # which of the two the provider has accepted
    # By token: which of the provider's endpoints called it alive before the provider was told, and when.
    witnesses = models.JSONField(default=dict, blank=True, editable=False)
    # A refresh was asked for and its answer never came: the refresh token may be spent, so a refusal proves nothing.
    refresh_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_id = models.UUIDField(null=True, blank=True, editable=False)  # in the journal of renewals
    granted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The tokens were granted to the registration as it is. One that was changed since may be another client's, or have
    # a wrong secret, and some servers call the token invalid then.
    is_refusal_proof = models.BooleanField(default=True, editable=False)
    state = models.CharField(_("State"), max_length=20, choices=RevocationState, default=RevocationState.PENDING)
    attempts = models.PositiveIntegerField(_("Attempts"), default=0)
    last_answer = models.CharField(_("Last answer"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("Promised"), default=timezone.now)
    pursued_since = models.DateTimeField(default=timezone.now, editable=False)  # later than the promise after a retry
    next_attempt_at = models.DateTimeField(_("Next attempt"), default=timezone.now, null=True, db_index=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    left_alone_until = models.DateTimeField(null=True, blank=True, editable=False)  # by the provider's Retry-After
    settled_at = models.DateTimeField(_("Settled"), null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(
        _("Copies wiped"), null=True, blank=True
    )  # given up for good: its copies of the tokens are gone
    notice = models.CharField(max_length=20, blank=True, editable=False)  # the last mail to the person about it

    objects = RevocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("Token Revocation")
        verbose_name_plural = _("Token Revocations")

    def __str__(self) -> str:
        return f"{self.provider} / {self.username or _('System')}"

    def sealing_context(self) -> str:
        return self.hex

    @property
    def holds_copies(self) -> bool:
        """Whether a token lies here, readable or not."""
        return any(is_sealed(self, name) for name in ("refresh_token", "access_token"))

    @property
    def is_kept(self) -> bool:
        return self.state not in UNKEPT

    @property
    def is_retryable(self) -> bool:
        """Also where the provider accepted the revocation and nothing proves that the token is dead."""
        is_accepted = self.state == RevocationState.CONFIRMED and self.holds_copies
        return (is_accepted or self.state in UNKEPT) and self.purged_at is None

    @property
    def state_for_callers(self) -> str:
        """One of the five words that programs know; what else we know is for people."""
        return str(FOR_CALLERS.get(RevocationState(self.state), RevocationState(self.state)).value)

    @property
    def registry_now(self) -> ApplicationRegistry | None:
        """The registry, where it still is the registration that the promise was made under."""
        registry = self.registry
        unchanged = registry and (registry.client_id, registry.token_url) == (self.client_id, self.token_url)
        return registry if unchanged else None

    @property
    def may_be_spent(self) -> bool:
        """A renewal may have spent the refresh token, and its answer was lost: its successor may live."""
        if self.refresh_asked_at is not None:
            return True
        if self.token_id is None or self.granted_at is None:  # promised before these were written down
            return False
        return Renewal.objects.unanswered().filter(token_id=self.token_id, asked_at__gte=self.granted_at).exists()

    @property
    def is_registration_proven(self) -> bool:
        """The provider has accepted our registration in the form in which it is shown now."""
        registry = self.registry_now
        return self.is_refusal_proof and not (registry and registry.is_unproven)

    def registration(self) -> Registration:
        """As it was when the promise was made, but with today's secret where the registration is still the same."""
        registry = self.registry_now
        return Registration(
            client_id=self.client_id,
            client_secret=registry.client_secret if registry else self.client_secret,
            client_authentication=self.send_credentials,
            authorization_url="",
            token_url=self.token_url,
            revocation_url=self.revocation_url,
            introspection_url=self.introspection_url,
            userinfo_url=self.userinfo_url,
            token_path=registry.token_path if registry else "",
            refresh_url=registry.refresh_url if registry and self.may_be_sent_to(registry.refresh_url) else "",
            token_parameters=registry.token_parameters if registry else {},
        )

    def may_be_sent_to(self, url: str, *others: str) -> bool:
        """Whether the address is at one of the servers that the promise was made for, or at one of these."""
        known = (self.token_url, self.revocation_url, self.introspection_url, *others)
        return not url or origin(url) in {origin(each) for each in known if each}

    def claim(self, lease: timedelta) -> bool:
        """Take it for so long; True for exactly one caller (a compare-and-swap, on any database)."""
        until = timezone.now() + lease
        rows = Revocation.objects.due().filter(pk=self.pk, attempts=self.attempts)
        claimed = rows.update(claimed_until=until, attempts=F("attempts") + 1)
        if claimed:
            self.claimed_until, self.attempts = until, self.attempts + 1
        return bool(claimed)

    def is_claimed_for(self, seconds: float) -> bool:
        return bool(self.claimed_until and self.claimed_until > timezone.now() + timedelta(seconds=seconds))

    def note(self, **changes: Any) -> bool:
        """Write these down, unless it was settled meanwhile. False if it was."""
        for name, value in changes.items():
            setattr(self, name, value)
        return bool(Revocation.objects.filter(pk=self.pk).unkept().update(**changes))

    def end_attempt(self, **changes: Any) -> bool:
        """What came of the attempt it is claimed for. False, with only the claim dropped, if it is another's by now."""
        same = Revocation.objects.filter(pk=self.pk, state__in=UNSETTLED, attempts=self.attempts)
        if not same.update(**changes, claimed_until=None):
            self.note(claimed_until=None)
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    def settle(self, state: RevocationState) -> bool:
        """Kept, or there is nobody to tell. False: it was settled already."""
        if not self._state.adding:
            return self.note(**self.closing(state))
        for name, value in {**self.closing(state), **dict.fromkeys(COPIES, "")}.items():
            setattr(self, name, value)
        self.save()
        return True

    def closing(self, state: RevocationState) -> dict[str, Any]:
        """The fields of a settled promise. The copies are wiped, except where a token may live on at the provider."""
        wiped = () if state == RevocationState.CONFIRMED else COPIES
        words = {"state": state, "settled_at": timezone.now(), "last_answer": self.last_answer, "told": self.told}
        return {**words, "claimed_until": None, "next_attempt_at": None, **dict.fromkeys(wiped)}

    def start_over(self) -> bool:
        """Pursue it anew, with what was mended at the registry meanwhile. False where there is nothing to try."""
        if not self.is_retryable:
            return False
        now = timezone.now()
        registry = self.registry_now
        mended = registry.revocation_addresses() if registry and registry.token_revocation_url else {}
        if not all(self.may_be_sent_to(mended.get(name, "")) for name in ("revocation_url", "introspection_url")):
            mended = {}  # the person agreed to another server
        if not self.may_be_sent_to(mended.get("userinfo_url", ""), self.userinfo_url):
            mended["userinfo_url"] = ""
        changes = {**mended, "attempts": 0, "pursued_since": now, "next_attempt_at": now, "settled_at": None}
        if self.state == RevocationState.CONFIRMED:
            # The provider said yes once, and is to hear it again. The person's card may show a newer sign-in by now.
            changes |= {"told": [], "witnesses": {}, "dismissed_at": now}
        rows = Revocation.objects.retryable().filter(pk=self.pk, state=self.state)
        if not rows.update(**changes, state=RevocationState.PENDING):
            return False
        for name, value in {**changes, "state": RevocationState.PENDING}.items():
            setattr(self, name, value)
        return True
