"""A question that a form asks only when it matters: do tokens that are already there follow to a new address?"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SAME_PROVIDER = "same_provider"


class SameProviderField(forms.BooleanField):
    """Hidden until the form has a reason to ask."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, label=gettext_lazy("The new address belongs to the same provider"))


def ask(form: Any, new: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the form and show the question, with both hosts by name."""
    form.fields[SAME_PROVIDER].widget = forms.CheckboxInput()
    told = _("People are signed in, and their tokens would go to %(new)s. So far they go to %(known)s. Confirm below.")
    hosts = {"new": ", ".join(sorted(new)), "known": ", ".join(sorted(known)) or _("nowhere")}
    form.add_error(SAME_PROVIDER, told % hosts)
