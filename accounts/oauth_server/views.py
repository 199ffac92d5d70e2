"""The doors of the OAuth server: consent, and introspection. What they decide by is in `oauth_server`."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.oauth2_backends import _add_iss_to_redirect
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views import AuthorizationView, OAuthServerMetadataView, TokenView
from oauthlib.oauth2.rfc6749 import errors

from accounts import scopes
from accounts.audit import log
from accounts.audit.log import Kind
from accounts.oauth_server import application_changes, introspection
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.models import Application, Approval
from accounts.oauth_server.request_rules import (
    check_client_request,
    find_fault,
    json_headers,
    known_parameters,
)
from accounts.oauth_server.resource_indicators import is_own
from accounts.sign_in.lockout import client_address
from accounts.sign_in.redirects import REDIRECTED_AT, was_redirected

INACTIVE = {"active": False}


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Token(TokenView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Without the toolkit's device flow, which is not served here."""

    def post(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        _address, headers, body, status = self.create_token_response(request)
        return HttpResponse(body, status=status, headers=headers)


@method_decorator(never_cache, name="dispatch")
class Consent(AuthorizationView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Asks the person once for each application and its scopes (RFC 6749 §4.1.1)."""

    template_name = "accounts/consent.html"

    def dispatch(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        """End the submission of the sign-in form first: its page's `form-action` would stop a redirect to the client.

        Only browsers apply it, and they send Fetch Metadata.
        """
        if request.method == "GET" and "Sec-Fetch-Mode" in request.headers and was_redirected(request):
            del request.session[REDIRECTED_AT]
            return render(request, "accounts/forward.html", {"url": request.get_full_path()})
        request.GET = known_parameters(request.GET)  # type: ignore[assignment]  # the stubs say that it cannot be set
        response: HttpResponse = super().dispatch(request, *arguments, **names)
        return response

    def validate_authorization_request(self, request: HttpRequest) -> Any:
        """What is wrong is told to the program, if its address may be believed; else to the person."""
        fault = find_fault(request.GET)
        if fault and (address := believed_redirect_uri(request.GET)):
            states = request.GET.getlist("state")
            fault.state = states[0] if len(states) == 1 else None
            raise OAuthToolkitError(error=fault, redirect_uri=address)
        return super().validate_authorization_request(request)

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Every answer names who gives it, errors as well (RFC 9207 §2)."""
        address = _add_iss_to_redirect(redirect_to, oauth2_settings.oauth2_authorization_server_issuer(self.request))
        response: HttpResponse = super().redirect(address, application)
        return response

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**context)
        found["scopes_in_words"] = scopes.in_words(found.get("scopes", []))
        found["redirect_host"] = urlsplit(found.get("redirect_uri") or "").netloc
        if application := found.get("application"):
            found["shown_version"] = approved_version(application)
        found["minutes"] = oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS // 60
        found["days"] = settings.REFRESH_TOKEN_FAMILY_LIFETIME.days
        return found

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """The question; or right away the answer, where this person has given it before."""
        application = context.get("application")
        if application and self.was_approved(application, context["scopes"]):
            return self.answer_at_once(application, context)
        response: HttpResponse
        if application and self.request.GET.get("prompt", "").split() == ["none"]:
            error = errors.ConsentRequired(state=context["state"])
            told = OAuthToolkitError(error=error, redirect_uri=context["redirect_uri"])
            response = self.error_response(told, application)
            return response
        response = super().render_to_response(context, **options)
        if application:
            response._csp_update = {"form-action": form_targets(context["redirect_uri"])}  # type: ignore[attr-defined]
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
        credentials["resource"] = self.request.GET.getlist("resource")
        with transaction.atomic():
            stored = application_changes.lock(pk=application.pk)
            is_unchanged = stored is not None and approved_version(stored) == approved_version(application)
            if not (is_unchanged and self.was_approved(application, context["scopes"])):
                return self.ask_again()
            try:
                address, _headers, _body, _status = self.create_authorization_response(
                    request=self.request, scopes=" ".join(context["scopes"]), credentials=credentials, allow=True
                )
            except OAuthToolkitError as error:
                return self.error_response(error, application)  # type: ignore[no-any-return]
            self.note_approval(application, context["scopes"])
        return self.redirect(address, application)

    def form_valid(self, form: Any) -> HttpResponse:
        """The form's hidden fields came from a browser: they are judged as a request is.

        Allowed is what the page showed: if the application was changed since, the person is asked again.
        """
        answer = form.cleaned_data
        with transaction.atomic():
            application = application_changes.lock(client_id=answer["client_id"])
            if application and answer["allow"] and not self.was_shown(application):
                return self.ask_again()
            if not application or not application.redirect_uri_allowed(answer["redirect_uri"]):
                return self.form_invalid(form)
            if not all(map(is_own, answer["resource"].split())):
                return self.form_invalid(form)
            answer["nonce"] = answer["claims"] = ""  # of OpenID Connect, which is not spoken here
            response: HttpResponse = super().form_valid(form)
            if answer["allow"] and "code=" in response.headers.get("Location", ""):
                self.note_approval(application, answer["scope"].split())
        return response

    def was_shown(self, application: Application) -> bool:
        return constant_time_compare(self.request.POST.get("shown_version", ""), approved_version(application))

    def ask_again(self) -> HttpResponse:
        return HttpResponseRedirect(self.request.get_full_path())

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response({"error": errors.InvalidRequestFatalError()}, status=HTTPStatus.BAD_REQUEST)

    def handle_prompt_login(self) -> HttpResponse:
        """The toolkit's, which would lose all but one `resource`."""
        again = self.request.GET.copy()
        again["prompt"] = " ".join(word for word in again["prompt"].split() if word != "login")
        return redirect_to_login(f"{self.request.path}?{known_parameters(again).urlencode()}")

    def note_approval(self, application: Application, granted: list[str]) -> None:
        user = self.request.user
        approval, is_new = Approval.objects.get_or_create(user=user, application=application)
        if is_new or not approval.covers(granted):
            words = ", ".join(scopes.in_words(granted))
            name, address = application.name or application.client_id, client_address(self.request)
            log.write(Kind.APPROVED, whose=user, who=user, detail=words, address=address, subject=name)
        approval.scopes = sorted({*approval.scopes, *granted})
        approval.last_used_at = timezone.now()
        approval.save()


def believed_redirect_uri(asked: QueryDict) -> str:
    """Where the program that this request names may be told of an error; empty if that is not certain."""
    client_ids, addresses = asked.getlist("client_id"), asked.getlist("redirect_uri")
    application = Application.objects.filter(client_id__in=client_ids).first() if len(client_ids) == 1 else None
    if application is None or len(addresses) > 1:
        return ""
    if addresses:
        return addresses[0] if application.redirect_uri_allowed(addresses[0]) else ""
    registered = application.redirect_uris.split()
    return registered[0] if len(registered) == 1 else ""


def form_targets(redirect_uri: str) -> list[str]:
    """Where the browser may go after the form: the client, and wherever that one redirects it."""
    parts = urlsplit(redirect_uri)
    return [f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}:"]


@csrf_exempt
@never_cache
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """Whether a token is alive (RFC 7662): told to the client that it was given to, if it has the right to ask."""
    try:
        check_client_request(request)
        client = introspection.asking_client(request)
        if client is None:
            raise errors.InvalidClientError
        if not client.may_introspect:
            raise errors.UnauthorizedClientError(status_code=HTTPStatus.FORBIDDEN)
        token = request.POST.get("token")
        if not token:
            raise errors.InvalidRequestError(description="The token parameter is missing.")
    except errors.OAuth2Error as error:
        headers = json_headers(error.headers, error.status_code)
        return HttpResponse(error.json, status=error.status_code, headers=headers)
    return JsonResponse(introspection.introspection(token, client) or INACTIVE)


class Metadata(OAuthServerMetadataView):  # type: ignore[misc]  # as above
    """The toolkit's authorization server metadata (RFC 8414), with what is true of this server."""

    def get(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *arguments, **names)
        told = json.loads(response.content)
        told["response_modes_supported"] = ["query"]
        told["introspection_endpoint_auth_methods_supported"] = ["client_secret_basic", "client_secret_post"]
        response.content = json.dumps(told)
        return response
