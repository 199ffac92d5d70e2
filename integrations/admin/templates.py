"""Configuration Templates: what each makes, and a form that asks only for what varies."""

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

from integrations.admin.base import Page, copyable
from integrations.admin.template_form import FromTemplateForm
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.registry import ApplicationRegistry
from integrations.models.template_definitions import BadDefinition, Definition
from integrations.provider_setup import from_template

PREVIEW = "_preview"  # the button that only shows what would be made
PAGES = "admin/integrations/configurationtemplate"
MAKES = ("applicationregistry", "oauthentityprofile", "oauthentityscope", "oauth2credential", "alias", "httpconnection")
ROTATION = {
    "always": gettext_lazy("Replaced at each renewal; the old one dies."),
    "never": gettext_lazy("The same one stays good."),
    "sometimes": gettext_lazy("Replaced now and then; what comes back is kept."),
    "none": gettext_lazy("There are none: people sign in again when the access token ends, if it does."),
    "unknown": gettext_lazy("Not known."),
}


@admin.register(ConfigurationTemplate)
class TemplateAdmin(Page):
    change_form_template = f"{PAGES}/change_form.html"
    list_display = ["name", "makes", "server", "whose", "new_link"]
    search_fields = ["name"]
    ordering = ["name"]
    list_per_page = 200

    def get_fields(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> Any:
        return ["name", "definition"] if obj is None or not obj.is_shipped else ["name"]

    def has_change_permission(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> bool:
        """What comes with Keyrack is copied, not changed: the next release would write over it."""
        return not (obj and obj.is_shipped) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ConfigurationTemplate | None = None) -> bool:
        return not (obj and obj.is_shipped) and super().has_delete_permission(request, obj)

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
        template = self.existing(request, object_id)
        if not may_make(request):
            raise PermissionDenied
        try:
            form = FromTemplateForm(template, request.POST or None)
        except BadDefinition as error:
            messages.error(request, str(error))
            return redirect("admin:integrations_configurationtemplate_change", template.pk)
        is_order = request.method == "POST" and PREVIEW not in request.POST
        if is_order and form.is_valid() and (answer := self.made(request, form)):
            return answer
        return self.page(request, template, form)

    @sensitive_variables("form")
    def made(self, request: HttpRequest, form: FromTemplateForm) -> HttpResponse | None:
        """All rows, or none and a sentence."""
        try:
            alias = from_template.create(form.definition, form.wanted())
        except IntegrityError:  # somebody else was quicker
            form.add_error(None, _("One of these names was taken a moment ago. Choose others."))
            return None
        self.log_addition(request, alias, [{"added": {}}])
        told = _("%(name)s is set up. If you have not done so yet, register its Redirect URL at the provider: %(url)s")
        messages.success(request, told % {"name": alias.title, "url": form.redirect_url})
        return redirect("admin:integrations_alias_change", alias.pk)

    def page(self, request: HttpRequest, template: ConfigurationTemplate, form: FromTemplateForm) -> HttpResponse:
        is_partial = PREVIEW in request.POST and bool(request.headers.get("HX-Request"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("New from %(name)s") % {"name": template.name},
            "opts": self.opts,
            "original": template,
            "definition": form.definition,
            "form": form,
            "redirect_url": copyable(form.redirect_url, _("Redirect URL")),
            "console_url": form.definition.console({each.name: each.default for each in form.definition.questions}),
            "preview": list(previewed(form)) if form.is_bound and form.is_valid() else [],
            "secret_typed": bool(request.POST.get("client_secret")) and not is_partial,
        }
        return TemplateResponse(request, f"{PAGES}/{'_preview' if is_partial else 'new'}.html", context)

    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        template = self.existing(request, object_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        name = free_name(template.name)
        own = ConfigurationTemplate.objects.create(name=name, definition=template.definition)
        self.log_addition(request, own, [{"added": {}}])
        messages.success(request, _("This copy is yours: change what your organization does differently."))
        return redirect("admin:integrations_configurationtemplate_change", own.pk)

    def existing(self, request: HttpRequest, object_id: str) -> ConfigurationTemplate:
        template: ConfigurationTemplate | None = self.get_object(request, unquote(object_id))
        if template is None:
            raise Http404
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        return template

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        if template := context["original"]:
            context |= {"may_make": may_make(request), **told_of(template)}
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=gettext_lazy("Description"))
    def makes(self, template: ConfigurationTemplate) -> str:
        return str(template.definition.get("description", ""))

    @admin.display(description=gettext_lazy("Authorization server"))
    def server(self, template: ConfigurationTemplate) -> str:
        return urlsplit(str(template.definition.get("registry", {}).get("token_url", ""))).netloc

    @admin.display(description=gettext_lazy("Whose"), ordering="key")
    def whose(self, template: ConfigurationTemplate) -> str:
        return _("Comes with Keyrack") if template.is_shipped else _("Your own")

    @admin.display(description=gettext_lazy("Use"))
    def new_link(self, template: ConfigurationTemplate) -> SafeString:
        address = reverse("admin:integrations_configurationtemplate_new", args=[template.pk])
        words = '<a href="{}" id="new-from-{}">{}<span class="visually-hidden"> {}</span></a>'
        return format_html(words, address, template.hex, _("New from template"), template.name)


def may_make(request: HttpRequest) -> bool:
    return request.user.has_perms([f"integrations.add_{model}" for model in MAKES])


def free_name(name: str) -> str:
    """Of the first copy that nobody has made yet."""
    base = _("%(name)s (own)") % {"name": name[:85]}
    taken = set(ConfigurationTemplate.objects.filter(key="").values_list("name", flat=True))
    return next(each for each in (base, *(f"{base} {n}" for n in range(2, len(taken) + 3))) if each not in taken)


def told_of(template: ConfigurationTemplate) -> dict[str, Any]:
    """What its page says. Nothing where somebody wrote nonsense into the table: the form says what is wrong."""
    try:
        definition = template.read
    except BadDefinition:
        return {}
    own = {question.name: f"{{{question.name}}}" for question in definition.questions}
    registry = ApplicationRegistry(**definition.registry_fields(own))
    rows = [*values(definition, registry), connection(definition, definition.base(own))]
    return {"definition": definition, "rows": rows, "rotation": ROTATION[definition.rotation]}


def previewed(form: FromTemplateForm) -> Iterator[tuple[str, str, bool]]:
    """Label, value, and whether no page of the provider has confirmed it. Never the secret."""
    wanted = form.wanted()
    yield _("Application Registry"), wanted.name, False
    yield _("Client ID"), wanted.client_id, False
    yield from values(form.definition, from_template.registry_of(form.definition, wanted))
    scopes = ", ".join(scope for scope, _words in wanted.scopes)
    yield _("OAuth Entity Profile"), f"{from_template.PROFILE}: {scopes or '–'}", False
    kind = dict(form.fields["integration_type"].choices)[wanted.integration_type]  # type: ignore[attr-defined]  # it has
    yield _("OAuth 2.0 Credential"), f"{wanted.name} ({kind})", False
    yield _("Alias"), wanted.alias, False
    yield connection(form.definition, form.definition.base(wanted.answers))


def values(definition: Definition, registry: ApplicationRegistry) -> Iterator[tuple[str, str, bool]]:
    for name in definition.registry:
        field = ApplicationRegistry._meta.get_field(name)
        yield str(getattr(field, "verbose_name", name)), shown(registry, field), name in definition.unverified


def connection(definition: Definition, url: str) -> tuple[str, str, bool]:
    return _("Connection URL"), url, "connection_url" in definition.unverified


def shown(registry: ApplicationRegistry, field: Any) -> str:
    value = getattr(registry, field.name)
    if field.choices:
        return str(getattr(registry, f"get_{field.name}_display")())
    if isinstance(field, models.BooleanField):
        return _("Yes") if value else _("No")
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return _("Comma") if value == "," else str(value)
