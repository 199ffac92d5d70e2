"""People, their permissions, and the applications that may act as them, in the admin."""

import secrets
from typing import Any, cast

from axes.models import AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts import scopes
from accounts.models import Application, User

NEW_SECRET = "_new_secret"  # noqa: S105 - the name of a button
SECRET_BYTES = 32
GRANT_TYPES = {
    Application.GRANT_AUTHORIZATION_CODE, Application.GRANT_CLIENT_CREDENTIALS, Application.GRANT_PASSWORD
}  # fmt: skip

admin.site.register(User, UserAdmin)

# What the server keeps for itself (people see theirs on Account Security), and what django-axes is told not to write.
for kept in (
    get_access_token_model(), get_device_grant_model(), get_grant_model(), get_id_token_model(),
    get_refresh_token_model(), Application, AccessFailureLog, AccessLog,
):  # fmt: skip
    if admin.site.is_registered(kept):
        admin.site.unregister(kept)


FIELDS = [
    "name", "client_id", "client_type", "authorization_grant_type", "redirect_uris", "allowed_scopes",
    "first_party", "may_introspect", "user",
]  # fmt: skip


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    allowed_scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes it may ask for"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("It can be given no others."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "allowed_scopes" not in self.fields:  # somebody who may only look
            return
        known = [(scope, f"{scope} – {words}") for scope, words in scopes.all_scopes().items()]
        cast(forms.MultipleChoiceField, self.fields["allowed_scopes"]).choices = known
        self.initial["allowed_scopes"] = self.instance.scope_values
        grant_types = cast(forms.ChoiceField, self.fields["authorization_grant_type"])
        grant_types.choices = [choice for choice in Application.GRANT_TYPES if choice[0] in GRANT_TYPES]

    def clean_allowed_scopes(self) -> str:
        return " ".join(self.cleaned_data["allowed_scopes"])


@admin.register(Application)
class ApplicationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    form = ApplicationForm
    change_form_template = "admin/accounts/application/change_form.html"
    list_display = ["name", "client_id", "client_type", "authorization_grant_type", "first_party", "user"]
    list_filter = ["client_type", "authorization_grant_type", "first_party"]
    list_select_related = ["user"]
    search_fields = ["name", "client_id"]
    ordering = ["name"]
    readonly_fields = ["client_id", "user"]

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 3, "cols": 60})}}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new one has no id to show yet: the one on an empty form would not be the one that is stored."""
        return [name for name in FIELDS if obj or name not in {"client_id", "user"}]

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """A secret is made, never typed; django-oauth-toolkit hashes it when the row is saved."""
        if not change:
            obj.user = request.user
        if not change or NEW_SECRET in request.POST:
            obj.client_secret = obj.made_secret = secrets.token_urlsafe(SECRET_BYTES)
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Application, post_url_continue: Any = None) -> HttpResponse:
        return self.show_once(request, obj)

    def response_change(self, request: HttpRequest, obj: Application) -> HttpResponse:
        if NEW_SECRET in request.POST:
            return self.show_once(request, obj)
        return super().response_change(request, obj)

    def show_once(self, request: HttpRequest, obj: Application) -> HttpResponse:
        """Not by way of a message, which would travel through a cookie. Django hashed the one in the row."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Client secret of %(name)s") % {"name": obj.name or obj.client_id},
            "opts": self.opts,
            "original": obj,
            "client_id": obj.client_id,
            "client_secret": obj.made_secret,
        }
        return TemplateResponse(
            request, "admin/accounts/application/secret.html", context, headers={"Cache-Control": "no-store"}
        )
