"""Form and view to register an application, as at any provider."""

import secrets
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from demo.provider import clients


class RegistrationForm(forms.Form):
    """Form of a new application."""

    name = forms.CharField(max_length=60)
    redirect_uri = forms.CharField(max_length=300)

    def clean_redirect_uri(self) -> str:
        """Validate the redirect URI."""
        address: str = self.cleaned_data["redirect_uri"].strip()
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment or " " in address:
            raise ValidationError("Enter the whole address: http:// or https://, without #.")
        return address


@require_POST
@login_required
@sensitive_variables("secret", "spec")
def register(request: HttpRequest) -> HttpResponse:
    """Create a client with all scopes, and show its secret once: only its hash is stored."""
    form = RegistrationForm(request.POST)
    if not form.is_valid():
        return render(request, "provider/registered.html", {"form": form}, status=400)
    secret = secrets.token_urlsafe(32)
    spec = clients.ClientSpec(
        client_id=f"app-{secrets.token_hex(8)}",
        client_secret=secret,
        name=form.cleaned_data["name"],
        grant="authorization_code",
        scopes=list(settings.OAUTH2_PROVIDER["SCOPES"]),
        redirect_uris=[form.cleaned_data["redirect_uri"]],
    )
    client = clients.store(spec, reset_switches=False)
    return render(request, "provider/registered.html", {"client": client, "secret": secret})
