"""Release of permanent tokens and application passwords that are held after a restore.

Nobody knows whether a held one was deleted after the backup. Its owner may know, and who could make one for the owner.
"""

from django.db import transaction
from django.utils.translation import gettext_noop

from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import log
from accounts.audit.details import register_detail
from accounts.models import User

RELEASED = register_detail(gettext_noop("released"))


def release_row(row: PermanentToken | ApplicationPassword, *, who: User | None = None, address: str = "") -> bool:
    """Let a held token or password work again; returns whether it was held. One that has expired stays expired."""
    rows = type(row).objects.held().filter(pk=row.pk)
    with transaction.atomic():
        if not rows.update(ended_at=None, ended_because=""):
            return False
        log.write(
            log.Kind.RESTORED,
            whose=row.user,
            who=who,
            detail=RELEASED,
            address=address,
            subject=row.name,
            subject_id=row.pk,
        )
    return True
