"""Base class of admins that limit administrators to rights that they have themselves."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts import privileges


def permissions_of(user: Any) -> QuerySet[Permission]:
    """The permissions that this user has, and so may grant."""
    if user.is_superuser:
        return Permission.objects.all()
    granted = Q(user=user) | Q(group__user=user)
    return Permission.objects.filter(pk__in=Permission.objects.filter(granted).values("pk"))


class RankLimitedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Offers the permissions and groups that the administrator has. Rows above their rank are read-only."""

    def is_above(self, request: HttpRequest, obj: Any) -> bool:
        """Whether changing `obj` would give the administrator rights that they lack."""
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
        """Protect rows above the administrator from the bulk action too, which asks for no permission by row."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        above = [str(obj) for obj in objs if self.is_above(request, obj)]
        return deleted, counts, lacking, [*above, *protected]
