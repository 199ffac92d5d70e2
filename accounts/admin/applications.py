"""Admin of OAuth applications."""

import secrets
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts import privileges, scopes
from accounts.admin.people import RankLimitedAdmin
from accounts.audit import log
from accounts.models import User
from accounts.oauth_server import application_changes
from accounts.oauth_server.models import Application
from accounts.sign_in.middleware import client_address

NEW_SECRET = "_new_secret"  # noqa: S105 - the name of a button
SECRET_BYTES = 32
GRANT_TYPES = {
    Application.GRANT_AUTHORIZATION_CODE, Application.GRANT_CLIENT_CREDENTIALS, Application.GRANT_PASSWORD
}  # fmt: skip
FIELDS = [
    "name", "client_id", "client_type", "authorization_grant_type", "redirect_uris", "allowed_scopes",
    "first_party", "may_introspect", "user",
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
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Its tokens never have any other scope."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "authorization_grant_type" not in self.fields:  # view only: the form has just the fields declared here
            return
        scope_choices = [(scope, f"{scope} – {words}") for scope, words in scopes.all_scopes().items()]
        cast(forms.MultipleChoiceField, self.fields["allowed_scopes"]).choices = scope_choices
        self.initial["allowed_scopes"] = self.instance.scope_values
        grant_types = cast(forms.ChoiceField, self.fields["authorization_grant_type"])
        grant_types.choices = [choice for choice in Application.GRANT_TYPES if choice[0] in GRANT_TYPES]

    def clean_allowed_scopes(self) -> str:
        return " ".join(self.cleaned_data["allowed_scopes"])


@admin.register(Application)
class ApplicationAdmin(RankLimitedAdmin):
    """Read-only if a user who approved the application has more rights than the administrator."""

    form = ApplicationForm
    change_form_template = "admin/accounts/application/change_form.html"
    list_display = ["name", "client_id", "client_type", "authorization_grant_type", "first_party", "user"]
    list_filter = ["client_type", "authorization_grant_type", "first_party"]
    list_select_related = ["user"]
    search_fields = ["name", "client_id"]
    ordering = ["name"]
    readonly_fields = ["client_id", "user"]
    view_on_site = False  # there is no other page about it

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 3, "cols": 60})}}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Hide the client ID while adding: the empty form generates one that is not the one stored later."""
        return [name for name in FIELDS if obj or name not in {"client_id", "user"}]

    def is_above(self, request: HttpRequest, obj: Application) -> bool:
        """An administrator who changes the redirect URIs or learns a new secret could act as those who approved it."""
        return privileges.any_exceeds(application_changes.approvers(obj), cast(User, request.user))

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> Any:
        application = context.get("original")
        if application:
            context["approver_count"] = application_changes.approvers(application).count()
            context["is_above"] = self.is_above(request, application)
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """Generate the secret, if one is due. django-oauth-toolkit hashes it when the row is saved."""
        editor = cast(User, request.user)
        if not change:
            obj.user = editor
        if not change or NEW_SECRET in request.POST:
            obj.client_secret = obj.new_secret = secrets.token_urlsafe(SECRET_BYTES)
        with log.by(editor, client_address(request)):
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
            "title": _("Client secret of %(name)s") % {"name": obj.name or obj.client_id},
            "opts": self.opts,
            "original": obj,
            "client_id": obj.client_id,
            "client_secret": obj.new_secret,
        }
        return TemplateResponse(
            request, "admin/accounts/application/secret.html", context, headers={"Cache-Control": "no-store"}
        )
