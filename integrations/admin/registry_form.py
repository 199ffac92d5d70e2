"""Form of application registries. To send the stored secret elsewhere, it must be typed again."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Field
from django.forms.utils import ErrorDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from foundation.oauth_client import dialects
from foundation.oauth_client.dialects import BadDialect
from foundation.secrets_at_rest import NoKeys, keyring
from integrations import registration_health
from integrations.admin import move_confirmation
from integrations.admin.addresses import AddressField, AddressInput, BaseAddressField, LinkField, PageField
from integrations.admin.json_field import JsonField, ProviderProfileField
from integrations.admin.registry_fields import HELP_TEXTS
from integrations.models.registry import (
    LOGO_LIMIT,
    ApplicationRegistry,
    ClientAuthentication,
    RevocationReach,
    Use,
    validation,
)
from integrations.models.registry.validation import ADDRESSES, LINKS, picture_type
from integrations.models.tokens import Token

FILL = "_fill"  # the button that fills in the form without saving it
RESERVED_ID = "reserved-registry-id"
SEPARATORS = [(" ", gettext_lazy("Space")), (",", gettext_lazy("Comma"))]
DEFAULTS = {
    name: cast("Field[Any, Any]", ApplicationRegistry._meta.get_field(name)).get_default()
    for name in ("account_id_path", "account_label_path")
}
HAS_DEFAULT = ("scope_separator", "account_id_path", "account_label_path", "revocation_reach")


@contextmanager
def dialect_errors() -> Iterator[None]:
    """Translate `BadDialect` into `ValidationError`, so that the field shows it."""
    try:
        yield
    except BadDialect as error:
        raise ValidationError(str(error)) from None


class RegistryForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    reserved_id = forms.CharField(label="", required=False, widget=forms.HiddenInput)
    kept_secret = forms.CharField(label="", required=False, widget=forms.HiddenInput)
    found_scopes = forms.CharField(label="", required=False, widget=forms.HiddenInput)
    offered_scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes found"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Select the scopes that people are asked for. They’re added when you save."),
    )
    client_secret = forms.CharField(
        label=gettext_lazy("Client Secret"),
        required=False,
        strip=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
    )
    scope_separator = forms.ChoiceField(
        label=gettext_lazy("Scope separator"),
        choices=SEPARATORS,
        required=False,
        help_text=gettext_lazy("The separator of scopes in a request: a space unless the provider says otherwise."),
    )
    logo = forms.FileField(
        label=gettext_lazy("Logo"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/webp"}),
        help_text=gettext_lazy("PNG or WebP, at most 100 KB. Without one, cards show the first letters."),
    )
    remove_logo = forms.BooleanField(label=gettext_lazy("Remove the logo"), required=False)
    same_provider = move_confirmation.SameProviderField()
    secret_proved = False  # the stored secret was typed again

    class Meta:
        model = ApplicationRegistry
        fields = "__all__"  # noqa: DJ007 - the admin's fieldsets name them one by one
        exclude = ["client_secret", "logo"]  # noqa: DJ006 - not editable; replaced by the fields above
        field_classes = (
            dict.fromkeys(ADDRESSES, AddressField)
            | dict.fromkeys(LINKS, LinkField)
            | dict.fromkeys(validation.JSON_FIELDS, JsonField)
            | {"provider_profile": ProviderProfileField, "issuer": BaseAddressField, "authorization_url": PageField}
        )
        help_texts = HELP_TEXTS
        widgets = {name: AddressInput() for name in ADDRESSES} | {
            "client_secret_expires_on": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.has_secret = bool(self.instance.__dict__.get("client_secret"))
        if self.instance._state.adding:
            self.reserve_id()
        if self.has_secret and "client_secret" in self.fields:
            self.fields["client_secret"].help_text = _("Stored. Leave empty to keep it.")
        self.offer_scopes()
        for name in HAS_DEFAULT:
            if name in self.fields:
                self.fields[name].required = False

    def offer_scopes(self) -> None:
        """Offer the scopes that the metadata name."""
        choices = cast(forms.MultipleChoiceField, self.fields["offered_scopes"])
        choices.choices = [(scope, scope) for scope in self.data.get("found_scopes", "").split()]

    def reserve_id(self) -> None:
        """Choose the id when the empty form is shown, so that the Redirect URL on it stays valid."""
        with suppress(signing.BadSignature):
            self.instance.pk = UUID(signing.loads(self.data.get("reserved_id", ""), salt=RESERVED_ID))
        self.initial["reserved_id"] = signing.dumps(self.instance.hex, salt=RESERVED_ID)

    def full_clean(self) -> None:
        """Skip validation when the form is only filled in."""
        if self.is_bound and FILL in self.data:
            self._errors, self.cleaned_data = ErrorDict(), {}
        else:
            super().full_clean()

    def is_valid(self) -> bool:
        return FILL not in self.data and super().is_valid()

    @sensitive_variables("typed")
    def clean_client_secret(self) -> str:
        typed: str = self.cleaned_data["client_secret"]
        try:
            keyring()
        except NoKeys as error:
            if typed:
                message = _("Keyrack can’t store a secret: %(why)s Nothing was saved.")
                raise ValidationError(message % {"why": error}) from None
        if (fault := validation.wrong_secret(typed)) and not move_confirmation.is_secret_of(self.instance, typed):
            raise ValidationError(fault)
        return typed

    def clean_client_id(self) -> str:
        typed: str = self.cleaned_data["client_id"]
        if fault := validation.wrong_name(typed):
            raise ValidationError(fault)
        return typed

    def clean_authorization_parameters(self) -> dict[str, str]:
        return self.clean_parameters("authorization_parameters")

    def clean_token_parameters(self) -> dict[str, str]:
        return self.clean_parameters("token_parameters")

    def clean_parameters(self, name: str) -> dict[str, str]:
        typed = self.cleaned_data[name] or {}
        if fault := validation.wrong_parameters(typed, validation.PARAMETERS[name]):
            raise ValidationError(fault)
        return dict(typed)

    def clean_call_headers(self) -> dict[str, str]:
        typed = self.cleaned_data["call_headers"] or {}
        if not isinstance(typed, dict):
            raise ValidationError(_('Enter a JSON object of texts, such as {"access_type": "offline"}.'))
        return typed

    def clean_userinfo_request(self) -> dict[str, Any]:
        return self.clean_request("userinfo_request")

    def clean_provider_profile(self) -> dict[str, Any]:
        return self.clean_request("provider_profile")

    def clean_request(self, name: str) -> dict[str, Any]:
        typed = self.cleaned_data[name] or {}
        if fault := validation.wrong_request(validation.REQUESTS[name], typed):
            raise ValidationError(fault)
        return dict(typed)

    def clean_revocation_request(self) -> dict[str, Any]:
        typed = self.cleaned_data["revocation_request"] or {}
        with dialect_errors():
            dialects.parse_dialect(typed)
        return dict(typed)

    def clean_token_revocation_url(self) -> str:
        url: str = self.cleaned_data["token_revocation_url"]
        with dialect_errors():
            dialects.check_url(url)
        return url

    def clean_scope_separator(self) -> str:
        return self.cleaned_data["scope_separator"] or " "

    def clean_revocation_reach(self) -> str:
        return self.cleaned_data["revocation_reach"] or RevocationReach.UNKNOWN

    def clean_logo(self) -> "UploadedFile[bytes] | None":
        picture: UploadedFile[bytes] | None = self.cleaned_data["logo"]
        if picture is None:
            return None
        if (picture.size or 0) > LOGO_LIMIT:
            raise ValidationError(_("The picture is larger than 100 KB."))
        if not picture_type(picture.read(12)):
            raise ValidationError(_("Choose a PNG or WebP picture."))
        picture.seek(0)
        return picture

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if self.instance._state.adding and ApplicationRegistry.objects.filter(pk=self.instance.pk).exists():
            raise ValidationError(_("This page was already saved. Open the registry from the list."))
        if not self.errors:
            self.check_revocation(fields)
            self.check_profile(fields)
            self.check_base_url(fields)
            self.check_secret(fields)
            self.check_tokens(fields)
        return fields

    def check_revocation(self, fields: dict[str, Any]) -> None:
        """Check address and request of the revocation together: placeholders must match."""
        dialect, url = dialects.parse_dialect(fields["revocation_request"]), fields["token_revocation_url"]
        try:
            if url:
                dialects.check_together(dialect, url, registered=fields["send_credentials"])
        except BadDialect as error:
            self.add_error("revocation_request", str(error))

    def check_profile(self, fields: dict[str, Any]) -> None:
        """Check the profile with the fields that it depends on, and those that depend on it."""
        registry = ApplicationRegistry(**{name: fields[name] for name in validation.WITH_PROFILE})
        if fault := validation.wrong_call_headers(registry):
            self.add_error("call_headers", fault)
        if fault := validation.wrong_profile_address(registry):
            self.add_error("provider_profile", fault)

    def check_base_url(self, fields: dict[str, Any]) -> None:
        if fault := validation.wrong_hosts(fields["base_url_path"], fields["base_url_hosts"]):
            self.add_error("base_url_hosts", fault)
        if fields["scope_parameter"] in validation.OURS_TO_SEND - {"scope"}:
            message = _("Keyrack sets this itself: %(names)s.")
            self.add_error("scope_parameter", message % {"names": fields["scope_parameter"]})

    @sensitive_variables("typed")
    def check_secret(self, fields: dict[str, Any]) -> None:
        """Require the secret again if a change decides who receives it, or people's tokens."""
        typed = bool(fields["client_secret"])
        if not ClientAuthentication.needs_secret(fields["send_credentials"]):
            if typed:
                self.add_error("client_secret", _("A public client has no secret. Leave this empty."))
        elif self.has_secret and not typed and (changed := validation.changes_of_receivers(self.initial, fields)):
            labels = [str(self.fields[name].label) for name in changed]
            self.add_error("client_secret", validation.receivers_message(labels))

    def check_tokens(self, fields: dict[str, Any]) -> None:
        """Ask for confirmation if tokens would go to another server, and no secret has to be typed for it."""
        if fields[move_confirmation.SAME_PROVIDER] or self.instance._state.adding or self.has_secret:
            return
        receivers, current_receivers = validation.new_receivers(self.initial, fields)
        if "call_headers" in validation.changes_of_token_receiver(self.initial, fields):
            receivers |= {_("Headers of calls")}
        if receivers and Token.objects.filter(credential__profile__registry=self.instance).exists():
            move_confirmation.ask_for_confirmation(self, receivers, current_receivers)

    def save(self, commit: bool = True) -> Any:
        self.secret_proved = move_confirmation.is_secret_of(self.instance, self.cleaned_data["client_secret"])
        self.set_secret()
        self.set_logo()
        self.set_defaults()
        if self.has_changed():
            registration_health.bring_back_refused(self.instance)
            self.instance.note_misconfigured("", use=Use.SIGN_IN)  # clear the problem; the next call will show
        return super().save(commit)

    def set_secret(self) -> None:
        if not ClientAuthentication.needs_secret(self.cleaned_data["send_credentials"]):
            self.instance.client_secret = ""
        elif self.cleaned_data["client_secret"]:
            self.instance.client_secret = self.cleaned_data["client_secret"]

    def set_logo(self) -> None:
        picture = self.cleaned_data["logo"]
        if picture:
            self.instance.logo = picture.read()
            self.instance.logo_type = picture_type(self.instance.logo)
        elif self.cleaned_data.get("remove_logo"):
            self.instance.logo, self.instance.logo_type = None, ""

    def set_defaults(self) -> None:
        for name in DEFAULTS:
            if not self.cleaned_data.get(name):
                setattr(self.instance, name, DEFAULTS[name])
