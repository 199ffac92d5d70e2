"""Admin of Configuration Templates, and the page New from template."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from accounts.record_links import has_now
from foundation.name_lists import isolate_name
from integrations.admin.base import MAKER_PERMISSIONS, NOTHING, Page, copyable
from integrations.admin.template_form import FromTemplateForm
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.definitions import BadDefinition, Definition
from integrations.models.registry import ApplicationRegistry
from integrations.provider_setup import from_template

PREVIEW = "_preview"  # the button that only shows a preview
PAGES = "admin/integrations/configurationtemplate"
ROTATION = {
    "always": gettext_lazy("Replaced at each renewal. The old one stops working."),
    "never": gettext_lazy("The same one stays valid."),
    "sometimes": gettext_lazy("Sometimes replaced. A new one is stored."),
    "none": gettext_lazy("There are none. People sign in again when the access token expires, if it does."),
    "unknown": gettext_lazy("Not known."),
}


@admin.register(ConfigurationTemplate)
class TemplateAdmin(Page):
    change_form_template = f"{PAGES}/change_form.html"
    list_display = ["name", "makes", "server", "whose", "verified", "new_link"]
    search_fields = ["name"]
    ordering = ["name"]
    list_per_page = 200

    def get_fields(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> Any:
        return ["name", "definition"] if obj is None or not obj.is_shipped else ["name"]

    def has_change_permission(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> bool:
        """Forbid changes of shipped templates: the next release would overwrite them."""
        return not (obj and obj.is_shipped) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> bool:
        return not (obj and obj.is_shipped) and super().has_delete_permission(request, obj)

    @admin.display(description=gettext_lazy("Answers"))
    def verified(self, template: ConfigurationTemplate) -> str:
        """Tell whether the provider's documented answers are recorded and played by the tests."""
        return _("recorded") if template.key in from_template.keys_with_answers() else _("not verified")

    def get_urls(self) -> list[URLPattern]:
        name = "integrations_configurationtemplate"
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/new/", wrap(self.new_from), name=f"{name}_new"),
            path("<path:object_id>/copy/", wrap(require_POST(self.copy)), name=f"{name}_copy"),
            *super().get_urls(),
        ]

    @method_decorator(sensitive_post_parameters("client_secret"))
    @method_decorator(sensitive_variables("form"))
    def new_from(self, request: HttpRequest, object_id: str) -> HttpResponse:
        template = self.get_template(request, object_id)
        if not may_make(request):
            raise PermissionDenied
        try:
            form = FromTemplateForm(template, request.POST or None)
        except BadDefinition as error:
            messages.error(request, str(error))
            return redirect("admin:integrations_configurationtemplate_change", template.pk)
        is_order = request.method == "POST" and PREVIEW not in request.POST
        if is_order and form.is_valid() and (response := self.create(request, form)):
            return response
        return self.page(request, template, form)

    @sensitive_variables("form")
    def create(self, request: HttpRequest, form: FromTemplateForm) -> HttpResponse | None:
        """Create all rows and redirect; on a conflict create none and add an error to the form."""
        try:
            alias = from_template.create_integration(form.definition, form.answers())
        except IntegrityError:  # taken by a concurrent request
            form.add_error(None, _("One of these names was taken a moment ago. Choose others."))
            return None
        self.log_addition(request, alias, [{"added": {}}])
        message = _(
            "%(name)s is set up. If you haven’t done so yet, register its Redirect URL at the provider: %(url)s"
        )
        messages.success(request, message % {"name": isolate_name(alias.title), "url": form.redirect_url})
        return redirect("admin:integrations_alias_change", alias.pk)

    def page(self, request: HttpRequest, template: ConfigurationTemplate, form: FromTemplateForm) -> HttpResponse:
        is_partial = PREVIEW in request.POST and bool(request.headers.get("HX-Request"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("New from %(name)s") % {"name": template.name},
            "opts": self.opts,
            "original": template,
            "definition": form.definition,
            "is_verified": template.key in from_template.keys_with_answers(),
            "form": form,
            "redirect_url": copyable(form.redirect_url, _("Redirect URL")),
            "console_url": form.definition.console(
                {question.name: question.default for question in form.definition.questions}
            ),
            "preview": list(preview_rows(form)) if form.is_bound and form.is_valid() else [],
            "secret_typed": bool(request.POST.get("client_secret")) and not is_partial,
        }
        return TemplateResponse(request, f"{PAGES}/{'_preview' if is_partial else 'new'}.html", context)

    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        template = self.get_template(request, object_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        name = free_name(template.name)
        copy = ConfigurationTemplate.objects.create(name=name, definition=template.definition)
        self.log_addition(request, copy, [{"added": {}}])
        messages.success(request, _("This copy is yours. Change what your organization does differently."))
        return redirect("admin:integrations_configurationtemplate_change", copy.pk)

    def get_template(self, request: HttpRequest, object_id: str) -> ConfigurationTemplate:
        template: ConfigurationTemplate | None = self.get_object(request, unquote(object_id))
        if template is None:
            raise Http404
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        return template

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        if template := context["original"]:
            context |= {"may_make": may_make(request), **template_context(template)}
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=gettext_lazy("Description"))
    def makes(self, template: ConfigurationTemplate) -> str:
        return str(template.definition.get("description", ""))

    @admin.display(description=gettext_lazy("Authorization server"))
    def server(self, template: ConfigurationTemplate) -> str:
        return urlsplit(str(template.definition.get("registry", {}).get("token_url", ""))).netloc

    @admin.display(description=gettext_lazy("Origin"), ordering="key")
    def whose(self, template: ConfigurationTemplate) -> str:
        return _("Comes with Keyrack") if template.is_shipped else _("Your own")

    @admin.display(description=gettext_lazy("Use"))
    def new_link(self, template: ConfigurationTemplate) -> SafeString:
        if not has_now(*MAKER_PERMISSIONS):
            return format_html("{}", NOTHING)
        address = reverse("admin:integrations_configurationtemplate_new", args=[template.pk])
        words = '<a href="{}" id="new-from-{}">{}<span class="visually-hidden"> {}</span></a>'
        return format_html(words, address, template.hex, _("New from template"), template.name)


def may_make(request: HttpRequest) -> bool:
    return request.user.has_perms(MAKER_PERMISSIONS)


def free_name(name: str) -> str:
    """Return the first unused name for a copy."""
    base = _("%(name)s (own)") % {"name": name[:85]}
    taken = set(ConfigurationTemplate.objects.filter(key="").values_list("name", flat=True))
    return next(
        candidate for candidate in (base, *(f"{base} {n}" for n in range(2, len(taken) + 3))) if candidate not in taken
    )


def template_context(template: ConfigurationTemplate) -> dict[str, Any]:
    """Return the context of a template's page; nothing if its definition is invalid, which the form shows."""
    try:
        definition = template.read
    except BadDefinition:
        return {}
    placeholders = {question.name: f"{{{question.name}}}" for question in definition.questions}
    registry = ApplicationRegistry(**definition.registry_fields(placeholders))
    rows = [*registry_rows(definition, registry), connection_row(definition, definition.base(placeholders))]
    return {"definition": definition, "rows": rows, "rotation": ROTATION[definition.rotation]}


def preview_rows(form: FromTemplateForm) -> Iterator[tuple[str, str, bool]]:
    """Yield label, value and whether the value is unverified. Never the secret."""
    answers = form.answers()
    yield _("Application Registry"), answers.name, False
    yield _("Client ID"), answers.client_id, False
    yield from registry_rows(form.definition, from_template.registry_of(form.definition, answers))
    scopes = ", ".join(scope for scope, _words in answers.scopes)
    yield _("OAuth Entity Profile"), f"{from_template.PROFILE}: {scopes or '–'}", False
    integration_type = dict(form.fields["integration_type"].choices)[answers.integration_type]  # type: ignore[attr-defined]  # it has
    yield _("OAuth 2.0 Credential"), f"{answers.name} ({integration_type})", False
    yield _("Alias"), answers.alias, False
    yield connection_row(form.definition, form.definition.base(answers.answers))


def registry_rows(definition: Definition, registry: ApplicationRegistry) -> Iterator[tuple[str, str, bool]]:
    for name in definition.registry:
        field = ApplicationRegistry._meta.get_field(name)
        yield str(getattr(field, "verbose_name", name)), display_value(registry, field), name in definition.unverified


def connection_row(definition: Definition, url: str) -> tuple[str, str, bool]:
    return _("Connection URL"), url, "connection_url" in definition.unverified


def display_value(registry: ApplicationRegistry, field: Any) -> str:
    value = getattr(registry, field.name)
    if field.choices:
        return str(getattr(registry, f"get_{field.name}_display")())
    if isinstance(field, models.BooleanField):
        return _("Yes") if value else _("No")
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return _("Comma") if value == "," else str(value)
