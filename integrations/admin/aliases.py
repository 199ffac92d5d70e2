"""Admin of Connection & Credential Aliases and HTTP(s) Connections."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from accounts import scopes
from accounts.oauth_server import service_scopes
from accounts.record_links import has_now, link_or_text, record_link
from integrations.admin.alias_form import (
    AliasForm,
    ConnectionForm,
    ConnectionFormSet,
    ConnectionRowForm,
    changeable_credential,
    for_user,
)
from integrations.admin.base import MAKER_PERMISSIONS, NOTHING, Autocomplete, Choosing, Page, affected_sign_ins
from integrations.admin.credentials import initiator_text
from integrations.connections import authorization
from integrations.models.registry import Alias, CredentialQuerySet, HttpConnection, OAuth2Credential
from integrations.models.tokens import Token

BOXES_AT_MOST = 12  # groups
ENDS = gettext_lazy("Nothing else uses their credential. They end, and the tokens are revoked at the provider.")
STAYS = gettext_lazy("They lose this alias only. Their sign-ins stay, because something else uses the credential.")


def affected_sign_ins_of(named: CredentialQuerySet, left_alone: CredentialQuerySet) -> list[str]:
    """Return lines on users whose sign-ins end, and on those who only lose an alias. `alone`: unused credentials."""
    ending = Token.objects.filter(credential__in=left_alone.values("pk"))
    tokens = Token.objects.filter(credential__in=named.values("pk"))
    return affected_sign_ins(ending, str(ENDS)) + affected_sign_ins(
        tokens.exclude(pk__in=ending.values("pk")), str(STAYS)
    )


def affected_programs(aliases: Iterable[Alias]) -> list[str]:
    """Return a line on what programs were given for these aliases; no line if there is nothing."""
    count = service_scopes.count_holders([scopes.SERVICE + alias.name for alias in aliases])
    sentence = ngettext(
        "%(count)d permanent token, application password or approval of a program loses it, and gets no other one that "
        "is given this name later.",
        "%(count)d permanent tokens, application passwords and approvals of programs lose it, and get no other one "
        "that is given this name later.",
        count,
    )
    return [sentence % {"count": count}] if count else []


def confirm_for_system(form: Any) -> None:
    """Confirm the new address for the system's own tokens, if the administrator has proved that they may move them."""
    if getattr(form, "is_proved", False):
        authorization.confirm_for_system(form.instance.credential.registry)


class ConnectionInline(Choosing, admin.StackedInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = HttpConnection
    form = ConnectionRowForm
    formset = ConnectionFormSet
    fields = ["name", "credential", "connection_url", "client_secret", "same_provider", "active"]
    ordering = ["-active", "name"]
    show_change_link = True

    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 0 if obj and obj.connections.exists() else 1

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        formset = super().get_formset(request, obj, **options)
        formset.form = for_user(formset.form, request.user)
        return formset


@method_decorator(sensitive_post_parameters(), name="changeform_view")
@admin.register(Alias)
class AliasAdmin(Page):
    form = AliasForm
    inlines = [ConnectionInline]
    list_display = ["title", "name", "type", "credential_used", "connection_url", "active"]
    list_filter = ["type", "active"]
    search_fields = ["name", "label", "description"]
    ordering = ["name"]
    readonly_fields = ["initiator", "deactivated_at", "trial", "provider"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer groups as boxes; many of them in Django's two lists, which can be searched."""
        if Group.objects.count() > BOXES_AT_MOST:
            options["widget"] = FilteredSelectMultiple(db_field.verbose_name, is_stacked=False)
        else:
            options["widget"] = CheckboxSelectMultiple()
        return super().formfield_for_manytomany(db_field, request, **options)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alias]:
        rows: QuerySet[Alias] = Alias.objects.complete().order_by("name")
        return rows

    def get_fieldsets(self, request: HttpRequest, obj: Alias | None = None) -> Any:
        fields: list[Any] = [*AliasForm.Meta.fields]
        if obj and not obj.active:
            fields.append("deactivated_at")
        if obj and obj.awaits_trial:
            fields.insert(0, "trial")
        stored = self.get_queryset(request).filter(pk=obj.pk).first() if obj else None  # a form changes `obj`
        if stored and stored.effective_credential:
            place = fields.index("type")
            fields[place:place] = ["provider", *(["profile"] if changeable_credential(stored, request.user) else [])]
        if obj:
            fields.append("initiator")
        return [(None, {"fields": fields})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        profile = OAuth2Credential._meta.get_field("profile")
        widget = Autocomplete(profile, self.admin_site) if self.is_to_many_rows(profile, request) else None
        return for_user(super().get_form(request, obj, change, **options), request.user, profile_widget=widget)

    def save_model(self, request: HttpRequest, obj: Alias, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        form.save_profile()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for row in formset.forms:
            confirm_for_system(row)

    def affected_by_deletion(self, objs: Any) -> list[str]:
        named = OAuth2Credential.objects.named_by(aliases=objs)
        return affected_sign_ins_of(named, named.unused_without(aliases=objs)) + affected_programs(objs)

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

    @admin.display(description=gettext_lazy("Not shown yet"))
    def trial(self, alias: Alias) -> SafeString:
        sentence = _("People see it once it has worked for the administrator who tries it.")
        credential = alias.effective_credential
        if credential is None or not has_now(*MAKER_PERMISSIONS):
            return format_html("{}", sentence)
        address = reverse("integrations:try_provider", args=[credential.registry.hex])
        return format_html("{} {}", sentence, link_or_text(address, _("Try it"), allowed=True, html_id="try-it"))

    @admin.display(description=gettext_lazy("Provider"))
    def provider(self, alias: Alias) -> SafeString:
        """Links to the registry and the credential, each on its own page."""
        credential = alias.effective_credential
        if credential is None:  # on a form with errors, as it was typed
            return format_html("{}", NOTHING)
        registry, profile = credential.registry, credential.profile
        return format_html(
            "{} · {} · {}",
            record_link(registry, registry.name, html_id="its-registry"),
            profile.name,
            record_link(credential, _("Credential: %(name)s") % {"name": credential.name}, html_id="its-credential"),
        )

    @admin.display(description=gettext_lazy("Initiator URL"), empty_value=NOTHING)
    def initiator(self, alias: Alias) -> str:
        return initiator_text(alias.effective_credential)


@method_decorator(sensitive_post_parameters(), name="changeform_view")
@admin.register(HttpConnection)
class ConnectionAdmin(Page):
    form = ConnectionForm
    fields = ["alias", "name", "credential", "connection_url", "client_secret", "same_provider", "active"]
    list_display = ["name", "alias", "credential", "connection_url", "active"]
    list_filter = ["active", "credential"]
    list_select_related = ["alias", "credential"]
    search_fields = ["name", "connection_url", "alias__name", "alias__label"]
    ordering = ["alias__name", "name"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return for_user(super().get_form(request, obj, change, **options), request.user)

    def save_model(self, request: HttpRequest, obj: HttpConnection, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        confirm_for_system(form)

    def affected_by_deletion(self, objs: Any) -> list[str]:
        named = OAuth2Credential.objects.named_by(connections=objs)
        return affected_sign_ins_of(named, named.unused_without(connections=objs))
