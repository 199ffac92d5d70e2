"""Views of the OAuth server: token, consent, introspection and metadata."""

import json
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

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
from oauth2_provider.models import get_access_token_model, get_refresh_token_model
from oauth2_provider.oauth2_backends import _add_iss_to_redirect, get_oauthlib_core
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views import AuthorizationView, OAuthServerMetadataView, TokenView
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from accounts import scopes, token_families
from accounts.models import User
from accounts.oauth_server import application_changes, client_documents, consent_page, refresh_rules, scopes_backend
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.error_answers import describe_error, describe_redirect, json_headers
from accounts.oauth_server.models import Application, Approval, Standing, is_loopback
from accounts.oauth_server.replays import hash_secret
from accounts.oauth_server.request_rules import (
    check_client_request,
    find_request_error,
    is_own_address,
    known_parameters,
    may_act,
)
from accounts.sign_in.middleware import REDIRECTED_AT, client_address, was_redirected

AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()
INACTIVE = {"active": False}
MAY_NOT_INTROSPECT = "An administrator has not allowed this client to introspect tokens."


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Token(TokenView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Token endpoint (RFC 6749 §3.2). Device codes are the validator's: the toolkit's own way stores them in clear."""

    def post(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        _address, headers, body, status = self.create_token_response(request)
        return HttpResponse(body, status=status, headers=headers)


@method_decorator(never_cache, name="dispatch")
class Consent(AuthorizationView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Authorization endpoint (RFC 6749 §4.1.1): asks the user once for each application and its scopes."""

    template_name = "accounts/consent.html"

    def dispatch(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        """Answer a redirect from the sign-in form with a page of its own (`accounts.sign_in.middleware`).

        Else the `form-action` policy of that form would block the redirect to the client. Only browsers apply it, and
        they send Fetch Metadata.
        """
        if request.method == "GET" and "Sec-Fetch-Mode" in request.headers and was_redirected(request):
            del request.session[REDIRECTED_AT]
            return render(request, "accounts/forward.html", {"url": request.get_full_path()})
        request.GET = known_parameters(request.GET)  # type: ignore[assignment]  # read-only in the stubs
        response: HttpResponse = super().dispatch(request, *arguments, **names)
        return response

    def get(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        """Show who has to allow the application first, if its client ID is the address of a document."""
        client_ids = request.GET.getlist("client_id")
        if len(client_ids) == 1 and find_request_error(request.GET) is None:
            user, address = cast(User, request.user), client_address(request)
            if application := client_documents.find_held_back(client_ids[0], user=user, address=address):
                return render(
                    request, "accounts/held_back.html", {"application": application}, status=HTTPStatus.FORBIDDEN
                )
        with scopes_backend.only_needed():
            response: HttpResponse = super().get(request, *arguments, **names)
        return response

    def validate_authorization_request(self, request: HttpRequest) -> Any:
        """Report an error to the client, if its redirect URI can be trusted; else to the user."""
        error = find_request_error(request.GET)
        if error and (address := trusted_redirect_uri(request.GET)):
            states = request.GET.getlist("state")
            error.state = states[0] if len(states) == 1 else None
            raise OAuthToolkitError(error=error, redirect_uri=address)
        requested, credentials = super().validate_authorization_request(request)
        scopes_backend.limit_to(requested)
        return requested, credentials

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Add the issuer to every response, errors included (RFC 9207 §2), and a sentence to errors."""
        redirect_to = describe_redirect(redirect_to)
        address = _add_iss_to_redirect(redirect_to, oauth2_settings.oauth2_authorization_server_issuer(self.request))
        application = application or Application.objects.filter(client_id=self.request.GET.get("client_id")).first()
        response: HttpResponse = super().redirect(address, application)
        return response

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        template_context: dict[str, Any] = super().get_context_data(**context)
        template_context |= consent_page.scopes_context(self.request.user, template_context.get("scopes", []))
        redirect_uri = template_context.get("redirect_uri") or ""
        template_context["redirect_host"] = urlsplit(redirect_uri).netloc
        template_context["leads_to_own_computer"] = is_loopback(redirect_uri)
        if application := template_context.get("application"):
            template_context |= consent_page.application_context(application)
        return template_context

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """Show the consent page; or answer at once, if the user has approved before."""
        application = context.get("application")
        if application and self.was_approved(application, context["scopes"]):
            return self.answer_at_once(application, context)
        if application and self.request.GET.get("prompt", "").split() == ["none"]:
            error = errors.ConsentRequired(state=context["state"])
            toolkit_error = OAuthToolkitError(error=error, redirect_uri=context["redirect_uri"])
            return self.error_response(toolkit_error, application)  # type: ignore[no-any-return]
        response: HttpResponse = super().render_to_response(context, **options)
        if application:
            response._csp_update = {"form-action": form_targets(context["redirect_uri"])}  # type: ignore[attr-defined]
        return response

    def was_approved(self, application: Application, requested_scopes: list[str]) -> bool:
        """Whether the user has approved these scopes.

        False for public clients, which cannot prove their identity (RFC 8252 §8.6), for those that registered
        themselves, and with prompt=consent.
        """
        asks_again = "consent" in self.request.GET.get("prompt", "") or application.is_self_registered
        if asks_again or application.client_type != Application.CLIENT_CONFIDENTIAL:
            return False
        approval = Approval.objects.filter(user=self.request.user, application=application).first()
        return bool(approval and approval.covers(requested_scopes))

    def answer_at_once(self, application: Application, context: dict[str, Any]) -> HttpResponse:
        names = ("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method")
        credentials = {name: context[name] for name in names if context.get(name)}
        credentials["resource"] = self.request.GET.getlist("resource")
        with transaction.atomic():
            stored = application_changes.lock_application(pk=application.pk)
            is_unchanged = stored is not None and approved_version(stored) == approved_version(application)
            if not (is_unchanged and self.was_approved(application, context["scopes"])):
                return self.ask_again()
            try:
                address, _headers, _body, _status = self.create_authorization_response(
                    request=self.request, scopes=" ".join(context["scopes"]), credentials=credentials, allow=True
                )
            except OAuthToolkitError as error:
                return self.error_response(error, application)  # type: ignore[no-any-return]
            self.record_approval(application, context["scopes"])
        return self.redirect(address, application)

    def form_valid(self, form: Any) -> HttpResponse:
        """Answer the client. The hidden fields come from the browser, so they are checked like a request.

        If the application has changed since the page was shown, the user is asked again.
        """
        answer = form.cleaned_data
        with transaction.atomic():
            application = application_changes.lock_application(client_id=answer["client_id"])
            if application and answer["allow"] and not self.was_shown(application):
                return self.ask_again()
            if not application or not application.redirect_uri_allowed(answer["redirect_uri"]):
                return self.form_invalid(form)
            if not all(map(is_own_address, answer["resource"].split())):
                return self.form_invalid(form)
            answer["nonce"] = answer["claims"] = ""  # of OpenID Connect, which is not supported
            form_scopes, reach = self.request.POST.getlist("scopes"), self.request.POST.get("reach", "")
            requested = answer["scope"].split()
            granted = scopes.granted_scopes(self.request.user, requested, reach, ticked=form_scopes)
            answer["scope"], answer["allow"] = " ".join(granted), answer["allow"] and bool(granted)
            response: HttpResponse = super().form_valid(form)
            if answer["allow"] and "code=" in response.headers.get("Location", ""):
                self.record_approval(application, granted, declined=set(requested) - set(granted))
        return response

    def was_shown(self, application: Application) -> bool:
        """Whether the page showed the application as it is now."""
        return constant_time_compare(self.request.POST.get("shown_version", ""), approved_version(application))

    def ask_again(self) -> HttpResponse:
        return HttpResponseRedirect(self.request.get_full_path())

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response({"error": errors.InvalidRequestFatalError()}, status=HTTPStatus.BAD_REQUEST)

    def handle_prompt_login(self) -> HttpResponse:
        """Redirect to the sign-in page with all `resource` parameters. The toolkit's keeps only one."""
        parameters = self.request.GET.copy()
        parameters["prompt"] = " ".join(word for word in parameters["prompt"].split() if word != "login")
        return redirect_to_login(f"{self.request.path}?{known_parameters(parameters).urlencode()}")

    def record_approval(self, application: Application, granted: list[str], *, declined: Collection[str] = ()) -> None:
        user = self.request.user
        approval, is_new = Approval.objects.get_or_create(user=user, application=application)
        if is_new or not approval.covers(granted):
            consent_page.log_approval(user, application, granted, address=client_address(self.request))
        approval.scopes = sorted(scopes.without_declined(approval.scopes, declined) | set(granted))
        approval.last_used_at = timezone.now()
        approval.save()


def trusted_redirect_uri(parameters: QueryDict) -> str:
    """The registered redirect URI at which the client may learn of an error; "" if there is any doubt."""
    client_ids, addresses = parameters.getlist("client_id"), parameters.getlist("redirect_uri")
    rows = Application.objects.filter(client_id__in=client_ids, standing=Standing.ALLOWED)
    application = rows.first() if len(client_ids) == 1 else None
    if application is None or len(addresses) > 1:
        return ""
    if addresses:
        return addresses[0] if application.redirect_uri_allowed(addresses[0]) else ""
    registered = application.redirect_uris.split()
    return registered[0] if len(registered) == 1 else ""


def form_targets(redirect_uri: str) -> list[str]:
    """Values of `form-action`: the client, and any host of its scheme, since it may redirect."""
    parts = urlsplit(redirect_uri)
    return [f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}:"]


@csrf_exempt
@never_cache
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """Introspection endpoint (RFC 7662), for clients that may introspect, and their own tokens."""
    try:
        check_client_request(request)
        client = authenticate_client(request)
        if client is None:
            raise errors.InvalidClientError
        if not client.may_introspect:
            raise errors.UnauthorizedClientError(MAY_NOT_INTROSPECT, status_code=HTTPStatus.FORBIDDEN)
        token = request.POST.get("token")
        if not token:
            raise errors.InvalidRequestError(description="The token parameter is missing.")
    except errors.OAuth2Error as error:
        headers = json_headers(error.headers, error.status_code)
        return HttpResponse(describe_error(error.json), status=error.status_code, headers=headers)
    return JsonResponse(introspect_token(token, client) or INACTIVE)


class Metadata(OAuthServerMetadataView):  # type: ignore[misc]  # as above
    """Authorization server metadata (RFC 8414): the toolkit's, corrected for this server."""

    def get(self, request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *arguments, **names)
        metadata = json.loads(response.content)
        metadata["response_modes_supported"] = ["query"]
        metadata["device_authorization_endpoint"] = self._get_endpoint_url(
            request, "device-authorization", required=True
        )
        metadata["introspection_endpoint_auth_methods_supported"] = ["client_secret_basic", "client_secret_post"]
        response.content = json.dumps(metadata)
        return response


def authenticate_client(request: HttpRequest) -> Application | None:
    """The confidential client that authenticates in this request (RFC 6749 §2.3.1); None if there is none."""
    core = get_oauthlib_core()
    oauth_request = Request(*core._extract_params(request))
    if not core.server.request_validator.authenticate_client(oauth_request):
        return None
    client = cast(Application, oauth_request.client)
    return client if client.client_type == Application.CLIENT_CONFIDENTIAL else None


def introspect_token(token: str, client: Application) -> dict[str, Any] | None:
    """The response for an active token of this client (RFC 7662 §2.2); None for any other token."""
    of_client = {"token_checksum": hash_secret(token), "application": client}
    access_token = AccessToken.objects.select_related("user").filter(**of_client).first()
    if access_token and access_token.is_valid() and may_act(access_token.user):
        audience = {"aud": access_token.resource} if access_token.resource else {}
        return active_response(
            access_token.user, client, scope=access_token.scope, exp=int(access_token.expires.timestamp()), **audience
        )
    rows = RefreshToken.objects.select_related("user", "access_token").filter(**of_client, revoked__isnull=True)
    row = rows.first()
    if row and refresh_rules.is_usable(row):
        return active_response(row.user, client, scope=token_families.granted_scope(row))
    return None


def active_response(user: User | None, client: Application, **facts: Any) -> dict[str, Any]:
    owner = {"username": user.get_username(), "sub": str(user.pk)} if user else {}
    return {"active": True, "client_id": client.client_id, **owner, **facts}
