"""What happens later. A task rebuilds its argument and makes one call; arguments are ids, results are rows."""

import logging
from collections.abc import Sequence
from uuid import UUID

from celery import Task, shared_task
from django.db import transaction
from kombu.exceptions import ChannelError, OperationalError

from integrations import circuit_breaker
from integrations.connections import endings, keep_alive, notices, revocations
from integrations.models.tokens import AuthorizationAttempt, Renewal, Revocation

logger = logging.getLogger(__name__)

PUBLISH_SECONDS = 2  # for a broker that takes messages and confirms none


@shared_task(name="integrations.deliver_revocation", acks_late=True, reject_on_worker_lost=True)
def deliver_revocation(revocation_id: str) -> None:
    """Safe to repeat: the row knows what is done."""
    revocation = Revocation.objects.due().with_registry().filter(pk=UUID(revocation_id)).first()
    if revocation:
        revocations.deliver(revocation)


@shared_task(name="integrations.sweep_revocations")
def sweep_revocations() -> None:
    """Whatever is due, however it got lost: a broker that was down, a worker that died."""
    revocations.drain()


@shared_task(name="integrations.purge_revocations")
def purge_revocations() -> None:
    Revocation.objects.long_given_up().purge()


@shared_task(name="integrations.end_sign_ins_of_deactivated")
def end_sign_ins_of_deactivated() -> None:
    """Safe to repeat: whoever has nothing left is not found again."""
    for promised in endings.end_sign_ins_of_deactivated():
        hurry_all(promised)


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


def hurry(revocation: Revocation | None) -> None:
    """Deliver as soon as the promise is committed. A broker that is down delays it until the next sweep, no longer."""
    if revocation and revocation.next_attempt_at:
        publish_on_commit(deliver_revocation, revocation.hex)


def hurry_all(promised: Sequence[Revocation | None]) -> None:
    """The same for many, with one message however many they are."""
    if len(promised) == 1:
        hurry(promised[0])
    elif any(promised):
        hurry_sweep()


def hurry_sweep() -> None:
    """Deliver whatever is due without waiting for beat."""
    publish_on_commit(sweep_revocations)


def hurry_deactivated() -> None:
    """Somebody was deactivated. Beat finds them too, later."""
    publish_on_commit(end_sign_ins_of_deactivated)


def publish_on_commit(task: Task[..., None], *arguments: str) -> None:
    def publish() -> None:
        try:
            task.apply_async(arguments, retry=False, confirm_timeout=PUBLISH_SECONDS)  # type: ignore[call-arg]  # kombu's
        except (OperationalError, ChannelError, OSError) as error:
            logger.warning("The queue is away (%s); the next sweep finds what there is to do.", type(error).__name__)

    transaction.on_commit(publish, robust=True)
