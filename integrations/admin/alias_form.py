"""Forms of aliases and their connections."""

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.admin import move_confirmation
from integrations.admin.addresses import AddressInput, BaseAddressField, origin
from integrations.admin.credential_form import MOVES, CredentialForm
from integrations.admin.single_choice import Markable, OneOfFormSet
from integrations.models.registry import (
    Alias,
    AliasType,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    validation,
)
from integrations.models.tokens import Token

ONE_ACTIVE = gettext_lazy("This alias has another active connection; only one can be active.")


PERMISSIONS = ("integrations.change_alias", "integrations.change_oauth2credential")


def changeable_credential(alias: Alias | None, user: Any) -> OAuth2Credential | None:
    """The credential that the alias authenticates with, if nothing else uses it and the user may change both."""
    credential = alias.effective_credential if alias else None
    if alias is None or credential is None or not user.has_perms(PERMISSIONS):
        return None
    return credential if OAuth2Credential.objects.unused_without(aliases=[alias]).contains(credential) else None


class AliasForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Form of an alias. In the usual case, its credential is used by nothing else, and its profile is chosen here."""

    profile = forms.ModelChoiceField(
        label=gettext_lazy("OAuth Entity Profile"),
        queryset=OAuthEntityProfile.objects.select_related("registry").order_by("registry__name", "name"),
        required=False,
        empty_label=None,
        help_text=gettext_lazy("The provider that people sign in at, and the scopes that they are asked for."),
    )
    user: Any = None  # the administrator; set by the admin
    profile_widget: Any = None  # instead of a select, if there are very many profiles; set by the admin

    class Meta:
        model = Alias
        fields = [
            "name", "label", "description", "type", "credential", "groups", "allow_token_export", "agent_calls",
            "active", "inactive_reason",
        ]  # fmt: skip

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.credential = changeable_credential(self.instance, self.user)
        if self.credential:
            self.initial["profile"] = self.credential.profile_id
            self.complete_profiles()
        else:
            del self.fields["profile"]

    def complete_profiles(self) -> None:
        field = cast("forms.ModelChoiceField[OAuthEntityProfile]", self.fields["profile"])
        if self.profile_widget:
            self.profile_widget.choices = field.choices
            field.widget = self.profile_widget

    def clean_profile(self) -> OAuthEntityProfile | None:
        """Check a change as the form of the credential does. An empty field changes nothing."""
        profile: OAuthEntityProfile | None = self.cleaned_data["profile"]
        if self.credential and CredentialForm(instance=self.credential).moves_to_another_registry(profile):
            raise ValidationError(MOVES)
        return profile

    def save_profile(self) -> None:
        profile = self.cleaned_data.get("profile")
        if self.credential and profile and profile.pk != self.credential.profile_id:
            self.credential.profile = profile
            self.credential.save()

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("type") == AliasType.CONNECTION_AND_CREDENTIAL and fields.get("credential"):
            message = _("With the type Connection and Credential, the connection below names the credential.")
            self.add_error("credential", message)
        if not fields.get("active") and not fields.get("inactive_reason"):
            self.add_error("inactive_reason", _("Say why it’s off. People read this on their card."))
        return fields

    def save(self, commit: bool = True) -> Any:
        """Keep the moment it was turned off until it is on again."""
        if self.instance.active:
            self.instance.deactivated_at, self.instance.inactive_reason = None, ""
        elif self.instance.deactivated_at is None:
            self.instance.deactivated_at = timezone.now()
        return super().save(commit)


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of a connection.

    To send existing tokens to another host, an administrator must be allowed to change the registry and know its
    secret. Each user is then asked to confirm the new address.
    """

    same_provider = move_confirmation.SameProviderField()
    client_secret = move_confirmation.SecretAgainField()
    user: Any = None  # the administrator; set by the admin
    is_proved = False  # the secret was typed again, or there is none

    class Meta:
        model = HttpConnection
        fields = ["alias", "name", "credential", "connection_url", "active"]
        field_classes = {"connection_url": BaseAddressField}
        widgets = {"connection_url": AddressInput()}

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        credential, url = fields.get("credential"), fields.get("connection_url")
        value_names = credential.registry.readable_profile.kept_values() if credential else ()
        if url and (fault := validation.wrong_connection_url(url, value_names)):
            self.add_error("connection_url", fault)
        moved = {"credential", "connection_url", "active", "alias"} & set(self.changed_data)
        if moved and credential and url and fields.get("active"):
            self.check_host(credential, url)
        return fields

    def check_host(self, credential: OAuth2Credential, url: str) -> None:
        """Check whether the credential's tokens may go to a host that they don't go to yet."""
        in_use = credential.connections.filter(active=True).values_list("connection_url", flat=True)
        known_origins = {origin(address) for address in in_use}
        has_tokens = Token.objects.filter(credential=credential).exists()
        if origin(url) in known_origins or not (has_tokens or credential.connections.exists()):
            return
        if not self.user.has_perm(move_confirmation.OWNER):
            message = _(
                "To send its tokens to another host, you need permission to change the application registry "
                "“%(registry)s”."
            )
            self.add_error("connection_url", message % {"registry": credential.registry.name})
        elif has_tokens:
            self.check_proof(credential.registry, origin(url), known_origins)

    def check_proof(self, registry: ApplicationRegistry, new_origin: str, known_origins: set[str]) -> None:
        if move_confirmation.has_secret(registry):
            self.is_proved = move_confirmation.is_secret_of(
                registry, self.cleaned_data.get(move_confirmation.SECRET, "")
            )
            if not self.is_proved:
                move_confirmation.ask_for_secret(self, {new_origin}, known_origins)
        elif not self.cleaned_data.get(move_confirmation.SAME_PROVIDER):
            move_confirmation.ask_for_confirmation(self, {new_origin}, known_origins)
        else:
            self.is_proved = True


def for_user(form: type[Any], user: Any, **attributes: Any) -> type[Any]:
    """Return a subclass of the form with the administrator and these attributes of its class."""
    return type(form.__name__, (form,), {"user": user, **attributes})


class ConnectionRowForm(Markable, ConnectionForm):
    mark = "active"


class ConnectionFormSet(OneOfFormSet):
    mark = "active"
    too_many = ONE_ACTIVE
