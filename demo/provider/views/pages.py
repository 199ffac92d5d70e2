"""The pages that people see: sign-in, consent, and the board with its switches."""

from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.models import Application
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.views import AuthorizationView

from demo.provider import ledger
from demo.provider.models import Arrival, Client, Server

Answer = TypeVar("Answer", bound=HttpResponseBase)

SHOWN_TOKENS = 40
SHOWN_CALLS = 20
SLOW_SECONDS = 5
ALWAYS_GRANTED = {"openid"}


def allow_forms_to_clients(response: Answer) -> Answer:
    """Let forms of this page end at a registered client: browsers apply `form-action` to the redirect as well."""
    addresses = " ".join(Application.objects.values_list("redirect_uris", flat=True)).split()
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, addresses)}
    response.form_targets = sorted(origins)  # type: ignore[attr-defined]  # read by middleware.page_headers
    return response


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` gets. For the type checker."""

    user: User


class SignIn(LoginView):
    """Sign in, or sign in as somebody else. Django follows `next` on this host only."""

    template_name = "provider/sign_in.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page; a client's address is a form target because `next` may lead on to it."""
        return allow_forms_to_clients(super().dispatch(request, *args, **kwargs))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Name the demo accounts: they exist on this machine only."""
        people = User.objects.order_by("pk") if settings.DEMO_PASSWORD else User.objects.none()
        return super().get_context_data(people=people, demo_password=settings.DEMO_PASSWORD, **kwargs)


class Consent(AuthorizationView):
    """The authorization endpoint (RFC 6749, 3.1): says who asks for what, and who you are."""

    template_name = "provider/consent.html"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Serve the page; the answer to its form is a redirect to the client."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return allow_forms_to_clients(response)

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Answer the prompts that the base class does not know (OpenID Connect Core, 3.1.2.1)."""
        prompts = request.GET.get("prompt", "").split()
        if "none" in prompts:
            return self.refuse_silently(request)
        if "select_account" in prompts:
            return redirect(self.another_account_url())
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def refuse_silently(self, request: HttpRequest) -> HttpResponse:
        """Say `consent_required`: we always ask, so nothing can be granted without a page."""
        try:
            _, credentials = self.validate_authorization_request(request)
        except OAuthToolkitError as error:
            refusal: HttpResponse = self.error_response(error, application=None)
            return refusal
        answer = {"error": "consent_required", "state": credentials.get("state") or ""}
        return self.redirect(_with(credentials["redirect_uri"], **answer), None)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Send the browser back with our name on every answer, errors too (RFC 9207)."""
        if "iss" not in parse_qs(urlsplit(redirect_to).query):
            redirect_to = _with(redirect_to, iss=settings.PROVIDER_URL)
        response: HttpResponse = super().redirect(redirect_to, application)
        return response

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Grant what was left ticked; a client always learns who signed in."""
        requested, ticked = form.cleaned_data["scope"].split(), self.request.POST.getlist("granted")
        form.cleaned_data["scope"] = " ".join(
            scope for scope in requested if scope in ticked or scope in ALWAYS_GRANTED
        )
        form.cleaned_data["allow"] = bool(form.cleaned_data.get("allow") and form.cleaned_data["scope"])
        response: HttpResponse = super().form_valid(form)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the scopes in the client's words, and the way to another account."""
        context = super().get_context_data(**kwargs)
        if application := context.get("application"):
            words = {**get_scopes_backend().get_all_scopes(), **Client.objects.get(application=application).scope_words}
            context["asked"] = [(scope, words[scope], scope in ALWAYS_GRANTED) for scope in context["scopes"]]
        return {**context, "another_account_url": self.another_account_url()}

    def another_account_url(self) -> str:
        """Return the sign-in page that leads back here."""
        query = self.request.GET.copy()
        query.pop("prompt", None)
        return f"/login/?{urlencode({'next': f'{self.request.path}?{query.urlencode()}'})}"


@require_safe
@login_required
def board(request: HttpRequest) -> HttpResponse:
    """Show which tokens live, what arrived, and the switches."""
    return render(request, "provider/board.html", {**_live(), **_clients()})


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Show the two tables alone, for the page to fetch; nothing for somebody who is no longer signed in."""
    if not request.user.is_authenticated:
        return HttpResponse(status=204)
    return render(request, "provider/_live.html", _live())


class SwitchForm(forms.Form):
    """One switch, set to on or off, for one client or for all."""

    client = forms.ModelChoiceField(Client.objects.all(), required=False)
    switch = forms.ChoiceField(choices=[(name, name) for name in ("revocations_fail", "slow", "down", "short_lived")])
    on = forms.BooleanField(required=False)


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    """Set one switch. Safe to repeat: the form says on or off, not "the other"."""
    form = SwitchForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Unknown switch.", status=400, content_type="text/plain")
    row: Client | Server = form.cleaned_data["client"] or Server.current()
    name, on = form.cleaned_data["switch"], form.cleaned_data["on"]
    if name == "slow":
        row.slow_seconds = SLOW_SECONDS if on else 0
    else:
        setattr(row, name, on)
    row.save()
    return redirect("/#switches")


@require_POST
@login_required
def remove_access(request: SignedInRequest, client: int) -> HttpResponse:
    """Take back what the signed-in person allowed a client, as one would in a provider's account settings."""
    ledger.remove_access(request.user, get_object_or_404(Client, pk=client).application)
    return redirect("/#switches")


def _with(address: str, **more: str) -> str:
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(more)}"


def _live() -> dict[str, Any]:
    arrivals = Arrival.objects.select_related("client__application")[:SHOWN_CALLS]
    return {"lines": ledger.latest(SHOWN_TOKENS), "arrivals": arrivals}


def _clients() -> dict[str, Any]:
    clients = Client.objects.select_related("application").order_by("application__name")
    return {"server": Server.current(), "clients": clients}
