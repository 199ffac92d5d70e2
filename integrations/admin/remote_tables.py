"""Remote Tables: what is read where, which columns show it, and how that looks to the administrator."""

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
    "http_401": gettext_lazy("The third party does not accept your token. Authenticate again."),
    "not_connected": gettext_lazy("You are not signed in there yourself. Authenticate to see the preview."),
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

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<path:object_id>/preview/",
            self.admin_site.admin_view(never_cache(require_safe(self.preview))),
            name="integrations_remotetable_preview",
        )
        return [address, *super().get_urls()]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """An alias may follow later, or become Personal later; until then the table shows nothing, and says so here."""
        super().save_related(request, form, formsets, change)
        alias_ids = form.instance.alias_ids
        if not alias_ids or Alias.objects.filter(pk__in=alias_ids).personal().count() < len(alias_ids):
            told = _("Nobody sees rows yet: each alias needs an active connection whose credential is Personal.")
            messages.warning(request, told)

    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The first rows as the administrator's own account sees them, or what is in the way."""
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
        return {"trouble": _("To read as yourself you need the role, and a group that may use each alias.")}
    try:
        answer = remote_tables.read(table, user, source, fresh=True)
    except NoUsableToken as error:
        return {"trouble": str(REASONS.get(error.code, REASONS["not_connected"])), "asks_to_sign_in": True}
    except remote_tables.TurnedOff:
        return {"trouble": _("The alias, its credential or its registry is not active.")}
    except OAuthError as error:
        return {"trouble": error.description or _("It did not work: %(code)s.") % {"code": error.code}}
    found = remote_tables.arranged(answer, table)
    page = found.page(1, size=ROWS_PREVIEWED)
    told = {"columns": columns, "page": page, "found": found.count, "is_cut": answer.is_cut}
    return told | {"empty_columns": empty(columns, found)}


def empty(columns: list[RemoteTableColumn], found: remote_tables.Arranged) -> list[str]:
    """Columns that found nothing in any row: most likely their path is wrong."""
    if not found.rows:
        return []
    return [column.label for place, column in enumerate(columns) if all(row[place].is_empty for row in found.rows)]
