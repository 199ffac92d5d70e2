"""People who were deactivated: nothing of theirs can be used from that moment; here it is ended and promised."""

from collections.abc import Iterator
from itertools import chain

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.connections.endings.batches import Ending, Promised, cancel, end
from integrations.models.tokens import AuthorizationAttempt, Token

PEOPLE_AT_ONCE = 100  # a worker has other things to do as well; the next run goes on


def end_sign_ins_of_deactivated() -> Iterator[Promised]:
    """However they were deactivated: on a page, by a program, or by a statement that tells nobody."""
    people = list(deactivated_with_sign_ins()[:PEOPLE_AT_ONCE])
    why = Ending(reason="deactivated", detail=_("the account was deactivated"))
    cancelled = cancel(AuthorizationAttempt.objects.filter(user__in=people), why)
    return chain(cancelled, end(Token.objects.filter(user__in=people), why))


def deactivated_with_sign_ins() -> QuerySet[User]:
    theirs = {"user": OuterRef("pk")}
    tokens, attempts = Token.objects.filter(**theirs), AuthorizationAttempt.objects.unfinished().filter(**theirs)
    return User.objects.filter(Exists(tokens) | Exists(attempts), is_active=False)
