"""The endpoints that clients call: token, revocation, introspection, metadata.

django-oauth-toolkit does the work; this adds protection against races and foreign clients.
"""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from oauth2_provider.models import AccessToken, Application, RefreshToken
from oauth2_provider.views import RevokeTokenView, TokenView

from demo.provider import callers, ledger


@method_decorator(transaction.atomic, name="post")
class Token(TokenView):
    """One transaction per call. With SQLite's IMMEDIATE mode calls stand in a queue, so a refresh token that is sent
    twice at once is rotated once; the second call meets a used token, gets `invalid_grant`, and ends the family."""

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Answer the four grants we have; the device grant of the base class is not offered."""
        if not callers.grant_type_of(request):
            return _error("unsupported_grant_type", 400)
        response: HttpResponse = self.authorization_flow_token_response(request)
        return response


@method_decorator(transaction.atomic, name="post")
class Revocation(RevokeTokenView):
    """One transaction per call, as above."""


@csrf_exempt
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """RFC 7662, for the client's own tokens only: anybody else's are `{"active": false}`."""
    application = callers.authenticated_application(request)
    if application is None:
        response = _error("invalid_client", 401)
        response.headers["WWW-Authenticate"] = 'Basic realm="Northwind"'
        return response
    return JsonResponse(_introspection(request.POST.get("token", ""), application))


@require_GET
def metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414 and OpenID discovery in one document. All addresses start with PROVIDER_URL, whatever the Host says."""
    return JsonResponse(
        {
            "issuer": settings.PROVIDER_URL,
            "authorization_endpoint": _address("authorize"),
            "token_endpoint": _address("token"),
            "revocation_endpoint": _address("revoke-token"),
            "introspection_endpoint": _address("introspect"),
            "userinfo_endpoint": _address("user-info"),
            "jwks_uri": _address("jwks-info"),
            "scopes_supported": list(settings.OAUTH2_PROVIDER["SCOPES"]),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "password"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified"],
        }
    )


def _introspection(token: str, application: Application) -> dict[str, Any]:
    conditions = {"token_checksum": ledger.checksum(token), "application": application, "user__is_active": True}
    access = AccessToken.objects.filter(**conditions, expires__gt=timezone.now()).select_related("user").first()
    if access is not None:
        return _active(access, kind="access_token") | {"exp": int(access.expires.timestamp())}
    rows = RefreshToken.objects.filter(**conditions, revoked=None, access_token__isnull=False)
    refresh = rows.select_related("user", "access_token").first()
    if refresh is None:
        return {"active": False}
    return _active(refresh.access_token, kind="refresh_token")


def _active(access: AccessToken, *, kind: str) -> dict[str, Any]:
    return {
        "active": True,
        "scope": access.scope,
        "client_id": access.application.client_id,
        "username": access.user.get_username(),
        "sub": str(access.user.pk),
        "iss": settings.PROVIDER_URL,
        "token_type": "Bearer" if kind == "access_token" else kind,
    }


def _address(name: str) -> str:
    return f"{settings.PROVIDER_URL}{reverse(f'oauth2_provider:{name}')}"


def _error(code: str, status: int) -> HttpResponse:
    return JsonResponse({"error": code}, status=status)
