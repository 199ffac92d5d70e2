"""Error responses of the API: `{"error": code, "error_description": sentence}`, without bodies or secrets."""

from http import HTTPStatus
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from accounts import scopes
from accounts.api.permissions import InsufficientScope, bearer_challenge, metadata_url, throttle_unauthenticated
from foundation.oauth_client.errors import OAuthError
from integrations.calls import BadPath
from integrations.models import failures
from integrations.personal_auth import NotAuthenticated, RefusedAgain

NOT_THERE, TOO_LARGE = failures.NOT_FOUND.sentence, failures.TOO_LARGE.sentence
NOT_CONNECTED, ADDRESS_CHANGED = failures.NOT_AUTHENTICATED.sentence, failures.MOVED.sentence
UNREACHABLE, UNUSABLE = failures.UNREACHABLE.sentence, failures.UNUSABLE.sentence
MISCONFIGURED, REFUSED_AGAIN = failures.MISCONFIGURED.sentence, failures.REFUSED_AGAIN.sentence
CODES = {status: answer.code for status, answer in failures.OF_REQUEST.items()}
NAMED_CODES = [answer.code for answer in failures.NAMED]
SEND_AS = "Send the body as %(type)s, and name this in the Content-Type header."
RESOURCE = "/api/v1"  # the protected resource that these errors are of (RFC 9728)
UNAUTHENTICATED = (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)


class TooLarge(exceptions.APIException):
    status_code = 413


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Exception handler of django-rest-framework. Returns None for an unexpected exception, which is then raised."""
    if isinstance(error, NotAuthenticated):
        answer = failures.answer_without_token(error.code)
        body = {**error_body(answer.code, answer.sentence), "initiator_url": error.initiator_url}
        wait = error.retry_after if isinstance(error, RefusedAgain) else None
        return Response(body, status=answer.status, headers={"Retry-After": str(ceil(wait))} if wait else None)
    if isinstance(error, OAuthError):
        return provider_error(error)
    error = to_api_exception(error, context)
    request = context.get("request")
    if request is not None:  # in JSON, even if the view would have answered in another format
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    response.data = error_body(error_code(error, response.status_code), error_sentence(error))
    response.data |= getattr(error, "members", {})
    if response.status_code == HTTPStatus.UNAUTHORIZED or isinstance(error, InsufficientScope):
        response["WWW-Authenticate"] = bearer_challenge(**challenge_words(error, context))
    return response


def challenge_words(error: exceptions.APIException, context: dict[str, Any]) -> dict[str, str]:
    """The parameters of the Bearer challenge: which scopes to ask for (RFC 6750 §3), and where (RFC 9728 §5.1)."""
    if isinstance(error, InsufficientScope):
        words = {"error": "insufficient_scope", "scope": " ".join(error.needed)}
    else:
        is_invalid = error.get_codes() == "invalid_token"
        words = {"error": "invalid_token", "error_description": error_sentence(error)} if is_invalid else {}
        words |= {"scope": scope} if (scope := " ".join(usual_scopes(context))) else {}
    return {**words, "resource_metadata": metadata_url(RESOURCE)}


def usual_scopes(context: dict[str, Any]) -> list[str]:
    """The scopes of the call, for a client without a token. Names no integration: a stranger must not learn of any."""
    method = "GET" if context["request"].method == "HEAD" else context["request"].method
    needed = getattr(context["view"], "scopes", {}).get(method, [])
    return [scopes.EVERY_SERVICE if scope.startswith(scopes.SERVICE) else scope for scope in needed]


def to_api_exception(error: Exception, context: dict[str, Any]) -> Exception:
    """Translate Django's exceptions to django-rest-framework's, and throttle failed authentication."""
    if isinstance(error, BadPath):
        return exceptions.ParseError(str(error))
    if isinstance(error, RequestDataTooBig):
        return TooLarge(TOO_LARGE % {"limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    if isinstance(error, Http404):
        return exceptions.NotFound(NOT_THERE)
    if isinstance(error, exceptions.UnsupportedMediaType):
        readable = ", ".join(parser.media_type for parser in context["view"].parser_classes)
        error.detail = exceptions.ErrorDetail(SEND_AS % {"type": readable}, code=error.default_code)
        return error
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


def error_body(code: str, description: str) -> dict[str, str]:
    return {"error": code, "error_description": description}


def provider_error(error: OAuthError) -> Response:
    answer, retry_after = failures.answer_to(error), getattr(error, "retry_after", None)
    headers = {"Retry-After": str(ceil(retry_after))} if retry_after else None
    sentence = error.for_programs or answer.sentence
    return Response(error_body(answer.code, sentence), status=failures.status_of(error), headers=headers)


def error_code(error: exceptions.APIException, status: int) -> str:
    """Return the error code. Of an exception's own codes only ours are used: those of the framework aren't stable."""
    codes = error.get_codes()
    if codes in NAMED_CODES:
        return str(codes)
    return CODES.get(status, failures.INVALID_REQUEST.code)


def error_sentence(error: exceptions.APIException) -> str:
    """Return the sentences of an error as one."""
    detail = error.detail
    if isinstance(detail, dict):
        return " ".join(f"{label_of(name)}{' '.join(map(str, sentences))}" for name, sentences in detail.items())
    return " ".join(map(str, detail)) if isinstance(detail, list) else str(detail)


def label_of(name: str) -> str:
    """What stands before the sentences about a member; nothing if they are about the body."""
    return "" if name == api_settings.NON_FIELD_ERRORS_KEY else f"{name}: "
