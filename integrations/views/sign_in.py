"""Views of a sign-in: the initiator, the callback, the page where it ends, and the window "Get OAuth Token".

The window is for integrations with the password grant. Its username and password are bound to nothing that is stored.
"""

from dataclasses import replace
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.sign_in.middleware import REDIRECTED_AT, client_address, leaves_site, was_redirected
from accounts.sign_in.two_step_requirement import with_secret_address
from foundation.name_lists import isolate_name
from integrations.connections import authorization
from integrations.models.addresses import registry_admin_url
from integrations.models.card import DECISIONS, Integration, Outcome, compose_outcome
from integrations.models.failures import FAILURES, failure_of
from integrations.models.registry import GrantType, OAuth2Credential
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt
from integrations.views import callback_errors
from integrations.views.permissions import BINDING, Request, for_signing_in, session_binding, with_audit_log

CONFIRMATION_SECONDS = 600
LONGEST_QUERY = 32_768  # of a posted authorization response


@require_safe
@for_signing_in
@leaves_site
def initiator(request: Request) -> HttpResponse:
    """Start a sign-in. A link on our own pages leads straight to the provider, any other to the start page first."""
    credential = requested_credential(request, "oauth_requestor", "oauth_provider_profile", "personal")
    more_scopes = request.GET.get("scope", "").split()
    try:
        if not is_from_here(request):
            integration = authorization.integration_for(request.user, credential)
            context = {
                "integration": integration,
                "continue_url": confirmed_url(request),
                "more_scope_labels": integration.further_scope_labels(more_scopes),
            }
            return render(request, "integrations/start.html", context)
        url = authorization.begin(
            request.user,
            credential,
            session_binding=session_binding(request),
            popup=request.GET.get("display") == "popup",
            next_path=request.GET.get("next", ""),
            more_scopes=more_scopes,
        )
    except authorization.NotAvailable as error:
        raise Http404 from error
    except authorization.TooManyStarts:
        response = render(request, "integrations/too_many.html", status=429)
        response["Retry-After"] = "600"
        return response
    except authorization.NotStarted as stopped:
        return HttpResponseRedirect(done_url(stopped.attempt), status=303)
    return without_referrer(HttpResponseRedirect(url))


def requested_credential(request: Request, requestor: str, profile: str, personal: str) -> OAuth2Credential:
    """The credential that the address names, with its profile as a cross-check; 404 for anything else.

    An address for people (`personal=true`) does not start a sign-in for the system.
    """
    try:
        credential_id, profile_id = UUID(request.GET[requestor]), UUID(request.GET[profile])
    except (KeyError, ValueError) as error:
        raise Http404 from error
    rows = OAuth2Credential.objects.select_related("profile__registry")
    credential = get_object_or_404(rows, pk=credential_id, profile=profile_id)
    if request.GET.get(personal) == "true" and not credential.is_personal:
        raise Http404
    return credential


def is_from_here(request: Request) -> bool:
    """Tell whether the user clicked a link on the start page or another page of this origin (Fetch Metadata).

    A redirect of ours, e.g. after signing in, doesn't count: its target may come from a foreign page's `?next=`.
    """
    is_same_origin = request.headers.get("Sec-Fetch-Site") == "same-origin"
    return is_confirmed(request) or (is_same_origin and not was_redirected(request))


def confirmed_url(request: Request, subject: str = "") -> str:
    """Return this address with a signature that proves that our page showed it in this session.

    `subject`: id of the row that the page was about, if the address doesn't name it.
    """
    query = request.GET.copy()
    query["confirm"] = signing.dumps(signed_confirmation(request, subject), salt="start")
    return f"{request.path}?{query.urlencode()}"


def signed_confirmation(request: Request, subject: str) -> str:
    """Return what the start page signs. A later redirect to the initiator invalidates it."""
    return f"{session_binding(request)} {request.session.get(REDIRECTED_AT, '')} {subject}"


def is_confirmed(request: Request, subject: str = "") -> bool:
    try:
        signed = signing.loads(request.GET.get("confirm", ""), salt="start", max_age=CONFIRMATION_SECONDS)
    except signing.BadSignature:
        return False
    return constant_time_compare(str(signed), signed_confirmation(request, subject))


def without_referrer(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    return response


@with_secret_address
@never_cache
@csrf_exempt
@require_http_methods(["GET", "POST"])
@with_audit_log
def callback(request: HttpRequest, registry_id: UUID) -> HttpResponse:
    """Handle the authorization response. Redirects to an address without code and state.

    A response by POST (response_mode=form_post) comes from the provider's page, so the browser sends no session cookie
    with it. The same parameters are asked for once more by GET. `state` protects both against forgery.
    """
    if request.method == "POST":
        query = request.POST.urlencode()
        if len(query) > LONGEST_QUERY:
            return bad_callback(request, authorization.BadCallback(), status=400)
        return without_referrer(HttpResponseRedirect(f"{request.path}?{query}", status=303))
    try:
        authorization.require_state(dict(request.GET.lists()))
        if not request.user.is_authenticated:
            raise authorization.OtherBrowsersCallback
        attempt = authorization.complete(
            request.user,
            registry_id,
            dict(request.GET.lists()),
            session_binding=request.session.get(BINDING, ""),
        )
    except (authorization.BadCallback, authorization.NotAvailable) as error:
        return bad_callback(request, error, status=400)
    return without_referrer(HttpResponseRedirect(done_url(attempt), status=303))


def bad_callback(request: HttpRequest, error: Exception, *, status: int) -> HttpResponse:
    """Explain why the sign-in can't continue, and what to do. Names no user."""
    context = {"page": callback_errors.page_about(error)}
    return without_referrer(render(request, "integrations/bad_callback.html", context, status=status))


def done_url(attempt: AuthorizationAttempt) -> str:
    response = redirect("integrations:done", attempt.hex)
    return response.url


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
@with_audit_log
def done(request: Request, attempt_id: UUID) -> HttpResponse:
    """Show how the sign-in ended. If it is another account than before, let the user choose."""
    attempts = AuthorizationAttempt.objects.select_related("user", "registry", "credential__profile__registry", "link")
    attempt = get_object_or_404(attempts, pk=attempt_id)
    if attempt.signer_id != request.user.pk:
        return bad_callback(request, authorization.OtherPersonsCallback(), status=404)
    if request.method == "POST":
        if "value" in request.POST:
            authorization.choose_value(request.user, attempt, request.POST["value"])
        else:
            authorization.choose(request.user, attempt, switch=request.POST.get("choice") == "switch")
        return without_referrer(HttpResponseRedirect(request.path, status=303))
    try:
        integration = authorization.integration_behind(attempt)
    except authorization.NotAvailable as error:
        raise Http404 from error
    registry_url = registry_admin_url(integration.registry, request.user, code=attempt.failure_code)
    was_asked_to_cancel = authorization.was_asked_to_cancel(attempt)
    outcome = compose_outcome(integration, attempt, registry_url=registry_url, asked_to_cancel=was_asked_to_cancel)
    if attempt.link:
        outcome = for_helper(outcome)
    context = {
        "outcome": outcome,
        "integration": integration,
        "attempt": attempt,
        "registry_url": registry_url,
        "reference": f"{attempt.hex[:4]}-{attempt.hex[4:8]}",
    }
    response = render(request, "integrations/done.html", context)
    # With no-referrer, a browser sends the form with "Origin: null", and the CSRF check refuses it.
    return response if outcome.ending in DECISIONS else without_referrer(response)


def for_helper(outcome: Outcome) -> Outcome:
    """The outcome with buttons for the helper of a connect link, who has no card of the integration."""
    again, dashboard = reverse("integrations:connect"), reverse("integrations:dashboard")
    urls = {"retry": again, "back": dashboard, "keep": dashboard}
    labels = {"back": gettext("Back to my integrations")}
    buttons = [
        replace(button, url=urls[button.control], label=labels.get(button.control, button.label))
        for button in outcome.buttons
        if button.control in urls
    ]
    return replace(outcome, buttons=buttons)


# Password grant -------------------------------------------------------------------------------------------------------


class PasswordForm(forms.Form):
    """Username and password at the provider. Never bound to anything that is stored."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "current-password"}),
    )


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
        return sign_in_with_password(request, form, integration, credential)
    return render_window(request, form, integration)


@sensitive_variables()
def sign_in_with_password(
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
        locked = FAILURES["locked_out"]
        return render_window(request, form, integration, str(locked.in_password_window), status=locked.password_status)
    except authorization.NotAvailable as error:
        raise Http404 from error
    row = failure_of(attempt.failure_code)
    if attempt.status == AttemptStatus.FAILED and row and row.in_password_window:
        alert = str(row.in_password_window) % {"title": isolate_name(integration.title)}
        return render_window(request, form, integration, alert, status=row.password_status)
    return HttpResponseRedirect(done_url(attempt), status=303)


def render_window(
    request: Request, form: PasswordForm, integration: Integration, alert: str = "", *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "integration": integration, "alert": alert}
    return render(request, "integrations/password.html", context, status=status)
