"""API views of people's sign-ins at third parties (OAuth Tokens), and of revocations. Shows no token."""

from typing import Any

from django.contrib import admin
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.admin_api.admin_requests import AdminRequest, delete_by_admin
from integrations.admin_api.errors import Conflict, missing_permission
from integrations.admin_api.resources import ME
from integrations.admin_api.serializers import DryRunSerializer
from integrations.admin_api.views import (
    ENDING,
    NO_STORE,
    AdminView,
    admin_request,
    change_by,
    dry_run_in,
    ended_response,
)
from integrations.api.serializers import PageSerializer
from integrations.api.views import page_of
from integrations.connections import tasks
from integrations.models.registry.aliases import id_in
from integrations.models.tokens import Revocation, RevocationState, Token, TokenState

LOOKED_AT = "Looked at."


class OAuthTokenSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    user = serializers.CharField(source="user.username", default="", help_text="Empty for the system’s own.")
    credential = serializers.CharField(source="credential.name")
    aliases = serializers.SerializerMethodField(help_text="Aliases that use the credential.")
    integration_type = serializers.CharField()
    account = serializers.CharField(source="account_label", help_text="The person’s account there, if known.")
    state = serializers.CharField(help_text=f"One of: {', '.join(TokenState.values)}.")
    failure_code = serializers.CharField(help_text="Why it stopped working, or empty.")
    scopes = serializers.ListField(child=serializers.CharField(), help_text="The granted scopes.")
    requested_scopes = serializers.ListField(child=serializers.CharField())
    has_refresh_token = serializers.BooleanField()
    signed_in_at = serializers.DateTimeField()
    refreshed_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    refresh_expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_by = serializers.CharField()

    def get_aliases(self, token: Token) -> list[str]:
        by_connection = [connection.alias for connection in token.credential.connections.all()]
        return sorted({alias.name for alias in [*token.credential.aliases.all(), *by_connection]})


class RevocationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    provider = serializers.CharField()
    user = serializers.CharField(source="username", help_text="Empty for the system’s own.")
    account = serializers.CharField(source="account_label")
    reason = serializers.CharField()
    state = serializers.CharField(help_text=f"One of: {', '.join(RevocationState.values)}.")
    attempts = serializers.IntegerField()
    last_answer = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    is_retryable = serializers.BooleanField(help_text="It can be tried again.")


class SupervisedView(AdminView):
    """Base of the views of rows that only Keyrack writes. `user=me` in a query stands for the caller."""

    model: type[Any]
    serializer: type[serializers.Serializer[Any]]

    def rows(self, web_request: AdminRequest) -> Any:
        model_admin = self.model_admin
        if not model_admin.has_view_permission(web_request):
            raise missing_permission("view", self.model)
        return model_admin.get_queryset(web_request)

    @property
    def model_admin(self) -> Any:
        return admin.site.get_model_admin(self.model)

    def get_row(self, web_request: AdminRequest, reference: str) -> Any:
        rows, row_id = self.rows(web_request), id_in(reference)
        row = rows.filter(pk=row_id).first() if row_id else None
        if row is None:
            raise Http404
        return row

    def page(self, request: Request, order: tuple[str, ...]) -> Response:
        rows = self.rows(admin_request(request)).order_by(*order)
        for name, lookup in self.filters.items():
            if value := request.query_params.get(name):
                value = request.user.get_username() if (name, value) == ("user", ME) else value
                rows = rows.none() if "\0" in value else rows.filter(**{lookup: value})
        page, headers = page_of(request, rows)
        return Response(self.serializer(page, many=True).data, headers={**headers, **NO_STORE})


class OAuthTokens(SupervisedView):
    model, serializer, is_paged = Token, OAuthTokenSerializer, True
    filters = {"user": "user__username", "credential": "credential__name"}

    @extend_schema(
        operation_id="admin_oauth_tokens_list",
        parameters=[PageSerializer, OpenApiParameter("user", str), OpenApiParameter("credential", str)],
        responses=OAuthTokenSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Sign-ins of people and of the system, by person. Never the tokens themselves."""
        return self.page(request, ("user__username", "credential__name", "pk"))


class OneOAuthToken(SupervisedView):
    model, serializer = Token, OAuthTokenSerializer

    @extend_schema(operation_id="admin_oauth_tokens_retrieve", responses=OAuthTokenSerializer)
    def get(self, request: Request, token: str) -> Response:
        """One sign-in. Looking at another person's is recorded, as in the admin."""
        web_request = admin_request(request)
        row = self.get_row(web_request, token)
        if row.user != request.user:
            self.model_admin.log_change(web_request, row, LOOKED_AT)
        return Response(OAuthTokenSerializer(row).data, headers=NO_STORE)

    @extend_schema(operation_id="admin_oauth_tokens_revoke", **ENDING)
    def delete(self, request: Request, token: str) -> Response:
        """Revoke a sign-in: here at once, at the provider as soon as it answers."""
        dry_run = dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            row = self.get_row(web_request, token)
            document = OAuthTokenSerializer(row).data
            delete_by_admin(self.model_admin, web_request, row)
        return ended_response(document, dry_run=dry_run)


class Revocations(SupervisedView):
    model, serializer, is_paged = Revocation, RevocationSerializer, True
    filters = {"state": "state", "user": "username"}

    @extend_schema(
        operation_id="admin_revocations_list",
        parameters=[PageSerializer, OpenApiParameter("user", str), OpenApiParameter("state", str)],
        responses=RevocationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Revocations, the newest first."""
        return self.page(request, ("-created_at", "pk"))


class OneRevocation(SupervisedView):
    model, serializer = Revocation, RevocationSerializer

    @extend_schema(operation_id="admin_revocations_retrieve", responses=RevocationSerializer)
    def get(self, request: Request, revocation: str) -> Response:
        """One revocation."""
        return Response(RevocationSerializer(self.get_row(admin_request(request), revocation)).data, headers=NO_STORE)


class RetryRevocation(SupervisedView):
    model, serializer = Revocation, RevocationSerializer

    @extend_schema(
        operation_id="admin_revocations_retry",
        parameters=[DryRunSerializer],
        request=None,
        responses=RevocationSerializer,
    )
    def post(self, request: Request, revocation: str) -> Response:
        """Ask the provider again. 409 if the revocation is settled, or its copies of the tokens are gone."""
        with change_by(request, dry_run=dry_run_in(request)):
            web_request = admin_request(request)
            row = self.get_row(web_request, revocation)
            if not self.model_admin.has_retry_permission(web_request):
                raise missing_permission("change", Revocation)
            if not tasks.retry_revocations(Revocation.objects.filter(pk=row.pk)):
                raise Conflict("This revocation can’t be tried again: it is settled, or nothing of the tokens is left.")
            row.refresh_from_db()
        return Response(RevocationSerializer(row).data, headers=NO_STORE)
