"""Admin of users and groups."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts import privileges
from accounts.admin.ranks import RankLimitedAdmin, permissions_of
from accounts.models import User

admin.site.unregister(Group)  # Django's own knows no ranks


@admin.register(User)
class PeopleAdmin(RankLimitedAdmin, UserAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    def is_above(self, request: HttpRequest, obj: User) -> bool:
        return privileges.exceeds(obj, request.user)  # type: ignore[arg-type]  # the admin requires a signed-in user

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return readonly if request.user.is_superuser else [*readonly, "is_superuser"]


@admin.register(Group)
class GroupsAdmin(RankLimitedAdmin, GroupAdmin):  # type: ignore[misc]  # the stubs name the arguments differently
    def is_above(self, request: HttpRequest, obj: Group) -> bool:
        """Changing a group gives rights to its members: it takes membership and all of its permissions."""
        user = request.user
        if user.is_superuser:
            return False
        beyond = obj.permissions.exclude(pk__in=permissions_of(user).values("pk"))
        return obj.pk not in privileges.groups(user) or beyond.exists()
