"""Admin of Application Registries: our client registrations at authorization servers."""

import hashlib
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.record_links import record_link
from integrations import registration_health
from integrations.admin.base import NOTHING, Page, copyable, moment
from integrations.admin.json_field import indent_json
from integrations.admin.metadata_filling import fill_in, is_scope
from integrations.admin.profiles import ProfileInline, ScopeInline, set_default_profile
from integrations.admin.registry_fields import APPLICATION, FOLDED, OFFER, PROVIDER, replace_inputs, summary_of
from integrations.admin.registry_form import FILL, RegistryForm
from integrations.admin.registry_state import state_context
from integrations.admin.typed_secret import keep_secret
from integrations.connections import authorization
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    ClientAuthentication,
    OAuth2Credential,
    OAuthEntityScope,
    validation,
)
from integrations.provider_setup import doctor

CHECK_SECONDS = 25.0  # a browser is waiting


@admin.register(ApplicationRegistry)
class RegistryAdmin(Page):
    form = RegistryForm
    inlines = [ScopeInline, ProfileInline]
    list_display = ["name", "default_grant_type", "pkce_required", "active", "used_by", "problem"]
    list_filter = ["active", "default_grant_type"]
    search_fields = ["name", "client_id", "issuer", "token_url"]
    ordering = ["name"]
    readonly_fields = [
        "fill_from_metadata",
        "redirect_url",
        "logo_now",
        "secret_state",
        "provider_ways",
        "integrations",
    ]
    tokens_below = "credential__profile__registry"
    deletion_note = gettext_lazy("Delete its credentials first. That ends these sign-ins and revokes the tokens.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApplicationRegistry]:
        below = "profiles__credentials"
        counted: QuerySet[ApplicationRegistry] = super().get_queryset(request)
        return counted.annotate(
            by_connection=Count(f"{below}__connections__alias", distinct=True),
            by_credential=Count(f"{below}__aliases", distinct=True),
        )

    def get_fieldsets(self, request: HttpRequest, obj: ApplicationRegistry | None = None) -> Any:
        """Essentials first, the rest folded with a summary.

        Leave out inputs for secrets if the user may only view: read-only they would show the stored value.
        """
        provider = [*PROVIDER]
        if request.POST.get("found_scopes"):
            place = provider.index("fill_from_metadata") + 1
            provider[place:place] = OFFER
        groups: list[tuple[Any, Any, list[str]]] = [
            (gettext_lazy("The provider"), "", provider),
            (gettext_lazy("Our application there"), "", APPLICATION),
            *((title, summary_of(usual, fields, obj), fields) for title, usual, fields in FOLDED),
        ]
        may_only_view = bool(obj) and not self.has_change_permission(request, obj)
        has_logo = bool(obj and obj.logo_type)
        return [
            (
                title,
                {
                    "fields": [
                        name
                        for name in (replace_inputs(fields) if may_only_view else fields)
                        if (has_logo or name not in {"logo_now", "remove_logo"}) and (obj or name != "integrations")
                    ],
                    "description": summary,
                    "classes": ["collapse"] if summary else [],
                },
            )
            for title, summary, fields in groups
        ]

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<path:object_id>/check/",
            self.admin_site.admin_view(require_POST(self.check_view)),
            name="integrations_applicationregistry_check",
        )
        return [address, *super().get_urls()]

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the doctor's findings. Needs the change permission, because it calls the server."""
        registry = self.get_object(request, unquote(object_id))
        if registry is None:
            raise Http404
        if not self.has_change_permission(request, registry):
            raise PermissionDenied
        if registry.renewals_held_until is not None:
            # Renewals continue if the provider accepts our client
            registration_health.check_registration(registry, again=True)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Check of %(name)s") % {"name": registry.name},
            "opts": self.opts,
            "original": registry,
            "findings": [*doctor.examine_registry(registry, seconds=CHECK_SECONDS)],
        }
        return TemplateResponse(request, "admin/integrations/applicationregistry/check.html", context)

    @method_decorator(sensitive_post_parameters("client_secret"))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and self.may_fill(request, object_id):
            if ClientAuthentication.needs_secret(request.POST.get("send_credentials")):
                request.POST = cast(Any, keep_secret(request, object_id))
            if FILL in request.POST:
                request.POST = cast(Any, fill_in(request))
        return super().changeform_view(request, object_id, form_url, extra_context)

    def may_fill(self, request: HttpRequest, object_id: str | None) -> bool:
        return self.has_change_permission(request) if object_id else self.has_add_permission(request)

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        """Say on a form with errors that the typed secret is kept, although it isn't shown."""
        form = context["adminform"].form
        if context["original"]:
            context |= state_context(request, context["original"])
        if request.method == "POST" and request.POST.get("client_secret") and "client_secret" in form.fields:
            if "client_secret" in form.errors:
                form.data["kept_secret"] = ""  # the field shows what is wrong with the secret
            elif request.POST.get("kept_secret"):
                help_text = _("Kept. Leave this empty to use what you typed. A secret is never shown again.")
                form.fields["client_secret"].help_text = help_text
            else:
                form.add_error("client_secret", _("Enter it again. A secret is never shown again."))
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: ApplicationRegistry, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and form.secret_proved:
            authorization.confirm_for_system(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if request.user.has_perm("integrations.add_oauthentityscope"):
            add_scopes(form.instance, form.cleaned_data["offered_scopes"])
        if not change:
            set_default_profile(form.instance)
        for shortcoming, _code in validation.find_shortcomings(form.instance):
            messages.warning(request, shortcoming)

    @admin.display(description=gettext_lazy("Used by"))
    def used_by(self, registry: ApplicationRegistry) -> str:
        counts = cast(Any, registry)
        number = counts.by_connection + counts.by_credential
        return ngettext("%(number)d alias", "%(number)d aliases", number) % {"number": number}

    @admin.display(description=gettext_lazy("Integrations"), empty_value=NOTHING)
    def integrations(self, registry: ApplicationRegistry) -> SafeString:
        """Links to the aliases that use it: names, addresses and who may use them are on their pages."""
        credentials = OAuth2Credential.objects.filter(profile__registry=registry)
        aliases = Alias.objects.using_any(credentials).order_by("name")
        return format_html_join(", ", "{}", ((record_link(row, row.title),) for row in aliases))

    @admin.display(description=gettext_lazy("Problem"), ordering="misconfigured_at", empty_value=NOTHING)
    def problem(self, registry: ApplicationRegistry) -> str:
        problems = []
        if registry.misconfigured_code:
            reason = f": {registry.misconfigured_reason}" if registry.misconfigured_reason else ""
            problems.append(f"{registry.misconfigured_code}{reason} ({moment(registry.misconfigured_at)})")
        if registry.down_since:
            problems.append(_("Not answering since %(moment)s") % {"moment": moment(registry.down_since)})
        return " · ".join(problems)

    @admin.display(description=gettext_lazy("Redirect URL"))
    def redirect_url(self, registry: ApplicationRegistry) -> SafeString:
        return format_html('<span id="id_redirect_url">{}</span>', copyable(registry.redirect_url, _("Redirect URL")))

    @admin.display(description=gettext_lazy("Client Secret"))
    def secret_state(self, registry: ApplicationRegistry) -> str:
        return _("Stored") if registry.__dict__["client_secret"] else _("No secret")

    @admin.display(description=gettext_lazy("Provider’s ways"))
    def provider_ways(self, registry: ApplicationRegistry) -> SafeString:
        return format_html('<pre class="outputs">{}</pre>', indent_json(registry.provider_profile))

    @admin.display(description=gettext_lazy("Metadata"))
    def fill_from_metadata(self, registry: ApplicationRegistry) -> SafeString:
        return format_html(
            '<button type="submit" class="button" name="{}" value="1" formnovalidate>{}</button>'
            ' <span class="help">{}</span>',
            FILL,
            _("Fill from metadata"),
            _(
                "Reads what the issuer publishes (RFC 8414, OpenID discovery). If that is elsewhere, enter the address "
                "of the document as Issuer first. Saves nothing."
            ),
        )

    @admin.display(description=gettext_lazy("Logo now"))
    def logo_now(self, registry: ApplicationRegistry) -> SafeString:
        address = reverse("integrations:logo", args=[registry.hex])
        version = hashlib.sha256(bytes(registry.logo or b"")).hexdigest()[:8]
        return format_html('<img src="{}?{}" alt="{}" width="40" height="40">', address, version, _("Logo"))


def add_scopes(registry: ApplicationRegistry, chosen: list[str]) -> None:
    for scope in filter(is_scope, chosen):
        OAuthEntityScope.objects.get_or_create(registry=registry, scope=scope, defaults={"name": scope[:100]})
