"""Admin of what users have set up for signing in, and of failed attempts."""

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.http import HttpRequest

from accounts import privileges
from accounts.admin.ranks import RankLimitedAdmin
from accounts.models import User
from accounts.sign_in.models import AttemptCounter

# Replaced below, except for sessions: users see theirs under Account Security.
for model in (Authenticator, EmailAddress, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(AttemptCounter)
class FailedSignInsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Deleting a row ends the lockout early."""

    list_display = ["counter", "failures", "ends_at"]
    search_fields = ["counter"]
    ordering = ["-ends_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeleteOnlyAdmin(RankLimitedAdmin):
    """Rows that users set up themselves. An administrator who could write them could sign in as the user."""

    def is_above(self, request: HttpRequest, obj: Any) -> bool:
        """Deleting a second step leaves the password alone to protect an account with more rights."""
        return privileges.exceeds(obj.user, cast(User, request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(EmailAddress)
class EmailAddressAdmin(DeleteOnlyAdmin):
    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["verified"]
    list_select_related = ["user"]
    search_fields = ["email", "user__username"]


@admin.register(Authenticator)
class AuthenticatorAdmin(DeleteOnlyAdmin):
    """Second steps, to be deleted for a user who has lost theirs. Never shows or loads the secret."""

    fields = ["user", "type", "created_at", "last_used_at"]
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__username"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse lookups into `data`: searching by prefix would reveal a secret letter by letter."""
        return not lookup.startswith("data") and super().lookup_allowed(lookup, value, request)

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        super().delete_model(request, obj)
        authenticator_removed.send(sender=Authenticator, request=request, user=obj.user, authenticator=obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete one by one, so that the signal is sent for each."""
        for authenticator in queryset.select_related("user"):
            self.delete_model(request, authenticator)
