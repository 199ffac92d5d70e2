"""API views of integrations and subflows."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from accounts.api.permissions import HasScopes
from accounts.models import User
from integrations import flows
from integrations.api.serializers import (
    AccessTokenSerializer,
    InitiatorUrlSerializer,
    IntegrationSerializer,
    MinimumSecondsSerializer,
    PageSerializer,
    RefusedTokenSerializer,
    RevokeResultSerializer,
    StartSerializer,
    SubflowRunSerializer,
    TokenValidSerializer,
)
from integrations.connections.renewal import note_use
from integrations.models import admission
from integrations.models.card import Integration, integration_named, integrations_among, listed_ids
from integrations.models.flows import SubflowRun
from integrations.models.registry.aliases import id_in
from integrations.personal_auth import PersonalAuthAPI

SERVICE = "service:{alias}"  # with the alias of the address


class MayUseIntegrations(BasePermission):
    """The rules of admission about the user, for any integration."""

    message = "You may not use integrations here."

    def has_permission(self, request: Request, view: Any) -> bool:
        return admission.find_refusal(request.user) is None


class ApiView(APIView):
    """Base of API views. `scopes`: needed scopes by method. The other attributes are for the OpenAPI description."""

    permission_classes = [MayUseIntegrations, HasScopes]
    scopes: ClassVar[dict[str, list[str]]]
    needs_sign_in = asks_a_provider = is_paged = passes_on = may_refuse_again = False
    alias_name = ""  # of the alias in the address, once it is known

    def needed_scopes(self, method: str) -> list[str]:
        """Return the scopes of a method. One without scopes is not allowed; HEAD needs those of GET."""
        needed = self.scopes.get("GET" if method == "HEAD" else method, [])
        if SERVICE not in needed:
            return needed
        if not self.alias_name:  # a scope has the alias's name, the address may have its id
            self.alias_name = get_integration(self.request.user, self.kwargs["alias"]).alias.name
        return [scope.replace("{alias}", self.alias_name) for scope in needed]


def get_integration(user: Any, reference: str) -> Integration:
    """Return an integration by name or id; 404 if it doesn't exist, isn't the user's or is turned off."""
    integration = integration_named(user, reference)
    if integration is None:
        raise Http404
    return integration


def get_exportable(user: Any, reference: str) -> Integration:
    """The same, if it hands out tokens; otherwise 403."""
    integration = get_integration(user, reference)
    if not integration.alias.allow_token_export:
        raise PermissionDenied("This integration doesn't hand out tokens.", code="export_not_allowed")
    return integration


def program_of(auth: Any) -> str:
    """Return a name of the program for the token's owner."""
    return f"REST ({auth.name or auth.client_id})" if auth else "REST"


def api_of(request: Request) -> PersonalAuthAPI:
    user: User = request.user  # type: ignore[assignment]  # HasScopes admits users only
    return PersonalAuthAPI(user)


class Integrations(ApiView):
    scopes = {"GET": ["integrations:read"]}
    is_paged = True

    @extend_schema(
        operation_id="integrations_list", parameters=[PageSerializer], responses=IntegrationSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """All integrations that the person can use, by title."""
        user = api_of(request).user
        alias_ids, headers = page_of(request, listed_ids(user))
        rows = integrations_among(user, alias_ids)
        return Response(IntegrationSerializer(rows, many=True).data, headers=headers)


class OneIntegration(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_retrieve", responses=IntegrationSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """One integration, by the alias's name or id."""
        return Response(IntegrationSerializer(get_integration(request.user, alias)).data)


class InitiatorUrl(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_initiator_url", responses=InitiatorUrlSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """Where the person authenticates. Empty for an integration that they can't use."""
        return Response({"initiator_url": api_of(request).get_initiator_url(alias)})


class TokenValid(ApiView):
    scopes = {"GET": ["integrations:read"]}

    @extend_schema(operation_id="integrations_token_valid", responses=TokenValidSerializer)
    def get(self, request: Request, alias: str) -> Response:
        """Whether the person has a token that can be used or renewed. Makes no call to the provider."""
        get_integration(request.user, alias)
        return Response({"token_valid": api_of(request).is_token_valid(alias)})


class Revoke(ApiView):
    scopes = {"POST": ["integrations:revoke"]}

    @extend_schema(operation_id="integrations_revoke", request=None, responses=RevokeResultSerializer)
    def post(self, request: Request, alias: str) -> Response:
        """Revoke the person's tokens: here at once, at the provider as soon as it answers. Safe to repeat."""
        get_integration(request.user, alias)
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
        """An access token of the person for the third party, renewed if necessary."""
        parameters = MinimumSecondsSerializer(data=request.query_params)
        parameters.is_valid(raise_exception=True)
        integration = get_exportable(request.user, alias)
        token = api_of(request).get_token(alias, minimum_seconds=parameters.validated_data["minimum_seconds"])
        if integration.token:
            note_use(integration.token, program_of(request.auth))
        return Response(AccessTokenSerializer(token).data)


class TokenRefused(ApiView):
    scopes = {"POST": ["tokens:read", SERVICE]}
    needs_sign_in = asks_a_provider = may_refuse_again = True

    @extend_schema(
        operation_id="integrations_token_refused",
        request=RefusedTokenSerializer,
        responses={200: AccessTokenSerializer},
    )
    def post(self, request: Request, alias: str) -> Response:
        """Report that the third party refused a token that was handed out, and get another one.

        The token is renewed once. If it is not the current one, the current one is the answer. 409 `token_refused` if
        renewing doesn't help.
        """
        integration = get_exportable(request.user, alias)
        report = RefusedTokenSerializer(data=request.data)
        report.is_valid(raise_exception=True)
        token = api_of(request).token_refused(alias, report.validated_data["access_token"])
        if integration.token:
            note_use(integration.token, program_of(request.auth))
        return Response(AccessTokenSerializer(token).data)


# Pages ----------------------------------------------------------------------------------------------------------------


def page_response(request: Request, rows: Sequence[Any], serializer: type[Serializer[Any]]) -> Response:
    """Return the requested page as a response."""
    page, headers = page_of(request, rows)
    return Response(serializer(page, many=True).data, headers=headers)


def page_of(request: Request, rows: Sequence[Any]) -> tuple[Sequence[Any], dict[str, str]]:
    """Return the rows of the requested page, and the headers that name the others.

    A page beyond the last is empty: rows may have been deleted meanwhile.
    """
    parameters = PageSerializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    number, size = parameters.validated_data["page"], parameters.validated_data["page_size"]
    start = (number - 1) * size
    return rows[start : start + size], {"Link": link_header(request, number, Paginator(rows, size).num_pages)}


def link_header(request: Request, number: int, last: int) -> str:
    """Return the Link header. Its URLs start with SITE_URL, never with the Host header."""
    numbers = {"first": 1, "prev": min(number - 1, last), "next": number + 1, "last": last}
    url = f"{settings.SITE_URL}{request.get_full_path()}"
    pages = {rel: page for rel, page in numbers.items() if 1 <= page <= last}
    return ", ".join(f'<{replace_query_param(url, "page", page)}>; rel="{rel}"' for rel, page in pages.items())


# Subflows -------------------------------------------------------------------------------------------------------------


NO_SUBFLOW = "There is no such subflow for you."
NO_RUN = "You have no such run."


def run_response(run: SubflowRun, *, status: int) -> Response:
    """Return a run, uncached: its outputs are the user's."""
    return Response(SubflowRunSerializer(run).data, status=status, headers={"Cache-Control": "no-store"})


class Runs(ApiView):
    scopes = {"POST": ["subflows:run"]}

    @extend_schema(
        operation_id="subflows_run",
        request=StartSerializer,
        responses={201: SubflowRunSerializer, 202: SubflowRunSerializer},
    )
    def post(self, request: Request, name: str) -> Response:
        """Run a subflow. 201 has its result; in the background, 202 has the id to read it by."""
        parameters = StartSerializer(data=request.data)
        parameters.is_valid(raise_exception=True)
        in_background, inputs = parameters.validated_data["background"], parameters.validated_data["inputs"]
        start = flows.start_subflow if in_background else flows.run_subflow
        try:
            run = start(name, user=cast(User, request.user), inputs=inputs, origin="REST API")
        except flows.NotAvailable:
            raise NotFound(NO_SUBFLOW) from None
        except flows.BadInputs as error:
            raise ValidationError(str(error)) from None
        return run_response(run, status=202 if in_background else 201)


class OneRun(ApiView):
    scopes = {"GET": ["subflows:run"]}

    @extend_schema(operation_id="subflow_runs_retrieve", responses=SubflowRunSerializer)
    def get(self, request: Request, run_id: str) -> Response:
        """State and result of a run. Outputs are stored for a limited time."""
        run_pk = id_in(run_id)
        runs = SubflowRun.objects.filter(user=cast(User, request.user))
        run = runs.filter(pk=run_pk).first() if run_pk else None
        if run is None:
            raise NotFound(NO_RUN)
        return run_response(run, status=200)
