"""Admin of users, bots and groups, and of where two-step sign-in is required.

Administrators are limited to rights that they have themselves.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import privileges
from accounts.models import User
from accounts.sign_in import email_addresses, mfa
from accounts.sign_in.models import TwoStepRequirement
from foundation.name_lists import isolate_name

# Ranks ----------------------------------------------------------------------------------------------------------------


def permissions_of(user: Any) -> QuerySet[Permission]:
    """The permissions that this user has, and so may grant."""
    if user.is_superuser:
        return Permission.objects.all()
    granted = Q(user=user) | Q(group__user=user)
    return Permission.objects.filter(pk__in=Permission.objects.filter(granted).values("pk"))


def is_group_above(user: Any, group: Group) -> bool:
    """Whether changing the group takes rights that `user` lacks: membership and all of its permissions."""
    if user.is_superuser:
        return False
    beyond = group.permissions.exclude(pk__in=permissions_of(user).values("pk"))
    return group.pk not in privileges.group_ids(user) or beyond.exists()


class RankLimitedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Offers the permissions and groups that the administrator has. Rows above their rank are read-only."""

    def is_above(self, request: HttpRequest, obj: Any) -> bool:
        """Whether changing `obj` would give the administrator rights that they lack."""
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and self.is_above(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and self.is_above(request, obj))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        if db_field.name in {"permissions", "user_permissions"}:
            field.queryset = field.queryset & permissions_of(request.user)
        elif db_field.name == "groups" and not request.user.is_superuser:
            field.queryset = field.queryset.filter(pk__in=privileges.group_ids(request.user))
        return field

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Protect rows above the administrator from the bulk action too, which asks for no permission by row."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        above = [str(obj) for obj in objs if self.is_above(request, obj)]
        return deleted, counts, lacking, [*above, *protected]


# Users ----------------------------------------------------------------------------------------------------------------


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Form for a new user. Ignores the password of a bot."""

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("is_bot"):
            self.cleaned_data["usable_password"] = "false"  # noqa: S105 - the value of a radio button
        return super().clean() or self.cleaned_data


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # as above
    """Takes the password away from a user who becomes a bot, which ends their sessions."""

    def clean(self) -> dict[str, Any]:
        cleaned_data: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned_data.get("is_bot") and self.instance.has_usable_password():
            cleaned_data["password"] = make_password(None)
        return cleaned_data


class TwoStepFilter(admin.SimpleListFilter):
    title = _("two-step sign-in")
    parameter_name = "two_steps"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("on", _("On")), ("off", _("Off")), ("missing", _("Required, not set up"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = {"on": mfa.has_step(), "off": ~mfa.has_step(), "missing": ~mfa.is_satisfied()}
        return queryset.filter(condition[self.value()]) if self.value() in condition else queryset  # type: ignore[index]


@admin.register(User)
class PeopleAdmin(RankLimitedAdmin, UserAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    form = UserForm
    add_form = NewUserForm
    list_display = ["username", "is_bot", "two_steps", "email", "first_name", "last_name", "is_staff"]
    list_filter = [*UserAdmin.list_filter, "is_bot", TwoStepFilter]
    autocomplete_fields = ["owners"]
    fieldsets = [*UserAdmin.fieldsets, (_("Bot"), {"fields": ["is_bot", "owners"]})]  # type: ignore[misc]  # a tuple
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["username", "is_bot", "usable_password", "password1", "password2"]})
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        conditions = {"has_two_steps": mfa.has_step(), "lacks_second_step": ~mfa.is_satisfied()}
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**conditions)
        return rows

    def is_above(self, request: HttpRequest, obj: User) -> bool:
        return privileges.exceeds_rights(obj, request.user)  # type: ignore[arg-type]  # the admin requires a signed-in user

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the password, which is a link to change it, for who may only look."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return [
            (name, {**options, "fields": [field for field in options["fields"] if field != "password"]})
            for name, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = [*super().get_readonly_fields(request, obj), "last_login", "date_joined"]
        return readonly if request.user.is_superuser else [*readonly, "is_superuser"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        others = email_addresses.others_with(obj.email, obj) if "email" in form.changed_data and not obj.is_bot else []
        for other in others:
            sentence = gettext(
                "The account %(name)s has this address too. Who reads its mails can set the passwords of both, and "
                "neither can sign in by it, only by username."
            )
            messages.warning(request, sentence % {"name": isolate_name(other.get_username())})

    @admin.display(description=_("Two-step sign-in"))
    def two_steps(self, user: Any) -> str:
        if user.lacks_second_step:
            return gettext("Required, not set up")
        return gettext("On") if user.has_two_steps else "–"

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user and user.is_bot:
            messages.error(request, gettext("A bot has no password. It works with permanent tokens."))
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[user.pk]))
        return super().user_change_password(request, id, form_url)


# Groups ---------------------------------------------------------------------------------------------------------------


admin.site.unregister(Group)  # Django's own knows no ranks


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    requires_two_steps = forms.BooleanField(
        label=_("Requires two-step sign-in"),
        required=False,
        help_text=_(
            "Members without it are led to set it up and can use nothing else until then; programs that act as them "
            "stop. Bots work on: they cannot sign in."
        ),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.instance.pk:
            self.initial["requires_two_steps"] = TwoStepRequirement.objects.filter(group=self.instance).exists()


@admin.register(Group)
class GroupsAdmin(RankLimitedAdmin, GroupAdmin):  # type: ignore[misc]  # the stubs name the arguments differently
    form = GroupForm
    fields = ["name", "requires_two_steps", "permissions"]
    list_display = ["name", "requires_two_steps"]
    list_select_related = ["two_step_requirement"]

    def is_above(self, request: HttpRequest, obj: Group) -> bool:
        return is_group_above(request.user, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Protect the only groups that something is restricted to. It would be open to everybody."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        restricted = privileges.rows_only_for(Group.objects.filter(pk__in=[group.pk for group in objs]))
        return deleted, counts, lacking, [*map(privileges.only_for_them, restricted), *protected]

    @admin.display(description=_("Requires two-step sign-in"), boolean=True)
    def requires_two_steps(self, group: Group) -> bool:
        return hasattr(group, "two_step_requirement")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "requires_two_steps" not in form.changed_data:
            return
        requirements = TwoStepRequirement.objects.filter(group=form.instance)
        if form.cleaned_data["requires_two_steps"]:
            TwoStepRequirement.objects.get_or_create(group=form.instance)
        else:
            for requirement in requirements:
                requirement.delete()


@admin.register(TwoStepRequirement)
class TwoStepRequirementAdmin(RankLimitedAdmin):
    """The groups that require two-step sign-in, and whether staff does. Only superusers decide about staff."""

    list_display = ["__str__"]
    list_select_related = ["group"]

    def is_above(self, request: HttpRequest, obj: TwoStepRequirement) -> bool:
        if obj.group is None:
            return not request.user.is_superuser
        return is_group_above(request.user, obj.group)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # there is nothing to change

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **options)
        user = request.user
        if not user.is_superuser:
            changeable = [group.pk for group in Group.objects.all() if not is_group_above(user, group)]
            field.queryset = field.queryset.filter(pk__in=changeable)
            field.required = True
        return field
