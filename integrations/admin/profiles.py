"""Admin of OAuth Entity Scopes and Profiles, inline on the registry's page and on their own pages."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from integrations.admin.base import Page, RowForm, RowFormSet
from integrations.admin.single_choice import Markable, OneOfFormSet
from integrations.models.registry import ApplicationRegistry, GrantType, OAuthEntityProfile, OAuthEntityScope

AS_THE_REGISTRY = [("", _("As the Default Grant Type"))]


class ProfileForm(Markable, forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Form of a profile. Offers the scopes of its own registry only."""

    mark = "is_default"
    scopes = forms.ModelMultipleChoiceField(
        OAuthEntityScope.objects.none(), label=_("Scopes"), required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = OAuthEntityProfile
        fields = ["name", "grant_type", "is_default", "scopes"]

    def __init__(self, *arguments: Any, registry: Any = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.registry = registry
        registry_id = registry.pk if registry else self.instance.registry_id
        field = cast("forms.ModelMultipleChoiceField[OAuthEntityScope]", self.fields["scopes"])
        field.queryset = OAuthEntityScope.objects.filter(registry=registry_id).order_by("name")


class ProfileRowForm(ProfileForm):
    """Form of a profile's row. A new row defaults to the registry's grant type."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "grant_type" in self.fields and self.instance._state.adding:
            self.fields["grant_type"] = forms.ChoiceField(
                label=_("Grant type"), choices=[*AS_THE_REGISTRY, *GrantType.choices], required=False
            )
            self.initial["grant_type"] = ""

    def clean_grant_type(self) -> str:
        return str(self.cleaned_data["grant_type"] or self.registry.default_grant_type)


class KeepsReservedId:
    """Formset mixin that keeps the reserved id of a new registry, which Django would reset."""

    instance: ApplicationRegistry

    def add_fields(self, form: Any, index: int | None) -> None:
        reserved = self.instance.pk
        super().add_fields(form, index)  # type: ignore[misc]  # a formset's
        self.instance.pk = reserved


class ScopeFormSet(KeepsReservedId, RowFormSet):
    """Formset of scopes."""


class ProfileFormSet(KeepsReservedId, OneOfFormSet):
    mark = "is_default"
    too_many = _("Only one profile of a registry can be the default.")

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "registry": self.instance}


class ProfileInline(admin.StackedInline):  # type: ignore[type-arg]
    model = OAuthEntityProfile
    form = ProfileRowForm
    formset = ProfileFormSet
    ordering = ["name"]
    show_change_link = True

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        line = ("name", "grant_type", "is_default")
        if obj is None:
            note = _("When first saved, the default profile gets all scopes above. You can change that afterwards.")
            return [(None, {"fields": [line], "description": note})]
        return [(None, {"fields": [line, "scopes"]})]

    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 0 if obj else 1


class ScopeInline(admin.TabularInline):  # type: ignore[type-arg]
    model = OAuthEntityScope
    form = RowForm
    formset = ScopeFormSet
    fields = ["name", "scope"]
    ordering = ["name"]

    def get_extra(self, request: HttpRequest, obj: Any = None, **options: Any) -> int:
        return 1 if obj else 3


class BelongsToRegistry(Page):
    """Admin of rows that can't move to another registry, because credentials and tokens depend on them."""

    list_select_related = ["registry"]
    ordering = ["registry__name", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["registry"] if obj else []


@admin.register(OAuthEntityScope)
class ScopeAdmin(BelongsToRegistry):
    list_display = ["name", "scope", "registry"]
    list_filter = ["registry"]
    search_fields = ["name", "scope"]
    fields = ["registry", "name", "scope"]


@admin.register(OAuthEntityProfile)
class ProfileAdmin(BelongsToRegistry):
    form = ProfileForm
    list_display = ["name", "registry", "grant_type", "is_default"]
    list_filter = ["registry", "grant_type"]
    search_fields = ["name", "registry__name"]
    tokens_below = "credential__profile"
    deletion_note = _("Delete or move its credentials first. That ends these sign-ins.")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["registry", "name", "grant_type", "is_default", *(["scopes"] if obj else [])]

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Continue to the change page, where its scopes can be chosen: they depend on the registry."""
        if not {"_addanother", "_popup"} & request.POST.keys():
            typed = request.POST.copy()
            typed["_continue"] = "1"
            request.POST = cast(Any, typed)
        return super().response_add(request, obj, post_url_continue)

    def save_model(self, request: HttpRequest, obj: OAuthEntityProfile, form: Any, change: bool) -> None:
        """Clear the old default first: the database allows one per registry."""
        if obj.is_default:
            for other in other_defaults(obj):
                other.is_default = False
                other.save(update_fields=["is_default"])  # one by one, for the audit log
        super().save_model(request, obj, form, change)


def other_defaults(profile: OAuthEntityProfile) -> QuerySet[OAuthEntityProfile]:
    return OAuthEntityProfile.objects.filter(registry=profile.registry, is_default=True).exclude(pk=profile.pk)


def set_default_profile(registry: ApplicationRegistry) -> None:
    """Give a new registry a default profile with all its scopes, so that it is usable at once."""
    profile = registry.profiles.order_by("-is_default", "name").first()
    if profile is None:
        profile = OAuthEntityProfile(registry=registry, name="Default", grant_type=registry.default_grant_type)
    profile.is_default = True
    profile.save()
    profile.scopes.set(registry.scopes.all())
