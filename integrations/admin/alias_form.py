"""What an alias and its connections must look like."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.admin import confirming
from integrations.admin.addresses import AddressInput, BaseAddressField, origin
from integrations.admin.one_of import Markable, OneOfFormSet
from integrations.models.registry import Alias, AliasType, HttpConnection, OAuth2Credential
from integrations.models.tokens import Token

ONE_ACTIVE = gettext_lazy("This alias has another active connection; only one can be active.")


class AliasForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Alias
        fields = [
            "name", "label", "type", "credential", "description", "groups", "allow_token_export", "active",
            "inactive_reason",
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if fields.get("type") == AliasType.CONNECTION_AND_CREDENTIAL and fields.get("credential"):
            told = _("With the type Connection and Credential, the connection below names the credential.")
            self.add_error("credential", told)
        if not fields.get("active") and not fields.get("inactive_reason"):
            self.add_error("inactive_reason", _("Say why it is off: people read it on their card."))
        return fields

    def save(self, commit: bool = True) -> Any:
        """The moment it was turned off stays until it is on again."""
        if self.instance.active:
            self.instance.deactivated_at, self.instance.inactive_reason = None, ""
        elif self.instance.deactivated_at is None:
            self.instance.deactivated_at = timezone.now()
        return super().save(commit)


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Tokens that people gave for one host go to another only when somebody says that it is the same provider."""

    same_provider = confirming.SameProviderField()

    class Meta:
        model = HttpConnection
        fields = ["alias", "name", "credential", "connection_url", "active"]
        field_classes = {"connection_url": BaseAddressField}
        widgets = {"connection_url": AddressInput()}

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        credential, url = fields.get("credential"), fields.get("connection_url")
        moved = {"credential", "connection_url"} & set(self.changed_data)
        if moved and credential and url and not fields.get(confirming.SAME_PROVIDER):
            self.check_host(credential, url)
        return fields

    def check_host(self, credential: OAuth2Credential, url: str) -> None:
        known = {origin(known) for known in credential.connections.values_list("connection_url", flat=True)}
        if origin(url) not in known and Token.objects.filter(credential=credential).exists():
            confirming.ask(self, {origin(url)}, known)


class ConnectionRowForm(Markable, ConnectionForm):
    mark = "active"


class ConnectionFormSet(OneOfFormSet):
    mark = "active"
    too_many = ONE_ACTIVE
