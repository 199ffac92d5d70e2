"""Results of attempts at a revocation: settled, postponed, or given up.

Many are settled in one transaction, each with an entry in the audit log. After a failed attempt, decides when to try
again, how long to leave a provider alone, and when to give up.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.audit.details import register_detail
from foundation.error_boundary import error_boundary
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations.models import events
from integrations.models.card import QUICK_ATTEMPTS
from integrations.models.events import EventKind
from integrations.models.tokens import UNSETTLED, Revocation, RevocationState

EVENTS = {
    RevocationState.CONFIRMED: EventKind.REVOCATION_CONFIRMED,
    RevocationState.VERIFIED: EventKind.REVOCATION_VERIFIED,
    RevocationState.UNSUPPORTED: EventKind.REVOCATION_FAILED,
}
GIVEN_UP = register_detail(gettext_noop("given up (%(answer)s)"))
OLD_TOKEN = register_detail(gettext_noop("the old token, from before the new sign-in"))
OLD_TOKEN_ANSWER = register_detail(gettext_noop("%(answer)s; the old token, from before the new sign-in"))
QUICK_DELAY = timedelta(seconds=5)  # after the first attempt
QUICK_GROWTH = 1.3  # five attempts within a minute, given the interval of the sweep
SLOW_DELAY = timedelta(minutes=1)
SLOWEST_DELAY = timedelta(hours=6)
JITTER = 1.25
SIGN_IN_DELAY = timedelta(seconds=5)
TRIAL_DELAY = timedelta(minutes=5)  # at most, between two attempts at a provider that is down, for all of its rows


def settle(results: Iterable[tuple[Revocation, RevocationState]]) -> None:
    """Settle each revocation in its new state, except for those that were settled meanwhile.

    One that failed before and succeeds now shows that its provider responds again: the others there become due.
    """
    groups, responding = defaultdict(list), set()
    for row, state in results:
        groups[state, row.last_answer, *row.told].append(row)
        if row.attempts > 1 and state != RevocationState.UNSUPPORTED:
            responding.add(row.revocation_url)
    for (state, *_words), rows in groups.items():
        are_settled = False
        with error_boundary("Settling revocations"):
            are_settled = settle_together(rows, state)
        if not are_settled:
            for row in rows:
                with error_boundary(f"Settling revocation {row.hex}", on_error=partial(postpone_after_fault, row)):
                    settle_together([row], state)
    if responding:
        Revocation.objects.filter(revocation_url__in=responding).make_due()


def settle_together(rows: Sequence[Revocation], state: RevocationState) -> bool:
    """Settle all rows in one statement. False, without a change, if one of them is settled already."""
    answer = rows[0].last_answer if state == RevocationState.UNSUPPORTED else ""
    lines = [events.build_event(row.user, row.credential, EVENTS[state], event_detail(row, answer)) for row in rows]
    with transaction.atomic():
        is_done = Revocation.objects.settle(rows, state)
        if is_done:
            events.write_all(lines)
        else:
            transaction.set_rollback(True)
    return is_done


def postpone(revocation: Revocation, why: OAuthError | str) -> None:
    """Record a failed attempt and when the row is due again, or give up. A settled row stays settled."""
    answer = answer_text(why) if isinstance(why, OAuthError) else why
    now = timezone.now()
    if now - revocation.pursued_since > timedelta(days=settings.REVOCATION_GIVE_UP_DAYS):
        give_up(revocation, answer)
        return
    retry_after = timedelta(seconds=getattr(why, "retry_after", None) or 0)
    wait = min(retry_after, SLOWEST_DELAY)
    delay = retry_delay(revocation.attempts)
    if delay > TRIAL_DELAY and is_silence(why) and not others_due_before(revocation, now + TRIAL_DELAY):
        delay = TRIAL_DELAY
    left_alone_until = now + wait if wait else None
    store_failed_attempt(revocation, answer, due=now + max(delay, wait), left_alone_until=left_alone_until)
    if wait and isinstance(why, Unreachable):
        delay_others(revocation, until=now + wait)


def postpone_after_fault(revocation: Revocation, _error: Exception) -> None:
    """Postpone after an unexpected exception. Reads the row again, because this instance may be half changed."""
    stored = Revocation.objects.with_registry().filter(pk=revocation.pk, attempts=revocation.attempts).first()
    if stored:
        postpone(stored, "internal error")


def is_silence(why: OAuthError | str) -> bool:
    """Whether the provider did not respond, or with a server error."""
    return isinstance(why, Unreachable) and not 0 < why.status < 500


def others_due_before(revocation: Revocation, moment: datetime) -> bool:
    """Whether another revocation for this provider is due earlier, and will show whether it responds."""
    same = Revocation.objects.filter(revocation_url=revocation.revocation_url, state__in=UNSETTLED)
    return same.filter(next_attempt_at__lte=moment).exclude(pk=revocation.pk).exists()


def store_failed_attempt(
    revocation: Revocation, answer: str, *, due: datetime, left_alone_until: datetime | None = None
) -> None:
    """Store the failed attempt. After the quick attempts it is FAILED, which the person sees."""
    is_news = revocation.attempts >= QUICK_ATTEMPTS and revocation.state != RevocationState.FAILED
    state = RevocationState.FAILED if is_news else revocation.state
    with transaction.atomic():
        ended = revocation.end_attempt(
            state=state,
            last_answer=answer[:100],
            next_attempt_at=due,
            told=revocation.told,
            left_alone_until=left_alone_until,
        )
        if ended and is_news:
            detail = event_detail(revocation, answer)
            events.log_event(revocation.user, revocation.credential, EventKind.REVOCATION_FAILED, detail)


def delay_others(revocation: Revocation, *, until: datetime) -> None:
    """Delay the other revocations for this URL as well: Retry-After applies to all of them."""
    others = Revocation.objects.filter(revocation_url=revocation.revocation_url, state__in=UNSETTLED)
    others.filter(next_attempt_at__lt=until).update(next_attempt_at=until, left_alone_until=until)


def delay_for_sign_in(revocation: Revocation) -> None:
    """Delay without counting an attempt, while the person is signing in at this provider."""
    due = timezone.now() + SIGN_IN_DELAY
    revocation.end_attempt(next_attempt_at=due, attempts=revocation.attempts - 1)


def give_up(revocation: Revocation, answer: str) -> None:
    """Stop trying. A person or an administrator can start over as long as the tokens are stored."""
    now = timezone.now()
    purged_at = None if revocation.holds_copies else now
    with transaction.atomic():
        given_up = revocation.end_attempt(
            state=RevocationState.ABANDONED,
            last_answer=answer[:100],
            settled_at=now,
            purged_at=purged_at,
            next_attempt_at=None,
        )
        if given_up:
            detail = event_detail(revocation, GIVEN_UP % {"answer": answer})
            events.log_event(revocation.user, revocation.credential, EventKind.REVOCATION_FAILED, detail)


def event_detail(revocation: Revocation, answer: str = "") -> str:
    """Detail of an audit event: the answer, and whether it is about an old token that a new sign-in replaced."""
    if revocation.reason != "replaced":
        return answer
    return OLD_TOKEN_ANSWER % {"answer": answer} if answer else OLD_TOKEN


def retry_delay(attempts: int) -> timedelta:
    jitter = random.uniform(1, JITTER)  # noqa: S311 - not a secret
    if attempts < QUICK_ATTEMPTS:
        return QUICK_DELAY * QUICK_GROWTH ** max(attempts - 1, 0) * jitter
    slow: timedelta = SLOW_DELAY * 2 ** min(attempts - QUICK_ATTEMPTS, 10) * jitter
    return min(slow, SLOWEST_DELAY)


def answer_text(error: OAuthError) -> str:
    """The error as shown on the card: the HTTP status or our own code, never a body."""
    return str(error.status) if error.status else error.code.replace("_", " ")
