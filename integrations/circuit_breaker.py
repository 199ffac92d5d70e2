"""Circuit breaker: stop calls to a provider that does not respond, and probe it once a minute until it does.

A circuit is stored in columns of an Application Registry. It opens for one URL (the token endpoint, or the API of a
connection) and holds back calls to that server; other servers of the same registry are not affected. Writes nothing
while all is well. Knows no tokens, people or screens.
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
from foundation.oauth_client import error_answers, transport
from foundation.oauth_client.errors import OAuthError, Unexplained, Unreachable, Unusable
from foundation.request_ids import for_threads
from integrations.models.registry import ApplicationRegistry
from integrations.models.registry.health import server_origin

logger = logging.getLogger(__name__)

FAILURES = 3  # in a row, to open the circuit
WITHIN = timedelta(minutes=2)
TRIAL_EVERY = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=5)  # between two trials, whatever the server asks for
A_PERSON_MAY_ASK_EVERY = timedelta(seconds=10)
CHECK_SECONDS = 10
CHECKS_AT_ONCE = 8
CHECKS_IN_A_RUN = 16  # two rounds of checks, so that a run ends within 20 seconds

IS_DOWN = Q(down_since__isnull=False)
recovered = Signal()  # sent with `registry` when a provider that was down responds
WELL = {"failures": 0, "failing_since": None, "failing_url": "", "down_since": None, "next_check_at": None}


def allows(registry: ApplicationRegistry, url: str) -> bool:
    """Whether to call this URL now. While the circuit is open, True for one caller a minute: its call is the trial."""
    if not registry.is_down_at(url):
        return True
    return take_trial(registry) or not ApplicationRegistry.objects.filter(IS_DOWN, pk=registry.pk).exists()


def take_trial(registry: ApplicationRegistry, *, early: timedelta = timedelta()) -> bool:
    """Let exactly one caller make the trial, by compare-and-swap on the time of the next trial."""
    now = timezone.now()
    due = ApplicationRegistry.objects.filter(IS_DOWN, pk=registry.pk, next_check_at__lte=now + early)
    return bool(due.update(next_check_at=now + TRIAL_EVERY))


def record_result(registry: ApplicationRegistry, url: str, error: OAuthError | None = None) -> None:
    """Record the result of a call to this URL: a response, a failure, or neither.

    "Try later" (429) is a response, and so is a refusal. An HTML page with status 200 is neither.
    """
    is_answer = not isinstance(error, Unusable) or isinstance(error, Unexplained)
    if error is None or (0 < error.status < 500 and is_answer):
        note_answer(registry, url)
    elif isinstance(error, Unreachable):
        note_failure(registry, url, error)


def note_failure(registry: ApplicationRegistry, url: str, error: Unreachable) -> None:
    """Count a call without a response, or with a server error, and open the circuit if there were too many."""
    now, is_here = timezone.now(), Q(failing_url__istartswith=server_origin(url))
    row = ApplicationRegistry.objects.filter(pk=registry.pk)
    next_check_at = now + pause_after(error)
    if row.filter(IS_DOWN, is_here).update(next_check_at=next_check_at):
        return
    is_series = is_here & Q(failing_since__gt=now - WITHIN)
    up = row.exclude(IS_DOWN)
    up.update(
        failures=Case(When(is_series, then=F("failures") + 1), default=1),
        failing_since=Case(When(is_series, then=F("failing_since")), default=now, output_field=models.DateTimeField()),
        failing_url=url if urlsplit(url).path else f"{url}/",
    )
    if up.filter(failures__gte=FAILURES).update(down_since=F("failing_since"), next_check_at=next_check_at):
        logger.warning(
            "%s does not answer (%s). Calls to it are held back until a trial succeeds.", registry, error.code
        )


def pause_after(error: Unreachable) -> timedelta:
    return min(max(timedelta(seconds=error.retry_after or 0), TRIAL_EVERY), LONGEST_PAUSE)


def note_answer(registry: ApplicationRegistry, url: str) -> None:
    """Close the circuit. Writes only if the row, as it was read, has failures at this URL."""
    if not registry.failures or server_origin(url) != server_origin(registry.failing_url):
        return
    row = ApplicationRegistry.objects.filter(pk=registry.pk, failing_url=registry.failing_url)
    was_down = row.filter(IS_DOWN).update(**WELL)
    if was_down or row.update(**WELL):
        vars(registry).update(WELL)
    if was_down:
        logger.info("%s answers again.", registry)
        recovered.send(sender=ApplicationRegistry, registry=registry)


class TooSoon(Exception):
    """The last trial was a short while ago; the next one is allowed in so many `seconds`."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"The last trial was a short while ago. The next one is allowed in {seconds} seconds.")


def check_now(registry: ApplicationRegistry) -> bool:
    """Make a trial now, for a person on a page. At most one in ten seconds; raises `TooSoon` otherwise."""
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
    """Make all trials that are due, a few in parallel."""
    due = ApplicationRegistry.objects.filter(IS_DOWN, active=True, next_check_at__lte=timezone.now())
    registries = list(due.order_by("next_check_at")[:CHECKS_IN_A_RUN])
    if registries:
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
            list(pool.map(for_threads(check_registry), registries))


def check_registry(registry: ApplicationRegistry) -> None:
    """Make the trial of one registry in a thread, unless another caller makes it."""
    try:
        with error_boundary(f"Checking registry {registry.hex}"):  # the next trial is in a minute
            if take_trial(registry):
                answers_again(registry)
    finally:
        connection.close()


def answers_again(registry: ApplicationRegistry) -> bool:
    """Send a request without credentials to the URL that failed. Any response but a server error closes the circuit."""
    if not connection.in_atomic_block:
        connection.close()  # hold no database connection while a third party responds
    try:
        probe(registry.failing_url)
    except Unreachable as error:
        note_failure(registry, registry.failing_url, error)
        return False
    except OAuthError:
        return False
    note_answer(registry, registry.failing_url)
    return True


def probe(url: str) -> None:
    """Request the URL, and read only the headers of the response, unless it is an error."""
    session = transport.session()
    with transport.deadline(CHECK_SECONDS), transport.translate_errors(), session.get(url, stream=True) as answer:
        if answer.status_code >= 500:
            raise error_answers.error_from(answer)
