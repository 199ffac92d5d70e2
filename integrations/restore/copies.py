"""A copy of another site: it must act for nobody with the tokens of the original, and write to nobody."""

from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.audit import log
from foundation import installation
from integrations.models.events import COPY_OF
from integrations.models.flows import SubflowRun
from integrations.models.tokens import (
    COPIED,
    UNSETTLED,
    AuthorizationAttempt,
    ConnectLink,
    Revocation,
    RevocationState,
    Token,
    TokenState,
)


def strip_copy() -> int:
    """Delete the tokens of the original from this copy, and what would act on it. Returns how many sign-ins there were.

    Nothing is revoked: the original still uses them. People sign in again to use the copy.
    """
    rows = Token.objects.exclude(access_token=None, refresh_token=None)
    count = rows.update(
        access_token=None,
        refresh_token=None,
        provider_values=None,
        state=TokenState.NEEDS_REAUTH,
        failure_code=COPIED,
        failed_at=timezone.now(),
        lease_owner="",
        lease_expires_at=None,
    )
    AuthorizationAttempt.objects.all().delete()  # what they hold becomes a revocation, given up with the others
    given_up = {"state": RevocationState.ABANDONED, "settled_at": timezone.now(), "next_attempt_at": None}
    Revocation.objects.filter(state__in=UNSETTLED).update(**given_up)
    Revocation.objects.all().purge()
    ConnectLink.objects.all().delete()
    SubflowRun.objects.unfinished().delete()
    Session.objects.all().delete()
    log.write(log.Kind.RESTORED, whose=None, detail=COPY_OF % {"site": original_site_url(), "count": count})
    now = timezone.now()
    installation.accept_database(is_copy=True, restored_at=now, restored_from=None, epoch=next_epoch())
    return count


def original_site_url() -> str:
    row = installation.Installation.objects.first()
    return row.site_url if row else "another site"


def next_epoch() -> int:
    row = installation.Installation.objects.first()
    return row.epoch + 1 if row else 1
