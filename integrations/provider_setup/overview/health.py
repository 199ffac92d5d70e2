"""Whether beat, workers and the mail server do their work, as far as the database shows. Three queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone

from foundation import installation, mail_outbox
from foundation.mail_outbox import DeferredMail
from integrations.models.tokens import Revocation
from integrations.monitoring.heartbeats import SilentPart, silent_parts

OVERDUE = timedelta(minutes=2)  # the sweep runs every ten seconds


@dataclass(frozen=True, kw_only=True)
class Health:
    """State of the background work and of mail.

    `silent`: parts of the background work that do not run. `overdue`: revocations that a worker should have delivered;
    `overdue_since`: since when the oldest has been due.
    """

    silent: list[SilentPart]
    overdue: int
    overdue_since: datetime | None
    deferred_mails: int
    has_mail_server: bool
    has_administrators: bool  # who get mails about problems
    hold: str = ""  # why the site is held after a restore

    @property
    def is_worker_silent(self) -> bool:
        return self.overdue > 0

    @property
    def tone(self) -> str:
        return "bad" if self.hold or self.silent or self.is_worker_silent else "ok"


def read_health() -> Health:
    late = Revocation.objects.due().filter(next_attempt_at__lt=timezone.now() - OVERDUE)
    overdue = late.aggregate(count=Count("pk"), since=Min("next_attempt_at"))
    return Health(
        silent=silent_parts(),
        overdue=overdue["count"],
        overdue_since=overdue["since"],
        deferred_mails=DeferredMail.objects.count(),
        has_mail_server=mail_outbox.has_mail_server(),
        has_administrators=bool(settings.ADMINS),
        hold=installation.current_state().hold,
    )
