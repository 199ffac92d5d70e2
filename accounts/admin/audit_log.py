"""Admin of the audit log."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.audit.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Read-only. Only the command `prune_diary` deletes events."""

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
