"""Admin of OAuth applications."""

import secrets
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts import privileges
from accounts.admin.scope_boxes import ScopeBoxes, set_choices
from accounts.admin.users import RankLimitedAdmin
from accounts.audit import log
from accounts.models import User
from accounts.oauth_server import application_changes
from accounts.oauth_server.models import Application, Standing
from accounts.record_links import security_link
from accounts.sign_in.middleware import client_address

NEW_SECRET = "_new_secret"  # noqa: S105 - the name of a button
SECRET_BYTES = 32
PEOPLE_SHOWN = 50
GRANT_TYPES = {
    Application.GRANT_AUTHORIZATION_CODE, Application.GRANT_CLIENT_CREDENTIALS, Application.GRANT_DEVICE_CODE,
    Application.GRANT_PASSWORD,
}  # fmt: skip
FIELDS = [
    "name", "client_id", "standing", "client_type", "authorization_grant_type", "redirect_uris", "allowed_scopes",
    "first_party", "may_introspect", "user", "registration_source", "registered_from", "last_used_at", "people",
]  # fmt: skip

# django-oauth-toolkit's admins would show tokens. Users see what applications hold under Account Security.
for model in (
    get_access_token_model(), get_device_grant_model(), get_grant_model(), get_id_token_model(),
    get_refresh_token_model(), Application,
):  # fmt: skip
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    allowed_scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes it may ask for"),
        required=False,
        widget=ScopeBoxes,
        help_text=gettext_lazy("Its tokens never have any other scope."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "authorization_grant_type" not in self.fields:  # view only: the form has just the fields declared here
            return
        field = cast(forms.MultipleChoiceField, self.fields["allowed_scopes"])
        submitted = field.widget.value_from_datadict(self.data, self.files, self.add_prefix("allowed_scopes"))
        set_choices(field, self.instance.scope_values, submitted)
        self.initial["allowed_scopes"] = self.instance.scope_values
        grant_types = cast(forms.ChoiceField, self.fields["authorization_grant_type"])
        grant_types.choices = [choice for choice in Application.GRANT_TYPES if choice[0] in GRANT_TYPES]

    def clean_allowed_scopes(self) -> str:
        return " ".join(self.cleaned_data["allowed_scopes"])


@admin.register(Application)
class ApplicationAdmin(RankLimitedAdmin):
    """Standing is changed by actions. Read-only if a user who approved it has more rights than the administrator."""

    form = ApplicationForm
    change_form_template = "admin/accounts/application/change_form.html"
    list_display = [
        "name", "client_id", "standing", "client_type", "authorization_grant_type", "first_party", "user",
        "last_used_at",
    ]  # fmt: skip
    list_filter = ["standing", "registration_source", "client_type", "authorization_grant_type", "first_party"]
    list_select_related = ["user"]
    search_fields = ["name", "client_id"]
    ordering = ["name"]
    actions = ["allow_selected", "block_selected"]
    readonly_fields = [
        "client_id", "standing", "user", "registration_source", "registered_from", "last_used_at", "people",
    ]  # fmt: skip
    view_on_site = False  # there is no other page about it

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 3, "cols": 60})}}

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse lookups by the hash of the secret: searching by prefix would reveal it letter by letter."""
        return not lookup.startswith("client_secret") and super().lookup_allowed(lookup, value, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Hide the client ID while adding: the empty form generates one that is not the one stored later."""
        return [name for name in FIELDS if obj or name not in self.readonly_fields]

    def is_above(self, request: HttpRequest, obj: Application) -> bool:
        """An administrator who changes the redirect URIs or learns a new secret could act as those who approved it."""
        return privileges.any_exceeds(application_changes.approvers(obj), cast(User, request.user))

    @admin.display(description=gettext_lazy("People who use it"))
    def people(self, obj: Application) -> SafeString | str:
        """Links to the people for whom it can act now."""
        users = list(application_changes.approvers(obj).order_by("username")[: PEOPLE_SHOWN + 1])
        links = format_html_join(", ", "{}", ((security_link(user),) for user in users[:PEOPLE_SHOWN]))
        return format_html("{}{}", links, " …" if len(users) > PEOPLE_SHOWN else "") if users else "-"

    @admin.action(description=gettext_lazy("Allow selected OAuth Applications"), permissions=["change"])
    def allow_selected(self, request: HttpRequest, queryset: Any) -> None:
        self.set_standing(request, queryset, Standing.ALLOWED)

    @admin.action(description=gettext_lazy("Block selected OAuth Applications"), permissions=["change"])
    def block_selected(self, request: HttpRequest, queryset: Any) -> None:
        self.set_standing(request, queryset, Standing.BLOCKED)

    def set_standing(self, request: HttpRequest, queryset: Any, standing: Standing) -> None:
        """Save one by one, which ends what people approved, and leave out those above the administrator."""
        editor = cast(User, request.user)
        with log.attributed_to(editor, client_address(request)):
            for application in queryset:
                if self.is_above(request, application):
                    message = _(
                        "You can’t change %(name)s: a person who allowed it has rights in Keyrack that you lack."
                    )
                    self.message_user(request, message % {"name": application.title}, messages.ERROR)
                    continue
                application.standing = standing
                application.save(update_fields=["standing"])

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> Any:
        application = context.get("original")
        if application:
            context["approver_count"] = application_changes.approvers(application).count()
            context["is_above"] = self.is_above(request, application)
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """Generate the secret, if one is due. django-oauth-toolkit hashes it when the row is saved.

        A public client's is told to nobody: such a client sends none (RFC 6749 §2.1).
        """
        editor = cast(User, request.user)
        if not change:
            obj.user = editor
        if not change or NEW_SECRET in request.POST:
            obj.client_secret = secrets.token_urlsafe(SECRET_BYTES)
            obj.new_secret = obj.client_secret if obj.client_type == Application.CLIENT_CONFIDENTIAL else ""
        with log.attributed_to(editor, client_address(request)):
            super().save_model(request, obj, form, change)
        if obj.people_asked_again:
            message = ngettext(
                "The approval of %(count)d person has ended. They are asked again.",
                "The approvals of %(count)d people have ended. They are asked again.",
                obj.people_asked_again,
            )
            self.message_user(request, message % {"count": obj.people_asked_again}, messages.WARNING)

    def response_add(self, request: HttpRequest, obj: Application, post_url_continue: Any = None) -> HttpResponse:
        return self.secret_response(request, obj)

    def response_change(self, request: HttpRequest, obj: Application) -> HttpResponse:
        if NEW_SECRET in request.POST:
            return self.secret_response(request, obj)
        return super().response_change(request, obj)

    def secret_response(self, request: HttpRequest, obj: Application) -> HttpResponse:
        """Show the new secret once. Not as a message, which would travel in a cookie; the row holds only the hash."""
        context = {
            **self.admin_site.each_context(request),
            "title": (_("Client secret of %(name)s") if obj.new_secret else _("Client ID of %(name)s"))
            % {"name": obj.title},
            "opts": self.opts,
            "original": obj,
            "client_id": obj.client_id,
            "client_secret": obj.new_secret,
        }
        return TemplateResponse(
            request, "admin/accounts/application/secret.html", context, headers={"Cache-Control": "no-store"}
        )
