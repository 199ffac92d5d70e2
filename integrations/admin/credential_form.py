"""Form of OAuth 2.0 Credentials."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from integrations.models.registry import OAuth2Credential, OAuthEntityProfile
from integrations.models.tokens import Token

CONFIRMED = "_confirmed"
MOVES = gettext_lazy("It belongs to another application registry. Revoke the tokens first, or make a new credential.")


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = OAuth2Credential
        fields = ["name", "profile", "integration_type", "other_account", "active"]

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if self.moves_to_another_registry(fields.get("profile")):
            self.add_error("profile", MOVES)
        return fields

    def moves_to_another_registry(self, profile: OAuthEntityProfile | None) -> bool:
        """Tell whether existing tokens would be sent to another provider."""
        if profile is None or self.instance._state.adding or not self.tokens().exists():
            return False
        before = OAuthEntityProfile.objects.get(pk=self.initial["profile"])
        return before.registry_id != profile.registry_id

    def tokens(self) -> Any:
        return Token.objects.filter(credential=self.instance.pk)

    def count_ending_sign_ins(self) -> int:
        """Return how many sign-ins end if this is saved: those of the other integration type."""
        if self.instance._state.adding or "integration_type" not in self.changed_data:
            return 0
        count: int = self.tokens().exclude(integration_type=self.cleaned_data["integration_type"]).count()
        return count
