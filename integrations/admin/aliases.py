"""Connection & Credential Aliases: the names that callers use, and where their connections lead."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from integrations.admin.alias_form import AliasForm, ConnectionForm, ConnectionFormSet, ConnectionRowForm
from integrations.admin.credentials import initiator_text
from integrations.admin.pages import NOTHING, Choosing, Page
from integrations.models.registry import Alias, HttpConnection
from integrations.models.tokens import Token, TokenQuerySet

STAYS = gettext_lazy("It no longer serves them; their tokens stay with the credential until that is deleted.")


class ConnectionInline(Choosing, admin.StackedInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = HttpConnection
    form = ConnectionRowForm
    formset = ConnectionFormSet
    fields = ["name", "credential", "connection_url", "same_provider", "active"]
    ordering = ["-active", "name"]
    show_change_link = True

    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 0 if obj and obj.connections.exists() else 1


@admin.register(Alias)
class AliasAdmin(Page):
    form = AliasForm
    inlines = [ConnectionInline]
    list_display = ["title", "name", "type", "credential_used", "connection_url", "active"]
    list_filter = ["type", "active"]
    search_fields = ["name", "label", "description"]
    ordering = ["name"]
    filter_horizontal = ["groups"]
    readonly_fields = ["initiator", "deactivated_at"]
    deletion_note = STAYS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alias]:
        rows: QuerySet[Alias] = Alias.objects.complete().order_by("name")
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Alias | None = None) -> Any:
        fields: list[Any] = [*AliasForm.Meta.fields]
        if obj and not obj.active:
            fields.append("deactivated_at")
        if obj:
            fields.append("initiator")
        return [(None, {"fields": fields})]

    def tokens_of(self, objs: Any) -> TokenQuerySet:
        return Token.objects.filter(credential__in=[obj.effective_credential for obj in objs])

    @admin.display(description=gettext_lazy("Label"), ordering="label")
    def title(self, alias: Alias) -> str:
        return alias.title

    @admin.display(description=gettext_lazy("Credential"), empty_value=NOTHING)
    def credential_used(self, alias: Alias) -> str:
        credential = alias.effective_credential
        return credential.name if credential else ""

    @admin.display(description=gettext_lazy("Connection URL"), empty_value=NOTHING)
    def connection_url(self, alias: Alias) -> str:
        return alias.connection.connection_url if alias.connection else ""

    @admin.display(description=gettext_lazy("Initiator URL"), empty_value=NOTHING)
    def initiator(self, alias: Alias) -> str:
        return initiator_text(alias.effective_credential)


@admin.register(HttpConnection)
class ConnectionAdmin(Page):
    form = ConnectionForm
    fields = ["alias", "name", "credential", "connection_url", "same_provider", "active"]
    list_display = ["name", "alias", "credential", "connection_url", "active"]
    list_filter = ["active", "credential"]
    list_select_related = ["alias", "credential"]
    search_fields = ["name", "connection_url", "alias__name", "alias__label"]
    ordering = ["alias__name", "name"]
    tokens_below = "credential__connections"
    deletion_note = STAYS
