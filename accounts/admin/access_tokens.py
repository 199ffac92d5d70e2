"""Admin of permanent tokens and application passwords."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import log
from accounts.models import User
from accounts.sign_in.middleware import client_address


class LongLivedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Shows and ends tokens. They are created under Account Security; the secret itself is stored nowhere."""

    list_display_links = None
    list_filter = ["created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    ordering = ["-created_at"]

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).alive()  # type: ignore[attr-defined, no-any-return]  # of both models

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse lookups by hash: searching by prefix would reveal it letter by letter."""
        return lookup.partition("__")[0] in {"created_at", "last_used_at"}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **options: Any) -> HttpResponse:
        """Log that an administrator looked at another user's token."""
        row = self.get_object(request, object_id)
        if row and row.user != request.user and self.has_view_permission(request, row):
            viewer = cast(User, request.user)
            log.write(log.Kind.LOOKED_AT, whose=row.user, who=viewer, address=client_address(request))
        return super().change_view(request, object_id, *arguments, **options)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        operations.end(obj, who=cast(User, request.user), address=client_address(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.display(description=gettext_lazy("Whose"), ordering="user__username")
    def whose(self, row: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("accounts:security-of", args=[row.user_id]), row.user)

    @admin.display(description=gettext_lazy("Scopes"))
    def scope_names(self, row: Any) -> str:
        return ", ".join(row.scopes)


@admin.register(PermanentToken)
class PermanentTokenAdmin(LongLivedAdmin):
    list_display = [
        "name", "whose", "public_id", "scope_names", "expires_at", "last_used_at", "last_used_from", "maker",
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
    list_display = ["name", "whose", "scope_names", "last_used_at", "last_used_from", "created_at"]
    fields = ["name", "user", "scope_names", "created_at", "last_used_at"]
