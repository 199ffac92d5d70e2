"""Celery tasks: mails, and deletion of old rows. Arguments are ids and names, never secrets."""

import logging

from celery import shared_task
from kombu.exceptions import ChannelError, OperationalError
from oauth2_provider.models import clear_expired

from accounts import token_families
from accounts.access_tokens import notices
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.models import User
from accounts.oauth_server import replays
from accounts.sign_in import lockout
from accounts.sign_in.adapters import send_password_link
from accounts.sign_in.middleware import forget_unused_devices

__all__ = ["send_password_link"]  # the worker looks for tasks in this module only

logger = logging.getLogger(__name__)

PUBLISH_SECONDS = 2  # then a broker that accepts messages but confirms none counts as unavailable


@shared_task(name="accounts.send_notices")
def send_notices() -> None:
    notices.send_due()


@shared_task(name="accounts.forget_long_ended")
def forget_long_ended() -> None:
    PermanentToken.objects.long_ended().delete()
    ApplicationPassword.objects.long_ended().delete()
    lockout.forget_past_counters()
    forget_unused_devices()


@shared_task(name="accounts.clear_expired_grants")
def clear_expired_grants() -> None:
    """Run the toolkit's `cleartokens`. Replaced refresh tokens stay until they expire, so that reuse is detected."""
    clear_expired()
    token_families.delete_unused()


@shared_task(name="accounts.forget_refresh_replays")
def forget_refresh_replays() -> None:
    replays.delete_expired_successors()


@shared_task(name="accounts.tell_of_leaked_grant", autoretry_for=(OSError,), max_retries=5, retry_backoff=True)
def send_leaked_grant_mail(user_id: int, application: str) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).exclude(email="").first()
    if user:
        notices.send_leaked_grant(user, application)


def queue_leaked_grant_mail(user_id: int, application: str) -> None:
    """Queue the mail. If the broker is unavailable, no mail is sent; the audit log has the event all the same."""
    try:
        send_leaked_grant_mail.apply_async((user_id, application), retry=False, confirm_timeout=PUBLISH_SECONDS)  # type: ignore[call-arg]  # kombu's
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("The queue is unavailable (%s): a mail about a leak was not sent.", type(error).__name__)
