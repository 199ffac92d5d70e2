"""Programs that wait until an administrator allows or blocks them, and the mails that say so.

A stranger can make a signed-in person name any host, by a link (`client_documents`). So an administrator gets one mail
about all that are new, at most every six hours, and it has hosts but no addresses.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.urls import reverse
from django.utils.translation import ngettext

from accounts import preferences
from accounts.models import User
from accounts.oauth_server.models import Application, Standing
from foundation.mail_outbox import DueMail, Line, Mail

MAY_DECIDE = "accounts.change_application"
AT_MOST_EVERY = timedelta(hours=6)  # mails to one administrator
SETTLED = timedelta(minutes=1)  # after which rows of other processes, and of other clocks, have appeared
HOSTS_SHOWN = 20


def all_waiting() -> QuerySet[Application]:
    rows: QuerySet[Application] = Application.objects.filter(standing=Standing.WAITING).order_by("created", "pk")
    return rows


def hosts_of(programs: Iterable[Application]) -> list[str]:
    """The hosts that vouch for them, each once, by name."""
    return sorted({program.vouching_host for program in programs})


def find_administrators() -> QuerySet[User]:
    """People who may decide, and have a mail address."""
    people = User.objects.with_perm(MAY_DECIDE).filter(is_staff=True, is_bot=False)
    return people.exclude(email="").order_by("pk")


def due_mails(now: datetime) -> Iterator[DueMail]:
    """A mail to each administrator who has not read of the newest one, and got no such mail for six hours."""
    until = now - SETTLED
    newest = all_waiting().filter(created__lte=until).aggregate(newest=Max("created"))["newest"]
    if newest is None:
        return
    before = min(newest, now - AT_MOST_EVERY)
    for person in find_administrators().filter(Q(told_of_programs_at=None) | Q(told_of_programs_at__lt=before)):
        yield DueMail(key=f"programs:{person.pk}", compose=partial(compose_mail, person, until))


def compose_mail(person: User, until: datetime) -> Mail:
    """The mail about those that have come since the last one. `until`: when the newest of them may have come."""
    programs = all_waiting().filter(created__lte=until)
    if person.told_of_programs_at:
        programs = programs.filter(created__gt=person.told_of_programs_at)
    return Mail(
        to=[person.email],
        template="accounts/mail/programs_wait.txt",
        subject=lambda _count, words: subject_of(words["count"]),
        lines=[Line(row=person, column="told_of_programs_at", value=until, words=words_about(list(programs)))],
        context={},
        **preferences.mail_options(person),
    )


def words_about(programs: list[Application]) -> dict[str, Any] | None:
    """Template context; None if they have been decided on meanwhile."""
    hosts = hosts_of(programs)
    if not hosts:
        return None
    return {
        "count": len(programs),
        "hosts": hosts[:HOSTS_SHOWN],
        "more": len(hosts[HOSTS_SHOWN:]),
        "url": f"{settings.SITE_URL}{list_url()}",
    }


def subject_of(count: int) -> str:
    text = ngettext("%(count)d program waits for your decision", "%(count)d programs wait for your decision", count)
    return text % {"count": count}


def list_url() -> str:
    """The administration's list of those that wait, where they are allowed and blocked."""
    return f"{reverse('admin:accounts_application_changelist')}?standing__exact={Standing.WAITING}"
