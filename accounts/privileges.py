"""Who may act for whom: nobody gets, by way of another's account, what they may not do themselves."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User

LOOK = "accounts.change_user"
MAKE = "accounts.add_permanenttoken"


def exceeds(other: User, maker: User) -> bool:
    """Whether `other` may do anything that `maker` may not. Groups count too: services are shared by group."""
    if maker.is_superuser:
        return False
    if other.is_superuser or (other.is_staff and not maker.is_staff):
        return True
    return bool(groups(other) - groups(maker) or other.get_all_permissions() - maker.get_all_permissions())


def any_exceeds(others: QuerySet[User], maker: User) -> bool:
    """Whether one of them may do anything that `maker` may not, as `exceeds` compares. One statement for all."""
    if maker.is_superuser:
        return False
    held = Permission.objects.filter(Q(user=maker) | Q(group__user=maker)).values("pk")
    above = Q(is_superuser=True)
    above |= Q(groups__in=Group.objects.exclude(pk__in=groups(maker)))
    above |= Q(user_permissions__in=Permission.objects.exclude(pk__in=held))
    if not maker.is_staff:
        above |= Q(is_staff=True)
    return others.filter(above).exists()


def too_weak(owner: User, makers: Iterable[User | None]) -> set[int | None]:
    """The ids of those, None for who is gone, whose tokens for this person work no more, or not at present."""
    weak = (maker for maker in makers if maker is None or not maker.is_active or exceeds(owner, maker))
    return {maker.pk if maker else None for maker in weak}


def groups(user: Any) -> set[int]:
    return set(user.groups.values_list("pk", flat=True))


def may_make_for(other: User, maker: User) -> bool:
    """Oneself always; another only with the permission, and only where that gains nothing."""
    return not why_not_make_for(other, maker)


def why_not_make_for(other: User, maker: User) -> str:
    """A sentence for `maker`; "" where they may."""
    if other.pk == maker.pk:
        return ""
    if not maker.has_perms([LOOK, MAKE]):
        return _("You can’t make a token for this person: your account lacks the permission “Can add Permanent Token”.")
    if not other.is_active:
        return _("You can’t make a token for this person: the account is deactivated.")
    if exceeds(other, maker):
        return _(
            "You can’t make a token for this person: they have permissions or groups that you don’t have, and a token "
            "would give you these."
        )
    return ""


def may_delete(row_kind: str, other: User, viewer: User) -> bool:
    """`row_kind` is the model's name, as permissions spell it."""
    return other.pk == viewer.pk or viewer.has_perms([LOOK, f"accounts.delete_{row_kind}"])
