"""Promises to revoke and what came of them; the diary. Both write themselves, nobody edits them."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations import tasks
from integrations.admin.pages import ReadOnly, day, hour, quietly
from integrations.models.diary import Event
from integrations.models.tokens import UNSETTLED, Revocation, RevocationState


class Kept(ReadOnly):
    """Not to be deleted either: it is the only memory of what was promised or happened."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Revocation)
class RevocationAdmin(Kept):
    list_display = ["provider", "whose", "reason", "state", "attempts", "last_answer", "promised"]
    list_filter = ["state", "registry", "created_at"]
    search_fields = ["username", "account_label", "provider"]
    ordering = ["-created_at"]
    actions = ["try_again"]
    fieldsets = [
        (None, {"fields": ["provider", "registry", "credential", "username", "account_label", "reason"]}),
        (
            gettext_lazy("State"),
            {"fields": ["state", "attempts", "last_answer", "created_at", "next_attempt_at", "settled_at"]},
        ),
    ]

    @admin.display(description=gettext_lazy("User"), ordering="username")
    def whose(self, revocation: Revocation) -> SafeString:
        return quietly(revocation.username or _("System"), revocation.account_label)

    @admin.display(description=gettext_lazy("Promised"), ordering="created_at")
    def promised(self, revocation: Revocation) -> SafeString:
        return quietly(day(revocation.created_at), hour(revocation.created_at))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("integrations.change_revocation")

    @admin.action(description=gettext_lazy("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Revocation]) -> None:
        """Start over with those that are not settled."""
        rows = list(queryset.filter(state__in=UNSETTLED))
        with transaction.atomic():
            for revocation in rows:
                start_over(revocation)
        told = ngettext("Asking %(count)d provider again.", "Asking again for %(count)d revocations.", len(rows))
        self.message_user(request, told % {"count": len(rows)}, messages.SUCCESS if rows else messages.WARNING)


def start_over(revocation: Revocation) -> None:
    revocation.state, revocation.attempts = RevocationState.PENDING, 0
    revocation.pursued_since = revocation.next_attempt_at = timezone.now()
    revocation.save(update_fields=["state", "attempts", "pursued_since", "next_attempt_at"])
    tasks.hurry(revocation)


@admin.register(Event)
class EventAdmin(Kept):
    list_display = ["at", "kind", "username", "credential", "detail"]
    list_filter = ["kind", "at"]
    search_fields = ["username", "detail", "credential__name"]
    list_select_related = ["credential"]
    ordering = ["-at"]
    fieldsets = [(None, {"fields": ["at", "kind", "username", "credential", "detail"]})]
