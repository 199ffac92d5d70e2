"""View of the window "Get OAuth Token", for integrations with the password grant."""

from http import HTTPStatus

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.sign_in.middleware import client_address
from integrations.connections import authorization
from integrations.models.card import Integration
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import AttemptStatus
from integrations.views.forms import PasswordForm
from integrations.views.permissions import Request, for_signing_in, session_binding
from integrations.views.sign_in import done_url, requested_credential


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@for_signing_in
def password(request: Request) -> HttpResponse:
    credential = requested_credential(
        request, "sysparm_oauth_requestor", "sysparm_oauth_provider_profile", "sysparm_oauth_personal"
    )
    try:
        integration = authorization.integration_for(request.user, credential)
    except authorization.NotAvailable as error:
        raise Http404 from error
    if credential.profile.grant_type != GrantType.PASSWORD:
        raise Http404
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return sign_in(request, form, integration, credential)
    return render_window(request, form, integration)


@sensitive_variables()
def sign_in(
    request: Request, form: PasswordForm, integration: Integration, credential: OAuth2Credential
) -> HttpResponse:
    try:
        attempt = authorization.sign_in(
            request.user,
            credential,
            username=form.cleaned_data["username"],
            password=form.cleaned_data["password"],
            session_binding=session_binding(request),
            popup=request.GET.get("display") == "popup",
            next_path=request.GET.get("next", ""),
            address=client_address(request),
        )
    except authorization.TooManyStarts:
        return render_window(request, form, integration, too_many_tries_message(integration), status=429)
    except authorization.NotAvailable as error:
        raise Http404 from error
    if attempt.status == AttemptStatus.FAILED and attempt.failure_code in REFUSALS:
        words, status = REFUSALS[attempt.failure_code]
        return render_window(request, form, integration, words(integration), status=status)
    return HttpResponseRedirect(done_url(attempt), status=303)


def wrong_password_message(integration: Integration) -> str:
    message = _("%(title)s didn’t accept that username and password. Check both and try again.")
    return message % {"title": integration.title}


def too_many_tries_message(_integration: Integration) -> str:
    return _("Too many tries. Wait 15 minutes, or ask your administrator.")


def second_step_message(_integration: Integration) -> str:
    return _("You use two-step sign-in. Create an application password under Account security and enter it here.")


REFUSALS = {
    "invalid_grant": (wrong_password_message, HTTPStatus.BAD_REQUEST),
    "locked_out": (too_many_tries_message, HTTPStatus.TOO_MANY_REQUESTS),
    "second_factor_is_on": (second_step_message, HTTPStatus.BAD_REQUEST),
}


def render_window(
    request: Request, form: PasswordForm, integration: Integration, alert: str = "", *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "integration": integration, "alert": alert}
    return render(request, "integrations/password.html", context, status=status)
