"""Celery tasks: mails, and deletion of old rows. Arguments are ids and names, never secrets."""

import logging
from itertools import chain

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts.access_tokens import notices
from accounts.models import RefreshReplay, TokenFamily, User
from accounts.oauth_server import waiting_programs
from accounts.oauth_server.models import Application, DeviceAuthorization
from accounts.sign_in.adapters import send_password_link
from foundation import mail_outbox, retention

__all__ = ["send_password_link"]  # the worker looks for tasks in this module only

logger = logging.getLogger(__name__)

PROGRAMS = (  # in this order: one row keeps another
    get_refresh_token_model(),
    get_access_token_model(),
    get_id_token_model(),
    get_grant_model(),
    get_device_grant_model(),
    TokenFamily,
    DeviceAuthorization,
    Application,
)
PUBLISH_SECONDS = 2  # then a broker that accepts messages but confirms none counts as unavailable


@shared_task(name="accounts.send_notices")
def send_notices() -> None:
    now = timezone.now()
    mail_outbox.send_due(chain(notices.due_mails(now), waiting_programs.due_mails(now)))


@shared_task(name="accounts.forget_long_ended")
def forget_long_ended() -> None:
    """Delete rows that are past their time, of all tables but those of programs. The next run goes on.

    Some of these tables have a task that runs more often, too.
    """
    retention.shrink_tables(
        *(rule.model for rule in retention.all_rules() if rule.model not in (*PROGRAMS, RefreshReplay))
    )


@shared_task(name="accounts.clear_expired_grants")
def clear_expired_grants() -> None:
    """Delete what the toolkit's `cleartokens` deletes, in batches. Replaced refresh tokens stay until they expire."""
    retention.shrink_tables(*PROGRAMS)


@shared_task(name="accounts.forget_refresh_replays")
def forget_refresh_replays() -> None:
    retention.shrink_tables(RefreshReplay)


@shared_task(name="accounts.tell_of_leaked_grant", autoretry_for=(OSError,), max_retries=5, retry_backoff=True)
def send_leaked_grant_mail(user_id: int, application: str) -> None:
    user = User.objects.filter(pk=user_id, is_active=True, is_bot=False).exclude(email="").first()  # bots grant nothing
    if user:
        notices.send_leaked_grant(user, application)


def queue_leaked_grant_mail(user_id: int, application: str) -> None:
    """Queue the mail. If the broker is unavailable, no mail is sent; the audit log has the event all the same."""
    try:
        send_leaked_grant_mail.apply_async((user_id, application), retry=False, confirm_timeout=PUBLISH_SECONDS)  # type: ignore[call-arg]  # kombu's
    except (OperationalError, ChannelError, OSError) as error:
        logger.warning("The queue is unavailable (%s): a mail about a leak was not sent.", type(error).__name__)
