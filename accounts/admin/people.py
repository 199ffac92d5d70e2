"""Admin of what users have set up for signing in, of their access tokens, and of the audit log."""

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import privileges
from accounts.access_tokens import holds, operations
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.admin.users import RankLimitedAdmin
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.record_links import security_link
from accounts.sign_in.middleware import client_address
from accounts.sign_in.models import AttemptCounter
from foundation.name_lists import join_names

# Sign-in --------------------------------------------------------------------------------------------------------------


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
        return privileges.exceeds_rights(obj.user, cast(User, request.user))

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


# Access tokens --------------------------------------------------------------------------------------------------------


class HeldFilter(admin.SimpleListFilter):
    title = gettext_lazy("restore")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("Held")), ("no", gettext_lazy("Not held"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(ended_because=LongLivedModel.Ending.HELD)
        return queryset.exclude(ended_because=LongLivedModel.Ending.HELD) if self.value() == "no" else queryset


class LongLivedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Shows and ends tokens. They are created under Account Security; the secret itself is stored nowhere."""

    list_display_links = None
    list_filter = [HeldFilter, "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    ordering = ["-created_at"]
    actions = ["release_held"]

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those alive, and those held after a restore, which can be released or deleted."""
        return super().get_queryset(request).endable()  # type: ignore[attr-defined, no-any-return]  # of both models

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse lookups by hash: searching by prefix would reveal it letter by letter."""
        return lookup.partition("__")[0] in {"created_at", "last_used_at", "held"}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms([privileges.MAY_VIEW, privileges.MAY_CREATE])

    @admin.action(description=gettext_lazy("Release what is held after a restore"), permissions=["release"])
    def release_held(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Release the held ones among the selected rows; those of people with more rights stay held."""
        viewer, count, above = cast(User, request.user), 0, []
        for row in queryset.filter(ended_because=LongLivedModel.Ending.HELD).select_related("user"):
            if privileges.may_release(row.user, viewer):
                count += holds.release_row(row, who=viewer, address=client_address(request))
            else:
                above.append(f"{row} ({row.user})")
        released = ngettext("%(count)d released. It works again.", "%(count)d released. They work again.", count)
        if count:
            messages.success(request, released % {"count": count})
        elif not above:
            messages.warning(request, gettext("Nothing of what you selected is held."))
        if above:
            sentence = gettext("Not released, because you could not create them for these people either: %(names)s.")
            messages.error(request, sentence % {"names": join_names(above)})

    @admin.display(description=gettext_lazy("Held after a restore"), boolean=True)
    def held(self, row: Any) -> bool:
        return bool(row.is_held)

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **options: Any) -> HttpResponse:
        """Log that an administrator looked at another user's token."""
        row = self.get_object(request, object_id)
        if row and row.user != request.user and self.has_view_permission(request, row):
            viewer = cast(User, request.user)
            log.write(log.Kind.LOOKED_AT, whose=row.user, who=viewer, address=client_address(request))
        return super().change_view(request, object_id, *arguments, **options)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        operations.end_secret(obj, who=cast(User, request.user), address=client_address(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.display(description=gettext_lazy("Whose"), ordering="user__username")
    def whose(self, row: Any) -> SafeString:
        return security_link(row.user)

    @admin.display(description=gettext_lazy("Scopes"))
    def scope_names(self, row: Any) -> str:
        return ", ".join(row.scopes)


@admin.register(PermanentToken)
class PermanentTokenAdmin(LongLivedAdmin):
    list_display = [
        "name", "whose", "public_id", "scope_names", "expires_at", "last_used_at", "last_used_from", "maker", "held",
    ]  # fmt: skip
    fields = ["name", "user", "public_id", "scope_names", "created_at", "maker", "expires_at", "last_used_at"]
    search_fields = ["name", "user__username", "public_id"]
    list_select_related = ["user", "created_by"]
    readonly_fields = ["maker"]

    @admin.display(description=gettext_lazy("Created by"), ordering="created_by_name")
    def maker(self, row: PermanentToken) -> str:
        return row.maker_name


@admin.register(ApplicationPassword)
class ApplicationPasswordAdmin(LongLivedAdmin):
    list_display = ["name", "whose", "scope_names", "last_used_at", "last_used_from", "created_at", "held"]
    fields = ["name", "user", "scope_names", "created_at", "last_used_at"]


# Audit log ------------------------------------------------------------------------------------------------------------


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Read-only. Only time deletes events (AUDIT_LOG_DAYS), and the command `prune_diary`."""

    list_display = ["at", "kind", "whose_name", "who_name", "subject", "detail", "address"]
    list_filter = ["kind", "at"]
    search_fields = ["whose_name", "who_name", "subject", "detail", "address"]
    ordering = ["-at"]
    show_full_result_count = False  # counting a table that only grows takes longer and longer
    fields = ["at", "kind", "whose_name", "who_name", "subject", "detail", "address"]

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
