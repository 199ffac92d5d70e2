"""The doors of the OAuth server: consent, and introspection. What they decide by is in `oauth_server`."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views import AuthorizationView, TokenView

from accounts import diary, oauth_server, scopes
from accounts.diary import Kind
from accounts.lockout import client_address
from accounts.models import Application, Approval

INACTIVE = {"active": False}


class Token(TokenView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """The toolkit's, which looks for what it has just issued; it may be gone again."""

    def authorization_flow_token_response(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().authorization_flow_token_response(request, *arguments, **names)
        except oauth_server.AccessToken.DoesNotExist:  # somebody else came with the same refresh token just now
            return JsonResponse({"error": "invalid_grant"}, status=400, headers={"Cache-Control": "no-store"})
        return response


@method_decorator(never_cache, name="dispatch")
class Consent(AuthorizationView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Asks the person once for each application and its scopes (RFC 6749 §4.1.1)."""

    template_name = "accounts/consent.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**context)
        found["scopes_in_words"] = scopes.in_words(found.get("scopes", []))
        found["redirect_host"] = urlsplit(found.get("redirect_uri") or "").netloc
        found["minutes"] = oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS // 60
        found["days"] = settings.REFRESH_TOKEN_FAMILY_LIFETIME.days
        return found

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """The question; or right away the answer, where this person has given it before."""
        application = context.get("application")
        if application and self.was_approved(application, context["scopes"]):
            return self.answer_at_once(application, context)
        response: HttpResponse = super().render_to_response(context, **options)
        if application:
            response._csp_update = {"form-action": [origin(context["redirect_uri"])]}  # type: ignore[attr-defined]
        return response

    def was_approved(self, application: Application, wanted: list[str]) -> bool:
        """Only who can prove its identity is let in unasked (RFC 8252 §8.6), and only while it does not ask to ask."""
        if application.client_type != Application.CLIENT_CONFIDENTIAL or "consent" in self.request.GET.get(
            "prompt", ""
        ):
            return False
        approval = Approval.objects.filter(user=self.request.user, application=application).first()
        return bool(approval and approval.covers(wanted))

    def answer_at_once(self, application: Application, context: dict[str, Any]) -> HttpResponse:
        names = ("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method")
        credentials = {name: context[name] for name in names if context.get(name)}
        try:
            address, _headers, _body, _status = self.create_authorization_response(
                request=self.request, scopes=" ".join(context["scopes"]), credentials=credentials, allow=True
            )
        except OAuthToolkitError as error:
            return self.error_response(error, application)  # type: ignore[no-any-return]
        self.note_approval(application, context["scopes"])
        return self.redirect(address, application)  # type: ignore[no-any-return]

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        if form.cleaned_data["allow"] and "code=" in response.headers.get("Location", ""):
            application = Application.objects.get(client_id=form.cleaned_data["client_id"])
            self.note_approval(application, form.cleaned_data["scope"].split())
        return response

    def note_approval(self, application: Application, granted: list[str]) -> None:
        user = self.request.user
        approval, is_new = Approval.objects.get_or_create(user=user, application=application)
        if is_new or not approval.covers(granted):
            words = ", ".join(scopes.in_words(granted))
            name, address = application.name or application.client_id, client_address(self.request)
            diary.write(Kind.APPROVED, whose=user, who=user, detail=words, address=address, subject=name)
        approval.scopes = sorted({*approval.scopes, *granted})
        approval.last_used_at = timezone.now()
        approval.save()


def origin(url: str) -> str:
    """Where the form's answer leads the browser: it must be allowed to follow."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@csrf_exempt
@never_cache
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """Whether a token is alive (RFC 7662): told to the client that it was given to, if it has the right to ask."""
    client = oauth_server.asking_client(request)
    if client is None:
        challenge = {"WWW-Authenticate": 'Basic realm="keyrack"'}
        return JsonResponse({"error": "invalid_client"}, status=401, headers=challenge)
    if not client.may_introspect:
        return JsonResponse({"error": "unauthorized_client"}, status=403)
    token = request.POST.get("token")
    if not token:
        told = "The token parameter is missing."
        return JsonResponse({"error": "invalid_request", "error_description": told}, status=400)
    return JsonResponse(oauth_server.introspection(token, client) or INACTIVE)
