"""Forms of the pages."""

from django import forms
from django.utils.translation import gettext_lazy as _


class PasswordForm(forms.Form):
    """Username and password at the provider. Never bound to anything that is stored."""

    username = forms.CharField(
        label=_("Username"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "current-password"}),
    )
