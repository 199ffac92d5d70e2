"""Confirmation in a form that existing tokens may go to a new address. Asked only if there are such tokens.

An administrator confirms that it is the same provider. Each user decides for their own token.
"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest import value_or_blank
from integrations.models.registry import ApplicationRegistry

SAME_PROVIDER, SECRET = "same_provider", "client_secret"
OWNER = "integrations.change_applicationregistry"


class SameProviderField(forms.BooleanField):
    """Checkbox that stays hidden until the form asks."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, label=gettext_lazy("The new address belongs to the same provider"))


class SecretAgainField(forms.CharField):
    """Client secret of the registry, to prove that the administrator knows it. Hidden until the form asks."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, strip=False, max_length=2000, label=gettext_lazy("Client Secret"))


def ask_for_confirmation(form: Any, new_hosts: Iterable[str], current: Iterable[str]) -> None:
    """Add an error that asks for confirmation and names both hosts."""
    form.fields[SAME_PROVIDER].widget = forms.CheckboxInput()
    message = _("People are signed in, and their tokens would go to %(new)s. They go to %(known)s now. Confirm below.")
    form.add_error(SAME_PROVIDER, message % host_names(new_hosts, current))


def ask_for_secret(form: Any, new_hosts: Iterable[str], current: Iterable[str]) -> None:
    form.fields[SECRET].widget = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"})
    message = _(
        "People are signed in. Their tokens would go to: %(new)s. Now they go to: %(known)s. Enter the Client "
        "Secret of the application registry. Each person is then asked to confirm the new address."
    )
    form.add_error(SECRET, message % host_names(new_hosts, current))


def host_names(new_hosts: Iterable[str], current: Iterable[str]) -> dict[str, str]:
    return {"new": ", ".join(sorted(new_hosts)), "known": ", ".join(sorted(current)) or "–"}


def has_secret(registry: ApplicationRegistry) -> bool:
    is_public = not registry.needs_secret
    return not is_public and bool(registry.__dict__.get("client_secret"))


@sensitive_variables()
def is_secret_of(registry: ApplicationRegistry, typed: str) -> bool:
    stored = value_or_blank(registry, "client_secret")
    return bool(stored and typed) and constant_time_compare(stored, typed)
