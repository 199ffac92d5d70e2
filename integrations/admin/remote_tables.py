"""Admin of Remote Tables, with a preview."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from foundation.oauth_client.errors import OAuthError
from integrations import remote_tables
from integrations.admin.base import Choosing, Page
from integrations.admin.table_form import ColumnForm, ColumnFormSet, TableForm
from integrations.connections.renewal import NoUsableToken
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.remote_tables import Source

ROWS_PREVIEWED = 10
REASONS = {
    "http_401": gettext_lazy("The third party doesn’t accept your token. Authenticate again."),
    "not_connected": gettext_lazy("You aren’t signed in there. Authenticate to see the preview."),
}


class ColumnInline(Choosing, admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = RemoteTableColumn
    form = ColumnForm
    formset = ColumnFormSet
    fields = ["label", "path", "type", "order", "name"]

    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 0 if obj and obj.columns.exists() else 3


@admin.register(RemoteTable)
class RemoteTableAdmin(Page):
    form = TableForm
    inlines = [ColumnInline]
    change_form_template = "admin/integrations/remotetable/change_form.html"
    list_display = ["title", "name", "alias", "action", "cache_seconds", "active"]
    list_filter = ["active", "alias"]
    list_select_related = ["alias", "action"]
    search_fields = ["name", "label", "alias__name", "alias__label", "action__name"]
    ordering = ["name"]
    filter_horizontal = ["groups"]

    class Media:
        js = [forms.Script("keyrack/connect.js", type="module")]

    @admin.display(description=gettext_lazy("Label"), ordering="label")
    def title(self, table: RemoteTable) -> str:
        return table.title

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        table = context["original"]
        may_open = bool(table) and RemoteTable.objects.available_to(request.user).filter(pk=table.pk).exists()
        return super().render_change_form(request, context | {"may_open": may_open}, *arguments, **options)

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<path:object_id>/preview/",
            self.admin_site.admin_view(never_cache(require_safe(self.preview))),
            name="integrations_remotetable_preview",
        )
        return [address, *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Warn if an alias is missing or not Personal yet: until then the table shows nothing."""
        super().save_related(request, form, formsets, change)
        alias_ids = form.instance.alias_ids
        if not alias_ids or Alias.objects.filter(pk__in=alias_ids).personal().count() < len(alias_ids):
            message = _("Nobody sees rows yet. Each alias needs an active connection whose credential is Personal.")
            messages.warning(request, message)

    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the first rows, read with the administrator's own sign-in, or why there are none."""
        table = self.get_object(request, unquote(object_id))
        if table is None:
            raise Http404
        if not self.has_view_permission(request, table):
            raise PermissionDenied
        source = remote_tables.source_of(table, cast(User, request.user))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Preview of %(table)s") % {"table": table.title},
            "opts": self.opts,
            "original": table,
            "source": source.main,
            "media": self.media,
            **preview_of(table, cast(User, request.user), source),
        }
        return TemplateResponse(request, "admin/integrations/remotetable/preview.html", context)


def preview_of(table: RemoteTable, user: User, source: Source) -> dict[str, Any]:
    columns = list(table.columns.all())
    if not RemoteTable.objects.readable_by(user).filter(pk=table.pk).exists():
        return {"trouble": _("To see rows you need the role, and a group that may use each alias.")}
    try:
        answer = remote_tables.read_table(table, user, source, fresh=True)
    except NoUsableToken as error:
        return {"trouble": str(REASONS.get(error.code, REASONS["not_connected"])), "asks_to_sign_in": True}
    except remote_tables.TurnedOff:
        return {"trouble": _("The alias, its credential or its registry is not active.")}
    except OAuthError as error:
        return {
            "trouble": error.describe(_) if error.description else _("It didn’t work: %(code)s.") % {"code": error.code}
        }
    rows = remote_tables.arrange_rows(answer, table)
    page = rows.page(1, size=ROWS_PREVIEWED)
    context = {"columns": columns, "page": page, "found": rows.count, "why_cut": answer.why_cut_sentence}
    return context | {"empty_columns": empty_columns(columns, rows)}


def empty_columns(columns: list[RemoteTableColumn], arranged: remote_tables.ArrangedRows) -> list[str]:
    """Return the labels of columns that are empty in every row: their path is probably wrong."""
    rows = arranged.rows
    if not rows:
        return []
    return [column.label for index, column in enumerate(columns) if all(row[index].is_empty for row in rows)]
