"""Admin of Token Revocations. Read-only, with the action Try again."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.admin.base import ReadOnly, day, hour, with_note
from integrations.connections import tasks
from integrations.models.tokens import Revocation, RevocationQuerySet


class Undeletable(ReadOnly):
    """Admin of rows that can't be deleted either: they are the only record of what happened."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Revocation)
class RevocationAdmin(Undeletable):
    list_display = ["provider", "whose", "reason", "state", "attempts", "last_answer", "revoked"]
    list_filter = ["state", "registry", "created_at"]
    search_fields = ["username", "account_label", "provider"]
    ordering = ["-created_at"]
    actions = ["try_again"]
    fieldsets = [
        (None, {"fields": ["provider", "registry", "credential", "username", "account_label", "reason"]}),
        (
            gettext_lazy("State"),
            {
                "fields": [
                    "state",
                    "attempts",
                    "last_answer",
                    "created_at",
                    "next_attempt_at",
                    "settled_at",
                    "purged_at",
                ]
            },
        ),
    ]

    @admin.display(description=gettext_lazy("User"), ordering="username")
    def whose(self, revocation: Revocation) -> SafeString:
        return with_note(revocation.username or _("System"), revocation.account_label)

    @admin.display(description=gettext_lazy("Revoked"), ordering="created_at")
    def revoked(self, revocation: Revocation) -> SafeString:
        return with_note(day(revocation.created_at), hour(revocation.created_at))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("integrations.change_revocation")

    @admin.action(description=gettext_lazy("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: RevocationQuerySet) -> None:
        count = tasks.retry_revocations(queryset)
        message = ngettext(
            "Asking the provider again for %(count)d revocation.",
            "Asking the providers again for %(count)d revocations.",
            count,
        )
        self.message_user(request, message % {"count": count}, messages.SUCCESS if count else messages.WARNING)
