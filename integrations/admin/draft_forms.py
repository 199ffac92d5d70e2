"""Forms of Add a provider: by hand, and who may use it. `enter_form` is the one between them."""

from typing import Any, cast

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from integrations.admin.addresses import AddressField, BaseAddressField, PageField
from integrations.admin.metadata_filling import read_scopes
from integrations.models import admission
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import Alias, ApplicationRegistry, ClientAuthentication, validation
from integrations.provider_setup import drafts

SECRET = "client_secret"  # noqa: S105 - a name of a field
BOXES_AT_MOST = 12  # groups; from then on with a search field


def style_fields(form: forms.Form) -> None:
    """Give the fields the classes of the product's pages, and connect them with their hints and errors."""
    first_error = next(iter(form.errors), "") if form.is_bound else ""
    for bound in form:
        widget, described = bound.field.widget, []
        if isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
            continue
        classes = ["input"]
        if isinstance(widget, forms.URLInput) or bound.name in {"client_id", SECRET, "scopes_text", "alias"}:
            classes.append("input--code")
        widget.attrs = {**widget.attrs, "class": " ".join(classes)}
        if bound.help_text:
            described.append(f"{bound.auto_id}_hint")
        if bound.errors:
            described.append(f"{bound.auto_id}_error")
            widget.attrs["aria-invalid"] = "true"
        if bound.name == first_error:
            widget.attrs["autofocus"] = True
        if described:
            widget.attrs["aria-describedby"] = " ".join(described)


def typed_values(form: forms.Form) -> dict[str, Any]:
    """Return what was typed, valid or not, without the secret and files."""
    return {
        name: field.widget.value_from_datadict(form.data, form.files, name)
        for name, field in form.fields.items()
        if name != SECRET and not isinstance(field, forms.FileField)
    }


class HandForm(forms.Form):
    """What a template would say, entered by hand or read from the server's metadata."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=95)
    issuer = AddressField(
        label=gettext_lazy("Issuer"),
        required=False,
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("If the provider names one, exactly as it writes it. Otherwise leave it empty."),
    )
    authorization_url = PageField(
        label=gettext_lazy("Authorization URL"),
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("People are sent there to sign in."),
    )
    token_url = AddressField(
        label=gettext_lazy("Token URL"),
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("Keyrack exchanges codes for tokens there, with the Client Secret."),
    )
    connection_url = BaseAddressField(
        label=gettext_lazy("Connection URL"),
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("Base address of its API. Calls of people go there."),
    )
    send_credentials = forms.ChoiceField(
        label=gettext_lazy("Send Credentials"),
        choices=ClientAuthentication.choices,
        initial=ClientAuthentication.BASIC,
        help_text=gettext_lazy("How Keyrack shows its secret. A wrong choice looks like a wrong secret."),
    )
    scopes_text = forms.CharField(
        label=gettext_lazy("Scopes"),
        required=False,
        help_text=gettext_lazy("What people are asked for, separated by spaces."),
    )
    token_revocation_url = AddressField(
        label=gettext_lazy("Token Revocation URL"),
        required=False,
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("Without it, a revoke ends access here only."),
    )
    userinfo_url = AddressField(
        label=gettext_lazy("Userinfo URL"),
        required=False,
        max_length=500,
        widget=forms.URLInput,
        help_text=gettext_lazy("Called once after the sign-in, to show people their account’s name."),
    )
    token_introspection_url = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)
    names_issuer = forms.CharField(required=False, widget=forms.HiddenInput)
    MORE = ("token_revocation_url", "userinfo_url")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        style_fields(self)

    def clean_scopes_text(self) -> list[str]:
        return read_scopes(self.cleaned_data["scopes_text"])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if not self.errors:
            registry = ApplicationRegistry(client_id="sample", **self.registry_fields())
            for name, message in validation.find_faults(registry):
                self.add_error(name if name in self.fields else None, message)
        style_fields(self)
        return fields

    @property
    def essentials(self) -> list[forms.BoundField]:
        return [bound for bound in self.visible_fields() if bound.name not in self.MORE]

    @property
    def more(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MORE]

    @property
    def more_differs(self) -> bool:
        """Whether the folded part has something to show."""
        return any(bound.value() or bound.errors for bound in self.more)

    def registry_fields(self) -> dict[str, Any]:
        names = ("issuer", "authorization_url", "token_url", "token_revocation_url", "token_introspection_url",
                 "userinfo_url", "send_credentials")  # fmt: skip
        texts = {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}
        return {**texts, "names_issuer": bool(self.cleaned_data.get("names_issuer"))}

    def definition(self) -> dict[str, Any]:
        """What was entered, in the form of a configuration template."""
        return {
            "description": self.cleaned_data["name"],
            "registry": self.registry_fields(),
            "connection_url": self.cleaned_data["connection_url"],
            "scopes": [
                {"scope": scope, "name": scope[:100], "chosen": True} for scope in self.cleaned_data["scopes_text"]
            ],
        }


class GroupsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not subscriptable at run time
    """Groups, each with the number of its people who have the role."""

    def label_from_instance(self, obj: Any) -> str:
        text = ngettext("%(name)s (%(count)d person)", "%(name)s (%(count)d people)", obj.people)
        return text % {"name": obj.name, "count": obj.people}


class ShareForm(forms.Form):
    """Step 3: who may use it, and what they read."""

    who = forms.ChoiceField(
        label=gettext_lazy("Who may use it"),
        choices=[
            ("all", gettext_lazy("Everybody with the role Personal Auth User")),
            ("some", gettext_lazy("Only some groups")),
        ],
        widget=forms.RadioSelect,
        initial="all",
    )
    groups = GroupsField(
        label=gettext_lazy("Groups"),
        queryset=Group.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    label = forms.CharField(label=gettext_lazy("Name on the card"), max_length=100)
    description = forms.CharField(
        label=gettext_lazy("One sentence about it"), required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    alias = forms.CharField(
        label=gettext_lazy("Alias"),
        max_length=80,
        validators=Alias._meta.get_field("name").validators,
        help_text=gettext_lazy("The name that programs use: letters, digits and underscores."),
    )

    def __init__(self, draft: ProviderDraft, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        people = User.objects.filter(admission.may_use_any(OuterRef("pk")))
        groups = Group.objects.annotate(people=Count("user", filter=Q(user__in=people))).order_by("name")
        cast(GroupsField, self.fields["groups"]).queryset = groups
        self.everybody = people.count()
        description = "" if draft.read.description == draft.name else draft.read.description
        self.initial = {
            "who": "all",
            "label": draft.name,
            "description": description,
            "alias": drafts.free_alias(draft.name),
            **draft.entered.get("sharing", {}),
        }
        style_fields(self)

    def clean_alias(self) -> str:
        name = str(self.cleaned_data["alias"])
        if Alias.objects.filter(name=name).exists():
            raise ValidationError(_("There’s already an alias with this name."))
        return name

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("who") == "some" and not fields.get("groups"):
            self.add_error("groups", _("Choose at least one group."))
        style_fields(self)
        return fields

    @property
    def has_search(self) -> bool:
        return len(self.fields["groups"].choices) > BOXES_AT_MOST  # type: ignore[attr-defined]  # it has

    def chosen_groups(self) -> list[Group]:
        return list(self.cleaned_data["groups"]) if self.cleaned_data["who"] == "some" else []

    def entered(self) -> dict[str, Any]:
        return {
            name: field.widget.value_from_datadict(self.data, self.files, name) for name, field in self.fields.items()
        }
