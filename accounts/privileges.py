"""Who may act for whom. Acting through another account never adds rights.

`maker` is the user who acts, `other` or `owner` the user whose account it is.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import AbstractUser, AnonymousUser, Group, Permission
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User

MAY_VIEW = "accounts.change_user"
MAY_CREATE = "accounts.add_permanenttoken"


def exceeds_rights(other: User, maker: User) -> bool:
    """Whether `other` has any right that `maker` lacks. Groups count too: integrations are shared by group."""
    return any_exceeds(User.objects.filter(pk=other.pk), maker)


def any_exceeds(others: QuerySet[User], maker: User) -> bool:
    """`exceeds_rights` for a set of users, in one statement.

    A deactivated user has the rights that are back when the account is activated again.
    """
    if maker.is_superuser:
        return False
    maker_permissions = Permission.objects.filter(Q(user=maker) | Q(group__user=maker)).values("pk")
    above = Q(is_superuser=True)
    above |= Q(groups__in=Group.objects.exclude(pk__in=group_ids(maker)))
    above |= Q(user_permissions__in=Permission.objects.exclude(pk__in=maker_permissions))
    if not maker.is_staff:
        above |= Q(is_staff=True)
    return others.filter(above).exists()


def weaker_makers(owner: User, makers: Iterable[User | None]) -> set[int | None]:
    """Ids of the makers whose tokens for this owner don't work now. None stands for a deleted account."""
    weak = (maker for maker in makers if maker is None or not maker.is_active or exceeds_rights(owner, maker))
    return {maker.pk if maker else None for maker in weak}


def rows_only_for(groups: QuerySet[Group]) -> list[Model]:
    """Rows of all models with `groups` that are restricted to these groups alone. Without any, everybody has them."""
    rows: list[Model] = []
    for relation in Group._meta.related_objects:
        model: Any = relation.related_model
        if relation.field.name == "groups" and model is not User:
            memberships = model.groups.through.objects
            others = memberships.exclude(group__in=groups.values("pk")).values(model._meta.model_name)
            rows += model._base_manager.filter(groups__in=groups.values("pk")).exclude(pk__in=others).distinct()
    return rows


def only_for_them(row: Model) -> str:
    """Why the groups of a row of `rows_only_for` are not deleted, in a sentence."""
    return _(
        "%(kind)s “%(name)s” is restricted to what you want to delete, and would be open to everybody. Select other "
        "groups there, or turn it off and select none."
    ) % {"kind": row._meta.verbose_name, "name": row}


def group_ids(user: Any) -> set[int]:
    return set(user.groups.values_list("pk", flat=True))


def may_make_token_for(other: User, maker: User) -> bool:
    """Whether `maker` may create a token of `other`: always their own; else with permission, if it adds no rights."""
    return not token_refusal(other, maker)


def token_refusal(other: User, maker: User) -> str:
    """Why `maker` may not create a token of `other`, in a sentence; "" if they may."""
    if other.pk == maker.pk:
        return ""
    if not maker.has_perms([MAY_VIEW, MAY_CREATE]):
        return _(
            "You can’t create a token for this person: your account lacks the permission “Can add Permanent Token”."
        )
    if not other.is_active:
        return _("You can’t create a token for this person: the account is deactivated.")
    if exceeds_rights(other, maker):
        return _(
            "You can’t create a token for this person: they have permissions or groups that you don’t have, and a "
            "token would give you them."
        )
    return ""


def may_release(other: User, viewer: User) -> bool:
    """Whether `viewer` may let held tokens and passwords of `other` work again: as creating one, it gives access."""
    return other.is_active and may_make_token_for(other, viewer)


def may_delete(row_kind: str, other: User, viewer: User) -> bool:
    """Whether `viewer` may delete rows of `other`. `row_kind`: the model's name, as in permission codenames."""
    return other.pk == viewer.pk or viewer.has_perms([MAY_VIEW, f"accounts.delete_{row_kind}"])


def may_view(user: AbstractUser | AnonymousUser, model: type[Model]) -> bool:
    """Whether the user may view such rows in the admin, as Django has it: who may change them may view them too."""
    return any(
        user.has_perm(f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}")
        for action in ("view", "change")
    )
