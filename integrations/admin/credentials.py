"""Admin of OAuth 2.0 Credentials: the profile of a connection, for the system or for each person."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.record_links import may_view_now
from integrations.admin import system_tokens
from integrations.admin.base import NOTHING, Page, copyable, moment
from integrations.admin.credential_form import CONFIRMED, CredentialForm
from integrations.admin.many_rows import NameFilter
from integrations.admin.tokens import BY
from integrations.connections import authorization, renewal
from integrations.models.addresses import initiator_url
from integrations.models.card import Integration
from integrations.models.events import EventKind, events_of
from integrations.models.registry import ApplicationRegistry, GrantType, IntegrationType, OAuth2Credential
from integrations.models.tokens import Token
from integrations.models.tokens.token import usable_tokens

TROUBLE = (EventKind.SIGN_IN_FAILED, EventKind.REAUTH_NEEDED)
STATE = ["connected", "signed_out", "last_error", "redirect_url", "initiator"]


class RegistryOfCredentialFilter(NameFilter):
    title, parameter_name = gettext_lazy("Application Registry"), "registry"
    model, lookup = ApplicationRegistry, "profile__registry__name"


@admin.register(OAuth2Credential)
class CredentialAdmin(Page):
    form = CredentialForm
    change_form_template = "admin/integrations/oauth2credential/change_form.html"
    list_display = ["name", "registry", "profile_name", "integration_type", "connected", "active"]
    list_filter = ["integration_type", "active", RegistryOfCredentialFilter]
    list_select_related = ["profile__registry"]
    search_fields = ["name", "profile__name", "profile__registry__name"]
    ordering = ["name"]
    readonly_fields = ["scopes", *STATE]
    tokens_below = "credential"
    deletion_note = gettext_lazy("They end, and the tokens are revoked at the provider.")

    class Media:
        js = [forms.Script("keyrack/connect.js", type="module")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OAuth2Credential]:
        """Return the rows, each with a number of its tokens that is read for those of one page."""
        rows: QuerySet[OAuth2Credential] = super().get_queryset(request)
        usable = Token.objects.filter(usable_tokens(timezone.now()), credential=OuterRef("pk"))
        tokens = usable.order_by().values("credential")
        counted = Subquery(tokens.annotate(number=Count("pk")).values("number"))
        return rows.annotate(number_connected=Coalesce(counted, 0, output_field=IntegerField()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        main = (None, {"fields": ["name", "profile", "integration_type", "other_account", "active"]})
        if obj is None:
            return [main]
        scopes = (gettext_lazy("Scopes"), {"fields": ["scopes"]})
        state = STATE if obj.is_personal else [name for name in STATE if name != "initiator"]
        return [main, scopes, (gettext_lazy("State"), {"fields": state})]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and object_id and CONFIRMED not in request.POST:
            credential = self.get_object(request, unquote(object_id))
            if credential and (page := self.confirmation_page(request, credential)):
                return page
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<path:object_id>/get-token/",
            self.admin_site.admin_view(require_POST(self.get_token)),
            name="integrations_oauth2credential_get_token",
        )
        return [address, *super().get_urls()]

    def get_token(self, request: HttpRequest, object_id: str) -> HttpResponse:
        credential = self.get_object(request, unquote(object_id))
        if credential is None:
            raise Http404
        try:
            system_tokens.get_token(request, credential)
        except authorization.NotAvailable:
            raise PermissionDenied from None
        return redirect("admin:integrations_oauth2credential_change", credential.pk)

    def confirmation_page(self, request: HttpRequest, credential: OAuth2Credential) -> HttpResponse | None:
        """Return a page that asks for confirmation if sign-ins would end, else None."""
        if not self.has_change_permission(request, credential):
            return None
        before = IntegrationType(credential.integration_type)
        form = self.get_form(request, credential, change=True)(request.POST, instance=credential)
        if not form.is_valid() or not (count := cast(CredentialForm, form).count_ending_sign_ins()):
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("End sign-ins?"),
            "opts": self.opts,
            "original": credential,
            "consequence": describe_consequence(before, count),
            "typed": [(name, value) for name, values in request.POST.lists() for value in values],
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, "admin/integrations/oauth2credential/confirm_type.html", context)

    def save_model(self, request: HttpRequest, obj: OAuth2Credential, form: Any, change: bool) -> None:
        """End the sign-ins of the other integration type first: revocations are stored with the old set-up."""
        others = Token.objects.filter(credential=obj.pk).exclude(integration_type=obj.integration_type)
        detail = BY % {"username": request.user.get_username()}
        authorization.end_all(others, reason="integration_type_changed", detail=detail)
        super().save_model(request, obj, form, change)

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> HttpResponse:
        credential = context["original"]
        if credential:
            context |= {
                "integration": usable_by(request.user, credential),
                "is_granted_to_us": renewal.grants_to_us(credential),
                "tokens": tokens_link(credential) if may_view_now(Token) else None,
            }
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=gettext_lazy("Application Registry"), ordering="profile__registry__name")
    def registry(self, credential: OAuth2Credential) -> str:
        return credential.registry.name

    @admin.display(description=gettext_lazy("Profile"), ordering="profile__name")
    def profile_name(self, credential: OAuth2Credential) -> str:
        return credential.profile.name

    @admin.display(description=pgettext_lazy("number of people", "Connected"))
    def connected(self, credential: OAuth2Credential) -> str:
        number = cast(Any, credential).number_connected
        if not credential.is_personal:
            return _("Shared token") if number else _("No token yet")
        return ngettext("%(number)d person", "%(number)d people", number) % {"number": number}

    @admin.display(description=gettext_lazy("Need to sign in again"))
    def signed_out(self, credential: OAuth2Credential) -> str:
        number = credential.tokens.exclude(usable_tokens(timezone.now())).count()
        if not credential.is_personal:
            return _("The shared token") if number else _("Nobody")
        return ngettext("%(number)d person", "%(number)d people", number) % {"number": number}

    @admin.display(description=gettext_lazy("Last error"), empty_value=NOTHING)
    def last_error(self, credential: OAuth2Credential) -> str:
        event = events_of(credential).filter(kind__in=TROUBLE).first()
        return f"{event.words} ({moment(event.at)})" if event else ""

    @admin.display(description=gettext_lazy("Asked for"), empty_value=NOTHING)
    def scopes(self, credential: OAuth2Credential) -> str:
        return ", ".join(str(scope) for scope in credential.profile.scopes.order_by("name"))

    @admin.display(description=gettext_lazy("Redirect URL"))
    def redirect_url(self, credential: OAuth2Credential) -> SafeString:
        return copyable(credential.registry.redirect_url, _("Redirect URL"))

    @admin.display(description=gettext_lazy("Initiator URL"), empty_value=NOTHING)
    def initiator(self, credential: OAuth2Credential) -> str:
        return initiator_text(credential)


def initiator_text(credential: OAuth2Credential | None) -> str:
    """Return the address that starts a sign-in, with a button to copy it; "" if people don't sign in."""
    if credential is None or not credential.is_personal or not can_be_signed_in_to(credential):
        return ""
    return copyable(f"{settings.SITE_URL}{initiator_url(credential)}", _("Initiator URL"))


def can_be_signed_in_to(credential: OAuth2Credential) -> bool:
    return credential.profile.grant_type != GrantType.CLIENT_CREDENTIALS or renewal.grants_to_us(credential)


def usable_by(user: Any, credential: OAuth2Credential) -> Integration | None:
    """Return the integration for which this administrator may get a token, for themselves or for the system."""
    if not can_be_signed_in_to(credential):
        return None
    try:
        return authorization.integration_for(cast(User, user), credential)
    except authorization.NotAvailable:
        return None


def tokens_link(credential: OAuth2Credential) -> dict[str, Any]:
    address = f"{reverse('admin:integrations_token_changelist')}?{urlencode({'credential_name': credential.name})}"
    return {"address": address, "count": credential.tokens.count()}


def describe_consequence(before: IntegrationType, count: int) -> str:
    if before == IntegrationType.SYSTEM:
        return _("The shared token is revoked and no longer used. People will each sign in with their own account.")
    return ngettext(
        "%(count)d person’s sign-in ends and is revoked. The system will use one shared token instead.",
        "The sign-ins of %(count)d people end and are revoked. The system will use one shared token instead.",
        count,
    ) % {"count": count}
