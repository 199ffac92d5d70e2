"""Which accounts have an email address.

An address is an account's if an administrator entered it there, or its user confirmed it. Several accounts may have
one. Then it signs nobody in, each of them gets its own link to set a password, and none can confirm it.
"""

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet

from accounts.models import User


def accounts_with(address: str) -> QuerySet[User]:
    """Active accounts of people with this address. Upper and lower case are the same."""
    confirmed = EmailAddress.objects.filter(email=address.lower(), verified=True).values("user")
    return User.objects.filter(Q(email__iexact=address) | Q(pk__in=confirmed), is_active=True, is_bot=False)


def others_with(address: str, user: User) -> QuerySet[User]:
    """The other accounts that have this address."""
    return accounts_with(address).exclude(pk=user.pk) if address else User.objects.none()
