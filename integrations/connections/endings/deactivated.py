"""End the sign-ins of deactivated people. Their tokens cannot be used from the moment of deactivation."""

from collections.abc import Iterator
from itertools import chain

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.connections.endings.batches import Ending, Revocations, cancel, end
from integrations.models.tokens import AuthorizationAttempt, Token

PEOPLE_AT_ONCE = 100  # keeps a run short; the next run continues


def end_sign_ins_of_deactivated() -> Iterator[Revocations]:
    """Cancel and end all sign-ins of deactivated people, also if their row was changed by SQL. Yields batches."""
    people = list(deactivated_with_sign_ins()[:PEOPLE_AT_ONCE])
    ending = Ending(reason="deactivated", detail=_("the account was deactivated"))
    cancelled = cancel(AuthorizationAttempt.objects.filter(user__in=people), ending)
    return chain(cancelled, end(Token.objects.filter(user__in=people), ending))


def deactivated_with_sign_ins() -> QuerySet[User]:
    of_user = {"user": OuterRef("pk")}
    tokens, attempts = Token.objects.filter(**of_user), AuthorizationAttempt.objects.unfinished().filter(**of_user)
    return User.objects.filter(Exists(tokens) | Exists(attempts), is_active=False)
