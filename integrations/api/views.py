"""One view for each call: say what it needs, load, one call, answer."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import HasScopes
from accounts.models import User
from integrations.api.pagination import paged
from integrations.api.serializers import (
    AccessTokenSerializer,
    InitiatorUrlSerializer,
    IntegrationSerializer,
    MinimumSecondsSerializer,
    PageSerializer,
    RevokeResultSerializer,
    TokenValidSerializer,
)
from integrations.connections.renewal import note_use
from integrations.models import admission
from integrations.models.card import Integration, integration_named, integrations_of
from integrations.personal_auth import PersonalAuthAPI

SERVICE = "service:{alias}"  # stands for the alias of the address


class MayUseIntegrations(BasePermission):
    """The rules of admission about the person, whichever integration it is."""

    message = "You may not use integrations here."

    def has_permission(self, request: Request, view: Any) -> bool:
        return admission.refused_person(request.user) is None


class ApiView(APIView):
    """`scopes`: what a token must hold, by method. The others are for the API's description."""

    permission_classes = [MayUseIntegrations, HasScopes]
    scopes: ClassVar[dict[str, list[str]]]
    needs_sign_in = asks_a_provider = is_paged = passes_on = False
    alias_name = ""  # of the alias in the address, once it is known

    def needed_scopes(self, method: str) -> list[str]:
        """A method without scopes is not there. HEAD is GET without its body."""
        needed = self.scopes.get("GET" if method == "HEAD" else method, [])
        if SERVICE not in needed:
            return needed
        if not self.alias_name:  # a scope names it by name, an address may by id
            self.alias_name = found(self.request.user, self.kwargs["alias"]).alias.name
        return [scope.replace("{alias}", self.alias_name) for scope in needed]


def found(user: Any, reference: str) -> Integration:
    """By name or id. Not there, not theirs and turned off look alike."""
    integration = integration_named(user, reference)
    if integration is None:
        raise Http404
    return integration


def program_of(auth: Any) -> str:
    """What a token was last used by, in words for its owner."""
    return f"REST ({auth.name or auth.client_id})" if auth else "REST"


def api_of(request: Request) -> PersonalAuthAPI:
    user: User = request.user  # type: ignore[assignment]  # HasScopes lets in nobody else
    return PersonalAuthAPI(user)


class Integrations(ApiView):
    scopes = {"GET": ["integrations:read"]}
    is_paged = True

    @extend_schema(
        operation_id="integrations_list", parameters=[PageSerializer], responses=IntegrationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """Every integration that the person can use, by title."""
        return paged(request, integrations_of(api_of(request).user), IntegrationSerializer)


class OneIntegration(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_retrieve", responses=IntegrationSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """One integration, by the alias's name or id."""
        return Response(IntegrationSerializer(found(request.user, alias)).data)


class InitiatorUrl(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_initiator_url", responses=InitiatorUrlSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """Where the person authenticates. Empty for an integration that is not there for them."""
        return Response({"initiator_url": api_of(request).get_initiator_url(alias)})


class TokenValid(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_token_valid", responses=TokenValidSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """Whether the person has a token that can be used or renewed. Asks nobody outside."""
        found(request.user, alias)
        return Response({"token_valid": api_of(request).is_token_valid(alias)})


class Revoke(ApiView):
    scopes = {"POST": ["integrations:revoke"]}

    @extend_schema(operation_id="integrations_revoke", request=None, responses=RevokeResultSerializer)
    def post(self, request: Request, alias: str) -> Response:
        """End the person's tokens: here at once, at the provider as soon as it answers. Safe to repeat."""
        found(request.user, alias)
        return Response(RevokeResultSerializer(api_of(request).revoke_token(alias)).data)


class Token(ApiView):
    scopes = {"GET": ["tokens:read", SERVICE]}
    needs_sign_in = asks_a_provider = True

    @extend_schema(
        operation_id="integrations_token",
        parameters=[MinimumSecondsSerializer],
        responses=AccessTokenSerializer,
    )
    def get(self, request: Request, alias: str) -> Response:
        """An access token of the person for the third party, renewed if need be."""
        asked = MinimumSecondsSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        integration = found(request.user, alias)
        if not integration.alias.allow_token_export:
            raise PermissionDenied("This integration doesn't hand out tokens.", code="export_not_allowed")
        token = api_of(request).get_token(alias, minimum_seconds=asked.validated_data["minimum_seconds"])
        if integration.token:
            note_use(integration.token, program_of(request.auth))
        return Response(AccessTokenSerializer(token).data)
