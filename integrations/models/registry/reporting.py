"""What a person is told about a broken registration: whether administrators know of it."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from accounts.models import User
from foundation import mail_outbox
from foundation.reader_time import clock_words, date_words, time_element
from integrations.models.registry.health import Health

MEND = "integrations.change_applicationregistry"
TODAY = timedelta(hours=12)


def may_fix(user: User) -> bool:
    """Whether this person can change the registry in the admin."""
    return user.is_active and user.is_staff and user.has_perm(MEND)


def is_reported(registry: Health) -> bool:
    """Whether administrators have got a mail about it, or are going to."""
    return bool(registry.misconfigured_code and settings.ADMINS and mail_outbox.has_mail_server())


def administrators_sentence(registry: Health) -> str:
    """Return a sentence about who knows. Claims that administrators do only if they get a mail."""
    if not is_reported(registry):
        return _("Please tell an administrator.")
    told_at = registry.reported_at
    if told_at is None:
        return _("The administrators get a mail about it.")
    if timezone.now() - told_at < TODAY:
        time = time_element(told_at, clock_words(told_at))
        return format_html(_("The administrators were told at {time}."), time=time)
    day = time_element(told_at, date_words(told_at))
    return format_html(_("The administrators were told on {day}."), day=day)
