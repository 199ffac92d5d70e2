"""Rules for programs that no administrator registered: their names, and when they are forgotten.

What such a program says about itself is shown as its own words, and its name must not be that of a registered one.
"""

import unicodedata
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.oauth_server.models import Application, Standing

LONGEST_NAME = 80
MOST_REDIRECT_URIS = 20
NEVER_USED = timedelta(days=1)
UNUSED = timedelta(days=90)
WAITING = timedelta(days=30)
SITE_NAME = "keyrack"


def clean_name(name: str) -> str:
    """The name on one line, without control, direction and other invisible characters."""
    words = "".join(" " if char.isspace() else char for char in unicodedata.normalize("NFKC", name))
    visible = "".join(char for char in words if not unicodedata.category(char).startswith("C"))
    return " ".join(visible.split())[:LONGEST_NAME]


def letters_of(name: str) -> str:
    """What a reader compares: letters and digits, without case, accents and widths."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in decomposed if char.isalnum())


def imitates_another(name: str) -> bool:
    """Whether the name reads like this site's, or like that of an application an administrator registered."""
    letters = letters_of(name)
    registered = Application.objects.filter(registration_source=Application.RegistrationSource.MANUAL)
    names = [SITE_NAME, *registered.values_list("name", flat=True)]
    return bool(letters) and letters in map(letters_of, names)


def unused_programs() -> QuerySet[Application]:
    """Those that were registered and not used within a day, not used for long, or not decided on.

    Blocked ones stay: else they could come back.
    """
    now = timezone.now()
    by_themselves = Application.objects.exclude(registration_source=Application.RegistrationSource.MANUAL)
    is_registered = Q(registration_source=Application.RegistrationSource.DCR)
    never_used = Q(is_registered, standing=Standing.ALLOWED, last_used_at=None, created__lt=now - NEVER_USED)
    unused = Q(standing=Standing.ALLOWED, updated__lt=now - UNUSED) & (
        Q(last_used_at=None) | Q(last_used_at__lt=now - UNUSED)
    )
    undecided = Q(standing=Standing.WAITING, created__lt=now - WAITING)
    programs: QuerySet[Application] = by_themselves.filter(never_used | unused | undecided)
    return programs
