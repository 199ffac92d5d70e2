"""/mcp and /mcp/<set>: the tools of the person behind a bearer token. And the metadata of protected resources.

Authentication, admission, throttles and the words of errors are those of the REST API. Only a bearer token is taken: no
session, since a page of another site could use it.
"""

from functools import partial
from typing import Any, ClassVar, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from oauth2_provider.views.metadata import OAuthProtectedResourceMetadataView
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import scopes
from accounts.api.authentication import BearerToken
from accounts.api.permissions import METADATA_PATH, InsufficientScope, Rights, bearer_challenge, metadata_url
from integrations.api.calls_at_once import limit_at_once
from integrations.api.views import MayUseIntegrations, api_of
from integrations.mcp import messages, methods
from integrations.mcp.exchanges import Exchange, note_cancellation
from integrations.mcp.messages import MessageError
from integrations.mcp.methods import Method, ToolCall
from integrations.mcp.offered_tools import tools_of
from integrations.mcp.streaming import CallStream
from integrations.mcp.tools import SCOPES, Tool
from integrations.models.tool_sets import ToolSet

NO_TOOL_SET = "There is no such tool set for you."
NO_STORE = {"Cache-Control": "no-store"}


class PresentsToken(BasePermission):
    """Only requests with a token, whose scopes each tool checks."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is not None


class Door(APIView):
    """One JSON-RPC message by POST, answered as JSON; a call whose progress is asked for, as server-sent events."""

    authentication_classes = [BearerToken]
    permission_classes = [PresentsToken, MayUseIntegrations]
    renderer_classes = [JSONRenderer]
    schema = None
    http_method_names = ["post"]
    methods_by_name: ClassVar[dict[str, Method]] = methods.METHODS
    capabilities: ClassVar[dict[str, Any]] = methods.CAPABILITIES

    def initial(self, request: Request, *arguments: Any, **names: Any) -> None:
        """Refuse other methods and origins. Only the page of a browser sends that header."""
        if request.method != "POST":
            raise exceptions.MethodNotAllowed(str(request.method))
        if request.headers.get("Origin", settings.SITE_URL) != settings.SITE_URL:
            raise exceptions.PermissionDenied("Requests from pages of other origins are refused.")
        super().initial(request, *arguments, **names)

    def post(self, request: Request, name: str = "") -> HttpResponseBase:
        if request._request.content_type != "application/json":  # a form's body has been read by now
            raise exceptions.UnsupportedMediaType(str(request._request.content_type))
        tool_set = self.tool_set(request, name)
        try:
            message = messages.read_message(request.body, request.headers)
        except MessageError as error:
            return Response(error.body(), status=messages.STATUS.get(error.code, 200))
        exchange = Exchange(message=message, api=api_of(request), rights=rights_of(request), tool_set=tool_set)
        if message.is_notification:
            if message.method == "notifications/cancelled":
                note_cancellation(exchange)
            return Response(status=202)
        try:
            return self.answer(exchange, accepts_events="text/event-stream" in request.headers.get("Accept", ""))
        except MessageError as error:
            return Response(error.body(), status=message.status_of(error))

    def answer(self, exchange: Exchange, *, accepts_events: bool) -> HttpResponseBase:
        """The response to a request. Raises `MessageError` and what `handle_exception` answers."""
        message, headers = exchange.message, dict(NO_STORE)
        match message.method:
            case "server/discover" if message.is_stateless:
                result = methods.describe_server(exchange, self.capabilities)
            case "initialize" if not message.is_stateless:
                result = methods.shake_hands(exchange, self.capabilities)
                headers["Mcp-Session-Id"] = methods.session_id_of(exchange)
            case "ping" if not message.is_stateless:
                result = {}
            case "tools/call":
                call = methods.find_call(exchange, self.tools(exchange))
                has_events = accepts_events and message.progress_token is not None
                respond = partial(CallStream if has_events else answer_at_once, exchange, call)
                return limit_at_once(exchange.api.user, exchange.rights, respond)
            case method if method in self.methods_by_name:
                result = self.methods_by_name[method](exchange, self.tools(exchange))
            case _:
                raise MessageError(messages.METHOD_NOT_FOUND, "There is no such method.", request_id=message.id)
        return Response(message.answer(result), headers=headers)

    def tools(self, exchange: Exchange) -> list[Tool]:
        return tools_of(exchange)

    def tool_set(self, request: Request, name: str) -> ToolSet | None:
        if not name:
            return None
        tool_set = ToolSet.objects.available_to(api_of(request).user).filter(name=name).first()
        if tool_set is None:
            raise exceptions.NotFound(NO_TOOL_SET)
        return tool_set

    def handle_exception(self, error: Exception) -> Response:
        """As the REST API answers, with the address of the metadata in a Bearer challenge (RFC 9728 §5.1)."""
        response = super().handle_exception(error)
        if response.status_code in {401, 403} and "WWW-Authenticate" in response:
            needed = " ".join(error.needed if isinstance(error, InsufficientScope) else SCOPES)
            words = {"resource_metadata": metadata_url(self.request.path), "scope": needed}
            if isinstance(error, InsufficientScope):
                words = {"error": "insufficient_scope", **words}
            elif "HTTP_AUTHORIZATION" in self.request.META:
                words = {"error": "invalid_token", **words}
            response["WWW-Authenticate"] = bearer_challenge(**words)
        return response


def answer_at_once(exchange: Exchange, call: ToolCall) -> Response:
    """The response to a call whose progress nobody wants."""
    result = methods.answer_call(exchange, call, exchange.silent)
    return Response(exchange.message.answer(result), headers=NO_STORE)


def rights_of(request: Request) -> Rights:
    """What the token allows. `PresentsToken` lets nothing pass without one."""
    return cast(Rights, request.auth)


# Metadata -------------------------------------------------------------------------------------------------------------


class ProtectedResource(OAuthProtectedResourceMetadataView):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """Metadata of a protected resource (RFC 9728). Its identifier comes from SITE_URL, never from the Host header."""

    http_method_names = ["get", "head"]

    def get_resource(self, request: HttpRequest) -> str:
        return f"{settings.SITE_URL}{request.path.removeprefix(METADATA_PATH)}"

    def get_authorization_servers(self, request: HttpRequest) -> list[str]:
        return [settings.SITE_URL]

    def get_scopes_supported(self) -> list[str]:
        """For agents only what tools need. Not those of single services: names would tell strangers what there is."""
        is_for_agents = self.request.path.startswith(f"{METADATA_PATH}/mcp")
        return list(SCOPES) if is_for_agents else sorted(scopes.FIXED)

    def get_resource_name(self) -> str:
        return "Keyrack"
