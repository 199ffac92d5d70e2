"""What happens later. A task rebuilds its argument and makes one call; arguments are ids, results are rows."""

import logging
from uuid import UUID

from celery import shared_task
from django.db import transaction
from kombu.exceptions import ChannelError, OperationalError

from integrations import revocations
from integrations.models.tokens import AuthorizationAttempt, Revocation

logger = logging.getLogger(__name__)

SWEEP_AT_ONCE = 200
PUBLISH_SECONDS = 2  # for a broker that takes messages and confirms none


@shared_task(name="integrations.deliver_revocation", acks_late=True, reject_on_worker_lost=True)
def deliver_revocation(revocation_id: str) -> None:
    """Safe to repeat: the row knows what is done."""
    revocation = Revocation.objects.due().select_related("registry").filter(pk=UUID(revocation_id)).first()
    if revocation:
        revocations.deliver(revocation)


@shared_task(name="integrations.sweep_revocations")
def sweep_revocations() -> None:
    """Whatever is due, however it got lost: a broker that was down, a worker that died."""
    for revocation_id in (
        Revocation.objects.due().order_by("next_attempt_at").values_list("pk", flat=True)[:SWEEP_AT_ONCE]
    ):
        deliver_revocation.delay(revocation_id.hex)


@shared_task(name="integrations.purge_attempts")
def purge_attempts() -> None:
    AuthorizationAttempt.objects.past().purge()


def hurry(revocation: Revocation | None) -> None:
    """Deliver as soon as the promise is committed. A broker that is down delays it until the next sweep, no longer."""
    if revocation is None or revocation.next_attempt_at is None:
        return
    revocation_id = revocation.hex

    def publish() -> None:
        try:
            deliver_revocation.apply_async((revocation_id,), confirm_timeout=PUBLISH_SECONDS)  # type: ignore[call-arg]  # kombu's
        except (OperationalError, ChannelError, OSError) as error:
            logger.warning("The queue is away (%s); the next sweep delivers what was promised.", type(error).__name__)

    transaction.on_commit(publish, robust=True)
