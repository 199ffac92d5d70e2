"""Error responses of the API: `{"error": code, "error_description": sentence}`, without bodies or secrets."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.api.permissions import InsufficientScope, challenge, throttle_unauthenticated
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.calls import BadPath
from integrations.models.tokens import consent
from integrations.personal_auth import NotAuthenticated

NOT_THERE = "There is no such integration for you."
NOT_CONNECTED = "The person is not signed in to this integration. Send them to initiator_url."
ADDRESS_CHANGED = "The integration was moved to another address. The person must confirm it, or sign in again."
UNREACHABLE = "The third party does not answer. Try again later."
UNUSABLE = "The third party's answer can't be used."
MISCONFIGURED = "The integration is misconfigured. An administrator must fix it."
CODES = {400: "invalid_request", 403: "permission_denied", 404: "not_found", 405: "method_not_allowed"}
CODES |= {406: "not_acceptable", 413: "request_too_large", 415: "unsupported_media_type", 429: "too_many_requests"}
TOO_LARGE = "The body is larger than %(limit)d bytes."
OWN_CODES = ("insufficient_scope", "invalid_token", "export_not_allowed", "provider_forbids")
UNAUTHENTICATED = (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)


class TooLarge(exceptions.APIException):
    status_code = 413


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Exception handler of django-rest-framework. Returns None for an unexpected exception, which is then raised."""
    if isinstance(error, NotAuthenticated):
        sign_in = {"initiator_url": error.initiator_url}
        if error.code == consent.CHANGED:
            return Response({**shape("address_changed", ADDRESS_CHANGED), **sign_in}, status=409)
        return Response({**shape("integration_not_authenticated", NOT_CONNECTED), **sign_in}, status=401)
    if isinstance(error, OAuthError):
        return provider_error(error)
    error = to_api_exception(error, context)
    request = context.get("request")
    if request is not None:  # in JSON, even if the view would have answered in another format
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    response.data = shape(error_code(error, response.status_code), error_sentence(error))
    if isinstance(error, InsufficientScope):  # the challenge (RFC 6750 §3)
        scope = " ".join(error.needed)
        response["WWW-Authenticate"] = challenge(error="insufficient_scope", scope=scope)
    elif error.get_codes() == "invalid_token":
        response["WWW-Authenticate"] = challenge(error="invalid_token", error_description=error_sentence(error))
    return response


def to_api_exception(error: Exception, context: dict[str, Any]) -> Exception:
    """Translate Django's exceptions to django-rest-framework's, and throttle failed authentication."""
    if isinstance(error, BadPath):
        return exceptions.ParseError(str(error))
    if isinstance(error, RequestDataTooBig):
        return TooLarge(TOO_LARGE % {"limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    if isinstance(error, Http404):
        return exceptions.NotFound(NOT_THERE)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, UNAUTHENTICATED):
        wait = throttle_unauthenticated(context["request"], context["view"])
        return error if wait is None else exceptions.Throttled(wait)
    return error


def error_response(error: Exception) -> JsonResponse:
    """Return the error response outside django-rest-framework. Raises unexpected errors again."""
    response = handle_exception(error, {})
    if response is None:
        raise error
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    return JsonResponse(response.data, status=response.status_code, headers=headers)


def shape(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


def provider_error(error: OAuthError) -> Response:
    if isinstance(error, Misconfigured):
        return Response(shape("integration_misconfigured", MISCONFIGURED), status=502)
    if not isinstance(error, Unreachable):
        return Response(shape("provider_unusable", UNUSABLE), status=502)
    headers = {"Retry-After": str(int(error.retry_after))} if error.retry_after else None
    status = 504 if error.code == "timeout" else 502
    return Response(shape("provider_unreachable", UNREACHABLE), status=status, headers=headers)


def error_code(error: exceptions.APIException, status: int) -> str:
    """Return the error code. Of an exception's own codes only ours are used: those of the framework aren't stable."""
    codes = error.get_codes()
    if codes in OWN_CODES:
        return str(codes)
    return "not_authenticated" if status == 401 else CODES.get(status, "invalid_request")


def error_sentence(error: exceptions.APIException) -> str:
    """Return the sentences of an error as one."""
    detail = error.detail
    if isinstance(detail, dict):
        return " ".join(f"{name}: {' '.join(map(str, sentences))}" for name, sentences in detail.items())
    return " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)
