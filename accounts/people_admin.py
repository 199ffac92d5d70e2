"""People and groups in the admin. Nobody gives there what they do not have, nor touches who may more than they may."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts import privileges
from accounts.models import User


def permissions_of(user: Any) -> QuerySet[Permission]:
    """Those that this person may hand on."""
    if user.is_superuser:
        return Permission.objects.all()
    own = Q(user=user) | Q(group__user=user)
    return Permission.objects.filter(pk__in=Permission.objects.filter(own).values("pk"))


class WithinOnesRank(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """The choices are what the administrator has; whoever has more is shown, and not changed."""

    def is_above(self, request: HttpRequest, obj: Any) -> bool:
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and self.is_above(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and self.is_above(request, obj))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        if db_field.name in {"permissions", "user_permissions"}:
            field.queryset = field.queryset & permissions_of(request.user)
        elif db_field.name == "groups" and not request.user.is_superuser:
            field.queryset = field.queryset.filter(pk__in=privileges.groups(request.user))
        return field

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Also where many are chosen at once: one who is above them is protected."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        above = [str(obj) for obj in objs if self.is_above(request, obj)]
        return deleted, counts, lacking, [*above, *protected]


class PeopleAdmin(WithinOnesRank, UserAdmin):  # type: ignore[type-arg]  # as above
    def is_above(self, request: HttpRequest, obj: User) -> bool:
        return privileges.exceeds(obj, request.user)  # type: ignore[arg-type]  # who is in the admin is signed in

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = super().get_readonly_fields(request, obj)
        return own if request.user.is_superuser else [*own, "is_superuser"]


class GroupsAdmin(WithinOnesRank, GroupAdmin):  # type: ignore[misc]  # the stubs call the arguments otherwise
    def is_above(self, request: HttpRequest, obj: Group) -> bool:
        """Changing a group is giving it to its members: only within what one has, and only one's own groups."""
        user = request.user
        if user.is_superuser:
            return False
        beyond = obj.permissions.exclude(pk__in=permissions_of(user).values("pk"))
        return obj.pk not in privileges.groups(user) or beyond.exists()
