"""Celery tasks. Arguments are ids; a task loads its row and makes one call, and the result is in the database."""

import logging
from collections.abc import Sequence
from uuid import UUID

from celery import Task, shared_task
from django.db import transaction
from kombu.exceptions import ChannelError, OperationalError

from integrations import circuit_breaker
from integrations.connections import keep_alive, notices
from integrations.connections import revocations as delivery
from integrations.models.tokens import AuthorizationAttempt, Renewal, Revocation

logger = logging.getLogger(__name__)

PUBLISH_SECONDS = 2  # for a broker that accepts messages and does not confirm them


@shared_task(name="integrations.deliver_revocation", acks_late=True, reject_on_worker_lost=True)
def deliver_revocation(revocation_id: str) -> None:
    """Safe to repeat: delivers one revocation, if it is due."""
    revocation = Revocation.objects.due().with_registry().filter(pk=UUID(revocation_id)).first()
    if revocation:
        delivery.deliver(revocation)


@shared_task(name="integrations.sweep_revocations")
def sweep_revocations() -> None:
    """Deliver all due revocations, also those whose task was lost with a broker or worker."""
    delivery.drain()


@shared_task(name="integrations.purge_revocations")
def purge_revocations() -> None:
    Revocation.objects.long_given_up().purge()


@shared_task(name="integrations.purge_attempts")
def purge_attempts() -> None:
    AuthorizationAttempt.objects.past().purge()
    Renewal.objects.past().delete()


@shared_task(name="integrations.check_providers")
def check_providers() -> None:
    circuit_breaker.check_due()


@shared_task(name="integrations.keep_tokens_alive")
def keep_tokens_alive() -> None:
    keep_alive.run()


@shared_task(name="integrations.send_notices")
def send_notices() -> None:
    notices.send_due()


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


def publish_on_commit(task: Task[..., None], *arguments: str) -> None:
    def publish() -> None:
        try:
            task.apply_async(arguments, retry=False, confirm_timeout=PUBLISH_SECONDS)  # type: ignore[call-arg]  # kombu's
        except (OperationalError, ChannelError, OSError) as error:
            logger.warning("The queue is away (%s); the next sweep does the work.", type(error).__name__)

    transaction.on_commit(publish, robust=True)
