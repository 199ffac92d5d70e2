"""Not this time: when to ask again, how long a provider wants to be left alone, and when there is no use any more."""

import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations.models import events
from integrations.models.card import QUICK_ATTEMPTS
from integrations.models.events import EventKind
from integrations.models.tokens import UNSETTLED, Revocation, RevocationState

QUICK_DELAY = timedelta(seconds=5)  # after the first attempt
QUICK_GROWTH = 1.3  # five attempts within a minute, the sweep's own rhythm included
SLOW_DELAY = timedelta(minutes=1)
SLOWEST_DELAY = timedelta(hours=6)
JITTER = 1.25
SIGN_IN_DELAY = timedelta(seconds=5)
TRIAL_DELAY = timedelta(minutes=5)  # where nobody answers, one promise is tried so often, on behalf of all others


def postpone(revocation: Revocation, why: OAuthError | str) -> None:
    """Not confirmed this time. The row says when it is due again; the sweep finds it. What was settled stays so."""
    answer = answer_words(why) if isinstance(why, OAuthError) else why
    now = timezone.now()
    if now - revocation.pursued_since > timedelta(days=settings.REVOCATION_GIVE_UP_DAYS):
        abandon(revocation, answer)
        return
    asked = timedelta(seconds=getattr(why, "retry_after", None) or 0)
    patience = min(asked, SLOWEST_DELAY)
    delay = backoff(revocation.attempts)
    if delay > TRIAL_DELAY and is_silence(why) and not others_due_before(revocation, now + TRIAL_DELAY):
        delay = TRIAL_DELAY
    left_alone_until = now + patience if patience else None
    write_down(revocation, answer, due=now + max(delay, patience), left_alone_until=left_alone_until)
    if patience and isinstance(why, Unreachable):
        hold_back(revocation, until=now + patience)


def postpone_after_fault(revocation: Revocation, _error: Exception) -> None:
    """The same after an exception that nobody expected; of the stored row, for this one may be half changed."""
    stored = Revocation.objects.with_registry().filter(pk=revocation.pk, attempts=revocation.attempts).first()
    if stored:
        postpone(stored, "internal error")


def is_silence(why: OAuthError | str) -> bool:
    """Nobody answered, or the server's own fault."""
    return isinstance(why, Unreachable) and not 0 < why.status < 500


def others_due_before(revocation: Revocation, moment: datetime) -> bool:
    """Another promise will find out whether this provider answers."""
    same = Revocation.objects.filter(revocation_url=revocation.revocation_url, state__in=UNSETTLED)
    return same.filter(next_attempt_at__lte=moment).exclude(pk=revocation.pk).exists()


def write_down(revocation: Revocation, answer: str, *, due: datetime, left_alone_until: datetime | None = None) -> None:
    """Once the quick attempts are over, the person is told. Whoever started over meanwhile has the last word."""
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
            detail = diary_detail(revocation, answer)
            events.write(revocation.user, revocation.credential, EventKind.REVOCATION_FAILED, detail)


def hold_back(revocation: Revocation, *, until: datetime) -> None:
    """Who asks one caller for patience means all of them: nothing else goes to that address before."""
    others = Revocation.objects.filter(revocation_url=revocation.revocation_url, state__in=UNSETTLED)
    others.filter(next_attempt_at__lt=until).update(next_attempt_at=until, left_alone_until=until)


def put_off(revocation: Revocation) -> None:
    """Not an attempt: the person is signing in there, and what becomes of that decides."""
    due = timezone.now() + SIGN_IN_DELAY
    revocation.end_attempt(next_attempt_at=due, attempts=revocation.attempts - 1)


def abandon(revocation: Revocation, answer: str) -> None:
    """Given up, visibly. As long as the copies are there, a person or an administrator can start over."""
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
            detail = diary_detail(revocation, f"given up ({answer})")
            events.write(revocation.user, revocation.credential, EventKind.REVOCATION_FAILED, detail)


def diary_detail(revocation: Revocation, answer: str = "") -> str:
    """What the provider answered, and whether it is about an old token, beside a new sign-in of the same person."""
    old_token = _("the old token, from before the new sign-in") if revocation.reason == "replaced" else ""
    return "; ".join(filter(None, [answer, old_token]))


def backoff(attempts: int) -> timedelta:
    jitter = random.uniform(1, JITTER)  # noqa: S311 - not a secret
    if attempts < QUICK_ATTEMPTS:
        return QUICK_DELAY * QUICK_GROWTH ** max(attempts - 1, 0) * jitter
    slow: timedelta = SLOW_DELAY * 2 ** min(attempts - QUICK_ATTEMPTS, 10) * jitter
    return min(slow, SLOWEST_DELAY)


def answer_words(error: OAuthError) -> str:
    """What the provider said, for the card: a status or our own short word, never a body."""
    return str(error.status) if error.status else error.code.replace("_", " ")
