"""Admin of connect links. The link itself is shown once, in the response to the form that creates it."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.debug import sensitive_variables

from accounts import privileges
from accounts.audit import log
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.admin.base import Page
from integrations.connections import authorization
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import Alias
from integrations.models.tokens import ConnectLink

ADDED = ["user", "alias", "hours"]
HOURS = [(1, gettext_lazy("1 hour")), (24, gettext_lazy("1 day")), (24 * 7, gettext_lazy("7 days"))]


class ConnectLinkForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    hours = forms.TypedChoiceField(label=gettext_lazy("Works for"), choices=HOURS, coerce=int, initial=24)
    maker: User

    class Meta:
        model = ConnectLink
        fields = ["user", "alias"]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["alias"].queryset = Alias.objects.personal().filter(active=True)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned_data = super().clean() or self.cleaned_data
        user, alias = cleaned_data.get("user"), cleaned_data.get("alias")
        if user and alias and (refusal := authorization.link_refusal(user, alias, self.maker)):
            raise forms.ValidationError(refusal)
        return cleaned_data


@admin.register(ConnectLink)
class ConnectLinkAdmin(Page):
    autocomplete_fields = ["user"]
    list_display = ["user", "alias", "state", "created_by", "created_at", "expires_at", "helper", "used_at"]
    list_filter = ["alias", "created_at"]
    list_select_related = ["user", "alias", "created_by", "helper"]
    search_fields = ["user__username", "alias__name", "alias__label"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # there is nothing to change; deleting withdraws it

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and privileges.exceeds_rights(obj.user, cast(User, request.user))
        return super().has_delete_permission(request, obj) and not is_above

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["user", "alias", "created_by", "created_at", "expires_at", "helper", "used_at"] if obj else ADDED

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if obj:  # read-only
            return super().get_form(request, obj, change=change, **options)
        form = super().get_form(request, obj, change=change, form=ConnectLinkForm, **options)
        return type("Form", (form,), {"maker": request.user})

    @admin.display(description=gettext_lazy("State"))
    def state(self, link: ConnectLink) -> str:
        if link.used_at:
            return _("Used")
        return _("Expired") if link.is_over else pgettext("link", "Waiting")

    @sensitive_variables("secret")
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = form.cleaned_data
        maker, lifetime = cast(User, request.user), timedelta(hours=values["hours"])
        with log.attributed_to(maker, client_address(request)):
            link, secret = authorization.create_connect_link(
                values["user"], values["alias"], by=maker, lifetime=lifetime
            )
        obj.__dict__.update(link.__dict__)
        obj.address = f"{settings.SITE_URL}{reverse('integrations:open_connect_link', args=[secret])}"

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """Show the link once. Not as a message, which would travel in a cookie; the row holds only the hash."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Connect link for %(name)s") % {"name": obj.user},
            "opts": self.opts,
            "original": obj,
            "address": obj.address,
        }
        template = "admin/integrations/connectlink/address.html"
        return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})

    def delete_model(self, request: HttpRequest, obj: ConnectLink) -> None:
        super().delete_model(request, obj)
        events.log_event(obj.user, obj.alias.effective_credential, EventKind.CONNECT_LINK_DELETED, obj.alias.title)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for link in queryset.with_people():
            if self.has_delete_permission(request, link):
                self.delete_model(request, link)
