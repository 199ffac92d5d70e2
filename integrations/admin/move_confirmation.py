"""A question that a form asks only when it matters: may tokens that are already there go to a new address?

Staff may say that it is the same provider. Whether a person's token goes there is for the person to say.
"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest import readable
from integrations.models.registry import ApplicationRegistry, ClientAuthentication

SAME_PROVIDER, SECRET = "same_provider", "client_secret"
OWNER = "integrations.change_applicationregistry"


class SameProviderField(forms.BooleanField):
    """Hidden until the form has a reason to ask."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, label=gettext_lazy("The new address belongs to the same provider"))


class SecretAgainField(forms.CharField):
    """The client secret of the registry, to show that whoever moves its tokens knows it. Hidden until needed."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, strip=False, max_length=2000, label=gettext_lazy("Client Secret"))


def ask(form: Any, new: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the form and show the question, with both hosts by name."""
    form.fields[SAME_PROVIDER].widget = forms.CheckboxInput()
    told = _("People are signed in, and their tokens would go to %(new)s. So far they go to %(known)s. Confirm below.")
    form.add_error(SAME_PROVIDER, told % hosts(new, known))


def ask_for_secret(form: Any, new: Iterable[str], known: Iterable[str]) -> None:
    form.fields[SECRET].widget = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"})
    told = _(
        "People are signed in, and their tokens would go to %(new)s. So far they go to %(known)s. Enter the Client "
        "Secret of the application registry. Each person is then asked to confirm the new address."
    )
    form.add_error(SECRET, told % hosts(new, known))


def hosts(new: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    return {"new": ", ".join(sorted(new)), "known": ", ".join(sorted(known)) or _("nowhere")}


def has_secret(registry: ApplicationRegistry) -> bool:
    is_public = registry.send_credentials == ClientAuthentication.NONE
    return not is_public and bool(registry.__dict__.get("client_secret"))


@sensitive_variables()
def is_secret_of(registry: ApplicationRegistry, typed: str) -> bool:
    stored = readable(registry, "client_secret")
    return bool(stored and typed) and constant_time_compare(stored, typed)
