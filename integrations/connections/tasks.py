"""Celery tasks. Arguments are ids; a task loads its row and makes one call, and the result is in the database."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from celery import Task, shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from foundation import installation, retention
from integrations import circuit_breaker
from integrations.connections import keep_alive, notices, reminders
from integrations.connections import revocations as delivery
from integrations.models.heartbeats import Heartbeat
from integrations.models.tokens import (
    AuthorizationAttempt,
    ConnectLink,
    Reminder,
    Renewal,
    Revocation,
    RevocationQuerySet,
)

logger = logging.getLogger(__name__)

PLACE_LEASE = timedelta(seconds=75)  # longer than a task may run
PURGES_IN_A_RUN = 200  # batches of 500
PUBLISH_SECONDS = 2  # for a broker that accepts messages and does not confirm them


@shared_task(name="integrations.deliver_revocation", acks_late=True, reject_on_worker_lost=True)
def deliver_revocation(revocation_id: str) -> None:
    """Safe to repeat: delivers one revocation, if it is due. While the site is held, it stays due."""
    if installation.is_held():
        return
    revocation = Revocation.objects.due().with_registry().filter(pk=UUID(revocation_id)).first()
    if revocation:
        delivery.deliver(revocation)


@shared_task(name="integrations.sweep_revocations")
def sweep_revocations() -> None:
    """Deliver all due revocations, also those whose task was lost with a broker or worker."""
    delivery.drain()


@shared_task(name="integrations.purge_revocations")
def purge_revocations() -> None:
    for _ in range(PURGES_IN_A_RUN):
        batch = list(Revocation.objects.long_given_up().values_list("pk", flat=True)[:500])
        if not Revocation.objects.long_given_up().filter(pk__in=batch).purge():
            break


@shared_task(name="integrations.purge_attempts")
def purge_attempts() -> None:
    retention.shrink_tables(AuthorizationAttempt, Renewal, ConnectLink, Reminder)


@shared_task(name="integrations.check_providers")
def check_providers() -> None:
    circuit_breaker.check_due()


@shared_task(name="integrations.keep_tokens_alive")
def keep_tokens_alive(place: int = 1) -> None:
    """Renew what is due, as one of at most KEEP_ALIVE_WORKERS runs at once.

    Beat starts the first. It asks others to help if there is much to do, and each goes on while there is.
    """
    name, holder = f"{keep_tokens_alive.name} {place}", uuid4().hex
    if not Heartbeat.objects.take(name, holder, PLACE_LEASE):
        return
    try:
        is_unfinished = keep_alive.renew_due_tokens(on_backlog=call_helpers if place == 1 else lambda: None)
    finally:
        Heartbeat.objects.leave(name, holder)
    if is_unfinished:
        publish_task(keep_tokens_alive, place, expires=PLACE_LEASE.total_seconds())


def call_helpers() -> None:
    for place in range(2, settings.KEEP_ALIVE_WORKERS + 1):
        publish_task(keep_tokens_alive, place, expires=PLACE_LEASE.total_seconds())


@shared_task(name="integrations.repair_deadlines")
def repair_deadlines() -> None:
    keep_alive.repair_slice(timezone.now())


@shared_task(name="integrations.send_notices")
def send_notices() -> None:
    notices.send_due(reminders.due_reminders())


def retry_revocations(revocations: RevocationQuerySet) -> int:
    """Start those again that are unsettled or unproved and whose token copies still exist. Returns how many."""
    with transaction.atomic():
        started = [revocation for revocation in revocations.retryable().with_registry() if revocation.start_over()]
        for revocation in started:
            deliver_soon(revocation)
    return len(started)


def deliver_soon(revocation: Revocation | None) -> None:
    """Deliver the revocation as soon as it is committed, or in the next sweep if the broker is down."""
    if revocation and revocation.next_attempt_at:
        publish_on_commit(deliver_revocation, revocation.hex)


def deliver_all_soon(revocations: Sequence[Revocation | None]) -> None:
    """Deliver many revocations as soon as they are committed, with a single message."""
    if len(revocations) == 1:
        deliver_soon(revocations[0])
    elif any(revocations):
        sweep_soon()


def sweep_soon() -> None:
    """Deliver all due revocations without waiting for beat."""
    publish_on_commit(sweep_revocations)


def send_notices_soon() -> None:
    """Send the mails that are due without waiting for beat."""
    publish_on_commit(send_notices)


def publish_on_commit(task: Task[..., None], *arguments: str) -> None:
    transaction.on_commit(partial(publish_task, task, *arguments), robust=True)


def publish_task(task: Task[..., None], *arguments: object, **options: Any) -> None:
    """Send the message. Without a queue, the next sweep does the work."""
    try:
        task.apply_async(arguments, retry=False, **{"confirm_timeout": PUBLISH_SECONDS, **options})
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("The queue is unavailable (%s). The next sweep does the work.", type(error).__name__)
