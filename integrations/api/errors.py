"""Everything that goes wrong, in one shape: `{"error": code, "error_description": sentence}`. No bodies, no secrets."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.api.authentication import InsufficientScope, challenge
from accounts.api.throttling import wait_of_the_refused
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.calls import BadPath
from integrations.models.tokens import consent
from integrations.personal_auth import NotAuthenticated

NOT_THERE = "There is no such integration for you."
NOT_CONNECTED = "The person is not signed in to this integration. Send them to initiator_url."
ADDRESS_CHANGED = "The integration was moved to another address. The person must confirm it, or sign in again."
UNREACHABLE = "The third party does not answer. Try again later."
UNUSABLE = "The third party answered in a way that cannot be used."
MISCONFIGURED = "The integration is set up wrongly. An administrator must mend it."
CODES = {400: "invalid_request", 403: "permission_denied", 404: "not_found", 405: "method_not_allowed"}
CODES |= {406: "not_acceptable", 413: "request_too_large", 415: "unsupported_media_type", 429: "too_many_requests"}
TOO_LARGE = "The body is larger than %(limit)d bytes."
OWN_CODES = ("insufficient_scope", "invalid_token", "export_not_allowed", "provider_forbids")
REFUSED_AT_THE_DOOR = (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)


class TooLarge(exceptions.APIException):
    status_code = 413


def in_one_shape(error: Exception, context: dict[str, Any]) -> Response | None:
    """What django-rest-framework answers instead of an exception. None: it is a bug, and goes where bugs go."""
    if isinstance(error, NotAuthenticated):
        told = {"initiator_url": error.initiator_url}
        if error.code == consent.CHANGED:
            return Response({**shape("address_changed", ADDRESS_CHANGED), **told}, status=409)
        return Response({**shape("integration_not_authenticated", NOT_CONNECTED), **told}, status=401)
    if isinstance(error, OAuthError):
        return provider_failed(error)
    error = of_the_framework(error, context)
    speak_json(context.get("request"))
    response = exception_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = shape(code_of(error, response.status_code), words_of(error))
        explain(response, error)
    return response


def of_the_framework(error: Exception, context: dict[str, Any]) -> Exception:
    """Django's exceptions in django-rest-framework's words; and who is refused at the door too often has to wait."""
    if isinstance(error, BadPath):
        return exceptions.ParseError(str(error))
    if isinstance(error, RequestDataTooBig):
        return TooLarge(TOO_LARGE % {"limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    if isinstance(error, Http404):
        return exceptions.NotFound(NOT_THERE)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, REFUSED_AT_THE_DOOR):
        wait = wait_of_the_refused(context["request"], context["view"])
        return error if wait is None else exceptions.Throttled(wait)
    return error


def speak_json(request: Any) -> None:
    """Also where the answer itself would have been something else."""
    if request is not None:
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type


def answered(error: Exception) -> JsonResponse:
    """The same without the framework, for errors that it would know."""
    told = in_one_shape(error, {})
    if told is None:
        raise error
    headers = {name: value for name, value in told.headers.items() if name != "Content-Type"}
    return JsonResponse(told.data, status=told.status_code, headers=headers)


def shape(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


def provider_failed(error: OAuthError) -> Response:
    if isinstance(error, Misconfigured):
        return Response(shape("integration_misconfigured", MISCONFIGURED), status=502)
    if not isinstance(error, Unreachable):
        return Response(shape("provider_unusable", UNUSABLE), status=502)
    headers = {"Retry-After": str(int(error.retry_after))} if error.retry_after else None
    status = 504 if error.code == "timeout" else 502
    return Response(shape("provider_unreachable", UNREACHABLE), status=status, headers=headers)


def explain(response: Response, error: exceptions.APIException) -> None:
    """To programs, in the header that RFC 6750 §3 names for it."""
    if isinstance(error, InsufficientScope):
        scope = " ".join(error.needed)
        response["WWW-Authenticate"] = challenge(error="insufficient_scope", scope=scope)
    elif error.get_codes() == "invalid_token":
        response["WWW-Authenticate"] = challenge(error="invalid_token", error_description=words_of(error))


def code_of(error: exceptions.APIException, status: int) -> str:
    """The code that whoever raised it chose; django-rest-framework's own are not for programs."""
    codes = error.get_codes()
    if codes in OWN_CODES:
        return str(codes)
    return "not_authenticated" if status == 401 else CODES.get(status, "invalid_request")


def words_of(error: exceptions.APIException) -> str:
    """One sentence, also of a form's many."""
    detail = error.detail
    if isinstance(detail, dict):
        return " ".join(f"{name}: {' '.join(map(str, told))}" for name, told in detail.items())
    return " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)
