"""Admin of Actions, Subflows with the Test button, Subflow Runs, and Tool Sets for agents."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from foundation.name_lists import isolate_name
from integrations.admin.base import NOTHING, Choosing, Page, ReadOnly, with_note
from integrations.admin.flow_forms import ActionForm, PlacedForm, PlacedFormSet, StepForm, StepFormSet, SubflowForm
from integrations.admin.flow_tests import ActionTester, SubflowTester
from integrations.models.flows import Action, RestStep, RunState, StepRun, Subflow, SubflowAction, SubflowRun
from integrations.models.flows.failure_sentences import in_words
from integrations.models.tool_sets import ToolSet


class RowsInline(Choosing, admin.StackedInline):  # type: ignore[type-arg]  # not subscriptable at run time
    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 0 if obj and self.model._default_manager.filter(**{self.below: obj}).exists() else 1

    below: str


class StepInline(RowsInline):
    model = RestStep
    form = StepForm
    formset = StepFormSet
    below = "action"
    fieldsets = [
        (None, {"fields": [("order", "name"), "alias", "method", "path", "query"]}),
        (
            gettext_lazy("Headers, body, scopes"),
            {"fields": ["headers", "body_type", "body", "scopes", ("timeout", "retries")]},
        ),
    ]


class PlacedInline(RowsInline):
    model = SubflowAction
    form = PlacedForm
    formset = PlacedFormSet
    below = "subflow"
    fields = [("order", "name"), "action", "inputs"]


class Testable(Page):
    """Base of admin pages with a Test button."""

    tester: Any
    change_form_template = "admin/integrations/action/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.tester(self).view)
        name = f"integrations_{self.opts.model_name}_test"
        return [path("<path:object_id>/test/", view, name=name), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> Any:
        record = context["original"]
        if record and self.has_change_permission(request, record):
            context["test_url"] = reverse(f"admin:integrations_{self.opts.model_name}_test", args=[record.pk])
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=gettext_lazy("Label"), ordering="label")
    def title(self, row: Any) -> SafeString:
        return with_note(row.title, row.name if row.label else "")


@admin.register(Action)
class ActionAdmin(Testable):
    form = ActionForm
    inlines = [StepInline]
    tester = ActionTester
    list_display = ["title", "calls", "used_by", "active"]
    list_filter = ["active", "steps__alias"]
    search_fields = ["name", "label", "description", "steps__alias__name"]
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Action]:
        rows: QuerySet[Action] = super().get_queryset(request)
        return rows.annotate(uses=Count("subflows__subflow", distinct=True)).prefetch_related("steps__alias")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Warn about subflows whose inputs no longer match this action."""
        super().save_related(request, form, formsets, change)
        for placed in form.instance.subflows.select_related("subflow", "action"):
            for fault in placed.input_errors():
                names = {"name": isolate_name(placed.subflow), "fault": fault}
                messages.warning(request, _("Subflow “%(name)s”: %(fault)s") % names)

    @admin.display(description=gettext_lazy("Calls"), empty_value=NOTHING)
    def calls(self, action: Action) -> str:
        return ", ".join(f"{step.method} {step.alias.name}" for step in action.steps.all())

    @admin.display(description=gettext_lazy("Used by"))
    def used_by(self, action: Any) -> str:
        return ngettext("%(number)d subflow", "%(number)d subflows", action.uses) % {"number": action.uses}


@admin.register(Subflow)
class SubflowAdmin(Testable):
    form = SubflowForm
    inlines = [PlacedInline]
    tester = SubflowTester
    list_display = ["title", "run_as", "last_run", "active"]
    list_filter = ["active", "run_as"]
    search_fields = ["name", "label", "description"]
    ordering = ["name"]
    filter_horizontal = ["groups"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subflow]:
        rows: QuerySet[Subflow] = super().get_queryset(request)
        latest = SubflowRun.objects.filter(subflow=OuterRef("pk")).order_by("-created_at")
        return rows.annotate(latest_status=Subquery(latest.values("status")[:1]))

    @admin.display(description=gettext_lazy("Last run"), empty_value=NOTHING)
    def last_run(self, subflow: Any) -> str:
        return str(RunState(subflow.latest_status).label) if subflow.latest_status else ""


class StepRunInline(admin.TabularInline):  # type: ignore[type-arg]
    model = StepRun
    fields = ["position", "action", "step", "alias", "method", "status", "http_status", "milliseconds", "why"]
    readonly_fields = ["why"]
    can_delete = False
    extra = 0

    @admin.display(description=gettext_lazy("Error"), empty_value=NOTHING)
    def why(self, step: StepRun) -> str:
        return in_words(step.error)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SubflowRun)
class SubflowRunAdmin(ReadOnly):
    """Admin of runs. Shows neither inputs nor outputs: they are the user's."""

    inlines = [StepRunInline]
    list_display = ["created_at", "name", "user", "status", "why", "origin"]
    list_filter = ["status", "run_as", "is_test", "subflow"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username", "error_code"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    readonly_fields = ["why"]
    fieldsets = [
        (None, {"fields": ["name", "user", "run_as", "origin", "is_test"]}),
        (gettext_lazy("State"), {"fields": ["status", "why", "error_code", "http_status"]}),
        (gettext_lazy("When"), {"fields": ["created_at", "started_at", "finished_at"]}),
    ]

    @admin.display(description=gettext_lazy("Error"), empty_value=NOTHING)
    def why(self, run: SubflowRun) -> str:
        return in_words(run.error)


@admin.register(ToolSet)
class ToolSetAdmin(Page):
    fields = ["name", "description", "subflows", "remote_tables", "aliases", "groups", "active"]
    list_display = ["name", "description", "active"]
    list_filter = ["active"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    filter_horizontal = ["subflows", "remote_tables", "aliases", "groups"]
