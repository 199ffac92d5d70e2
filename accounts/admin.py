"""People, their permissions, and the applications that may act as them, in the admin."""

import secrets
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
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

from accounts import privileges, scopes
from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server import application_changes
from accounts.oauth_server.models import Application
from accounts.people_admin import GroupsAdmin, PeopleAdmin, WithinOnesRank
from accounts.sign_in.lockout import client_address
from accounts.sign_in.models import AttemptCounter

NEW_SECRET = "_new_secret"  # noqa: S105 - the name of a button
SECRET_BYTES = 32
GRANT_TYPES = {
    Application.GRANT_AUTHORIZATION_CODE, Application.GRANT_CLIENT_CREDENTIALS, Application.GRANT_PASSWORD
}  # fmt: skip

admin.site.register(User, PeopleAdmin)
admin.site.unregister(Group)
admin.site.register(Group, GroupsAdmin)

# What the server keeps for itself (people see theirs on Account Security).
for kept in (
    get_access_token_model(), get_device_grant_model(), get_grant_model(), get_id_token_model(),
    get_refresh_token_model(), Application, Authenticator, EmailAddress, UserSession,
):  # fmt: skip
    if admin.site.is_registered(kept):
        admin.site.unregister(kept)


@admin.register(AttemptCounter)
class FailedSignInsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Deleting a line lets people in again before the time is up."""

    list_display = ["counter", "failures", "ends_at"]
    search_fields = ["counter"]
    ordering = ["-ends_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LookAndDelete(WithinOnesRank):
    """What people have set up for themselves: whoever could write here could sign in as them."""

    def is_above(self, request: HttpRequest, obj: Any) -> bool:
        """Without a second step, whoever learns the password of somebody stronger is somebody stronger."""
        return privileges.exceeds(obj.user, cast(User, request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(EmailAddress)
class EmailAddressAdmin(LookAndDelete):
    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["verified"]
    list_select_related = ["user"]
    search_fields = ["email", "user__username"]


@admin.register(Authenticator)
class AuthenticatorAdmin(LookAndDelete):
    """Who has which second step, to be deleted for a person who has lost it. Never what it consists of."""

    fields = ["user", "type", "created_at", "last_used_at"]
    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__username"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("data")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A search by the start of a secret would tell it letter by letter."""
        return not lookup.startswith("data") and super().lookup_allowed(lookup, value, request)

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        super().delete_model(request, obj)
        authenticator_removed.send(sender=Authenticator, request=request, user=obj.user, authenticator=obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for each in queryset.select_related("user"):
            self.delete_model(request, each)


FIELDS = [
    "name", "client_id", "client_type", "authorization_grant_type", "redirect_uris", "allowed_scopes",
    "first_party", "may_introspect", "user",
]  # fmt: skip


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    allowed_scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes it may ask for"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Its tokens never have any other scope."),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "authorization_grant_type" not in self.fields:  # for viewing only: no field but those declared here
            return
        known = [(scope, f"{scope} – {words}") for scope, words in scopes.all_scopes().items()]
        cast(forms.MultipleChoiceField, self.fields["allowed_scopes"]).choices = known
        self.initial["allowed_scopes"] = self.instance.scope_values
        grant_types = cast(forms.ChoiceField, self.fields["authorization_grant_type"])
        grant_types.choices = [choice for choice in Application.GRANT_TYPES if choice[0] in GRANT_TYPES]

    def clean_allowed_scopes(self) -> str:
        return " ".join(self.cleaned_data["allowed_scopes"])


@admin.register(Application)
class ApplicationAdmin(WithinOnesRank):
    """Look-only where somebody who approved the application may do more than the administrator."""

    form = ApplicationForm
    change_form_template = "admin/accounts/application/change_form.html"
    list_display = ["name", "client_id", "client_type", "authorization_grant_type", "first_party", "user"]
    list_filter = ["client_type", "authorization_grant_type", "first_party"]
    list_select_related = ["user"]
    search_fields = ["name", "client_id"]
    ordering = ["name"]
    readonly_fields = ["client_id", "user"]
    view_on_site = False  # this is the only page about it

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs={"rows": 3, "cols": 60})}}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new one has no id to show yet: the one on an empty form would not be the one that is stored."""
        return [name for name in FIELDS if obj or name not in {"client_id", "user"}]

    def is_above(self, request: HttpRequest, obj: Application) -> bool:
        """Who may change where the answers go, or learns a new secret, could act as them."""
        return privileges.any_exceeds(application_changes.approvers(obj), cast(User, request.user))

    def render_change_form(self, request: HttpRequest, context: Any, *arguments: Any, **options: Any) -> Any:
        application = context.get("original")
        if application:
            context["approver_count"] = application_changes.approvers(application).count()
            context["is_above"] = self.is_above(request, application)
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """A secret is made, never typed; django-oauth-toolkit hashes it when the row is saved."""
        editor = cast(User, request.user)
        if not change:
            obj.user = editor
        if not change or NEW_SECRET in request.POST:
            obj.client_secret = obj.made_secret = secrets.token_urlsafe(SECRET_BYTES)
        with log.by(editor, client_address(request)):
            super().save_model(request, obj, form, change)
        if obj.asked_again:
            told = ngettext(
                "What %(count)d person allowed has ended; they are asked again.",
                "What %(count)d people allowed has ended; they are asked again.",
                obj.asked_again,
            )
            self.message_user(request, told % {"count": obj.asked_again}, messages.WARNING)

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


class LongLivedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Everything but the secret, of which there is nothing. They are made on people's Account Security pages."""

    list_display_links = None
    list_filter = ["created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    ordering = ["-created_at"]
    list_per_page = 50

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).alive()  # type: ignore[attr-defined, no-any-return]  # of both models

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Guessing a hash by its beginning is guessing."""
        return lookup.partition("__")[0] in {"created_at", "last_used_at"}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **options: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row and row.user != request.user and self.has_view_permission(request, row):
            viewer = cast(User, request.user)
            log.write(log.Kind.LOOKED_AT, whose=row.user, who=viewer, address=client_address(request))
        return super().change_view(request, object_id, *arguments, **options)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        operations.end(obj, who=cast(User, request.user), address=client_address(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    @admin.display(description=gettext_lazy("Whose"), ordering="user__username")
    def whose(self, row: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("accounts:security-of", args=[row.user_id]), row.user)

    @admin.display(description=gettext_lazy("Scopes"))
    def scope_names(self, row: Any) -> str:
        return ", ".join(row.scopes)


@admin.register(PermanentToken)
class PermanentTokenAdmin(LongLivedAdmin):
    list_display = [
        "name", "whose", "public_id", "scope_names", "expires_at", "last_used_at", "last_used_from", "maker",
    ]  # fmt: skip
    fields = ["name", "user", "public_id", "scope_names", "created_at", "maker", "expires_at", "last_used_at"]
    search_fields = ["name", "user__username", "public_id"]
    list_select_related = ["user", "created_by"]
    readonly_fields = ["maker"]

    @admin.display(description=gettext_lazy("Created by"), ordering="created_by_name")
    def maker(self, row: PermanentToken) -> str:
        return row.maker_name


@admin.register(ApplicationPassword)
class ApplicationPasswordAdmin(LongLivedAdmin):
    list_display = ["name", "whose", "scope_names", "last_used_at", "last_used_from", "created_at"]
    fields = ["name", "user", "scope_names", "created_at", "last_used_at"]


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """The diary. It writes itself; nobody edits it, and only `prune_diary` lets go of what is old."""

    list_display = ["at", "kind", "whose_name", "who_name", "subject", "detail", "address"]
    list_filter = ["kind", "at"]
    search_fields = ["whose_name", "who_name", "subject", "detail", "address"]
    ordering = ["-at"]
    show_full_result_count = False  # it grows for ever
    fields = ["at", "kind", "whose_name", "who_name", "subject", "detail", "address"]

    class Media:
        css = {"all": ["keyrack/admin-pages.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
