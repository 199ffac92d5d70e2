"""Which providers do not answer: counted from real calls, and asked again once a minute until they do.

A circuit belongs to an Application Registry and lies in its columns. It opens at one address (the token endpoint, or
the API of a connection) and holds back what goes to that server; other servers of the same registry are left alone.
Nothing is written while all is well. Knows nothing of tokens, people or screens.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import ceil
from urllib.parse import urlsplit

from django.db import connection, models
from django.db.models import Case, F, Q, When
from django.dispatch import Signal
from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.oauth_client import answers, transport
from foundation.oauth_client.errors import OAuthError, Unexplained, Unreachable, Unusable
from integrations.models.registry import ApplicationRegistry
from integrations.models.registry.health import origin

logger = logging.getLogger(__name__)

FAILURES = 3  # so many in a row
WITHIN = timedelta(minutes=2)
TRIAL_EVERY = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=5)  # between two trials, however long the server wants us to wait
A_PERSON_MAY_ASK_EVERY = timedelta(seconds=10)
CHECK_SECONDS = 10
CHECKS_AT_ONCE = 8
CHECKS_IN_A_RUN = 16  # two rounds of checks, so that a run ends within 20 seconds

IS_DOWN = Q(down_since__isnull=False)
answered_again = Signal()  # `registry`: one that was down answers
WELL = {"failures": 0, "failing_since": None, "failing_url": "", "down_since": None, "next_check_at": None}


def allows(registry: ApplicationRegistry, url: str) -> bool:
    """Whether to call this address now. While it is down, True for one caller a minute: that call is the trial."""
    if not registry.is_down_at(url):
        return True
    return take_trial(registry) or not ApplicationRegistry.objects.filter(IS_DOWN, pk=registry.pk).exists()


def take_trial(registry: ApplicationRegistry, *, early: timedelta = timedelta()) -> bool:
    """The turn of exactly one caller: a compare-and-swap on the time of the next trial."""
    now = timezone.now()
    due = ApplicationRegistry.objects.filter(IS_DOWN, pk=registry.pk, next_check_at__lte=now + early)
    return bool(due.update(next_check_at=now + TRIAL_EVERY))


def note(registry: ApplicationRegistry, url: str, error: OAuthError | None = None) -> None:
    """What came of a call to this address: an answer, a failure that counts, or what says nothing of the provider.

    Asking for patience (429) is an answer, and so is a refusal. A page of HTML with a status of 200 is neither.
    """
    is_answer = not isinstance(error, Unusable) or isinstance(error, Unexplained)
    if error is None or (0 < error.status < 500 and is_answer):
        note_answer(registry, url)
    elif isinstance(error, Unreachable):
        note_failure(registry, url, error)


def note_failure(registry: ApplicationRegistry, url: str, error: Unreachable) -> None:
    """Nobody answered, or with an error of the server's own."""
    now, here = timezone.now(), Q(failing_url__istartswith=origin(url))
    row = ApplicationRegistry.objects.filter(pk=registry.pk)
    next_check_at = now + pause_after(error)
    if row.filter(IS_DOWN, here).update(next_check_at=next_check_at):
        return
    goes_on = here & Q(failing_since__gt=now - WITHIN)
    up = row.exclude(IS_DOWN)
    up.update(
        failures=Case(When(goes_on, then=F("failures") + 1), default=1),
        failing_since=Case(When(goes_on, then=F("failing_since")), default=now, output_field=models.DateTimeField()),
        failing_url=url if urlsplit(url).path else f"{url}/",
    )
    if up.filter(failures__gte=FAILURES).update(down_since=F("failing_since"), next_check_at=next_check_at):
        logger.warning("%s does not answer (%s). Its calls are held back; it is asked again.", registry, error.code)


def pause_after(error: Unreachable) -> timedelta:
    return min(max(timedelta(seconds=error.retry_after or 0), TRIAL_EVERY), LONGEST_PAUSE)


def note_answer(registry: ApplicationRegistry, url: str) -> None:
    """It is there. Written only where the row, as it was read, knew of failures at this address."""
    if not registry.failures or origin(url) != origin(registry.failing_url):
        return
    row = ApplicationRegistry.objects.filter(pk=registry.pk, failing_url=registry.failing_url)
    was_down = row.filter(IS_DOWN).update(**WELL)
    if was_down or row.update(**WELL):
        vars(registry).update(WELL)
    if was_down:
        logger.info("%s answers again.", registry)
        answered_again.send(sender=ApplicationRegistry, registry=registry)


class TooSoon(Exception):
    """The server was asked a short while ago, and may be asked again in so many `seconds`."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(seconds)


def check_now(registry: ApplicationRegistry) -> bool:
    """A person asks whether it is back. The server is asked at most once in ten seconds, however many people press."""
    early = TRIAL_EVERY - A_PERSON_MAY_ASK_EVERY
    if registry.down_since is None:
        return True
    if take_trial(registry, early=early):
        return answers_again(registry)
    registry.refresh_from_db(fields=["down_since", "next_check_at"])
    if registry.down_since is None or registry.next_check_at is None:
        return True
    wait = registry.next_check_at - early - timezone.now()
    raise TooSoon(max(ceil(wait.total_seconds()), 1))


def check_due() -> None:
    """All whose next trial is due, a few at once."""
    due = ApplicationRegistry.objects.filter(IS_DOWN, active=True, next_check_at__lte=timezone.now())
    found = list(due.order_by("next_check_at")[:CHECKS_IN_A_RUN])
    if found:
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
            list(pool.map(check, found))


def check(registry: ApplicationRegistry) -> None:
    """One trial, unless somebody else has had it. In a thread of its own."""
    try:
        with error_boundary(f"Checking registry {registry.hex}"):  # its next trial is in a minute
            if take_trial(registry):
                answers_again(registry)
    finally:
        connection.close()


def answers_again(registry: ApplicationRegistry) -> bool:
    """One request without any credentials to the address that failed. Whatever it says, somebody is there to say it."""
    if not connection.in_atomic_block:
        connection.close()  # nobody's database connection waits for a third party
    try:
        knock(registry.failing_url)
    except Unreachable as error:
        note_failure(registry, registry.failing_url, error)
        return False
    except OAuthError:
        return False
    note_answer(registry, registry.failing_url)
    return True


def knock(url: str) -> None:
    """Only the head of the answer is read, unless it is an error."""
    with transport.deadline(CHECK_SECONDS), transport.translated(), transport.session().get(url, stream=True) as answer:
        if answer.status_code >= 500:
            raise answers.failure(answer)
