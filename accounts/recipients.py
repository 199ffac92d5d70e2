"""Who gets the mails about an account: its user; for a bot, its owners, who are people."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User


def find_addresses(user: User, *others: User | None) -> list[str]:
    """Addresses for a mail about this account, without duplicates. `others` get mails about bots only."""
    if not user.is_bot:
        return [user.email] if user.email else []
    owners = [*user.owners.all(), *(other for other in others if other)]
    return sorted({owner.email for owner in owners if owner.is_active and owner.email and not owner.is_bot})


def reachable_users() -> QuerySet[User]:
    """Active users with at least one address for mails about their account."""
    owners = User.owners.through.objects.filter(from_user_id=OuterRef("pk"))
    owners = owners.filter(to_user__is_active=True, to_user__is_bot=False)
    has_owner = Exists(owners.exclude(to_user__email=""))
    return User.objects.filter(~Q(email="") & Q(is_bot=False) | Q(has_owner, is_bot=True), is_active=True)
