"""API views of a person's grants to OAuth applications: refresh tokens and approved scopes."""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.oauth_server import grants
from accounts.security_pages import grant_views
from accounts.sign_in.middleware import client_address
from integrations.admin_api.people import OfPerson
from integrations.admin_api.token_serializers import ApprovedScopesSerializer, RefreshTokenSerializer
from integrations.admin_api.views import ENDING, NO_STORE, change_by, dry_run_in, ended_response
from integrations.api.serializers import PageSerializer
from integrations.api.views import page_of
from integrations.models.registry.aliases import id_in


class GrantsOfPerson(OfPerson):
    """Base of the views of grants."""

    may_view = ("accounts.view_approval",)

    def page(
        self, choose: Callable[[grants.Grants], list[Any]], serializer: type[serializers.Serializer[Any]]
    ) -> Response:
        person = self.person()
        self.record_look(person)
        rows, headers = page_of(self.request, choose(grants.load_grants(person)))
        return Response(serializer(rows, many=True).data, headers={**headers, **NO_STORE})

    def person_to_end(self) -> User:
        person = self.person()
        require_right_to_end(person, self.viewer)
        return person


class RefreshTokens(GrantsOfPerson):
    is_paged = True

    @extend_schema(
        operation_id="admin_refresh_tokens_list",
        parameters=[PageSerializer],
        responses=RefreshTokenSerializer(many=True),
    )
    def get(self, request: Request, user: str) -> Response:
        """Refresh tokens that applications have for a person, the newest first."""
        return self.page(lambda of_person: of_person.refresh_tokens, RefreshTokenSerializer)


class OneRefreshToken(GrantsOfPerson):
    @extend_schema(operation_id="admin_refresh_tokens_delete", **ENDING)
    def delete(self, request: Request, user: str, refresh_token: str) -> Response:
        """End a refresh token and its access tokens. The application can ask for access again."""
        person, family = self.person_to_end(), id_in(refresh_token)
        rows = [row for row in grants.load_grants(person).refresh_tokens if row.family == family]
        if not rows:
            raise Http404
        dry_run = dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            grants.end_refresh_tokens(person, rows, who=self.viewer, address=client_address(request._request))
        return ended_response(RefreshTokenSerializer(rows[0]).data, dry_run=dry_run)


class ApprovedScopes(GrantsOfPerson):
    is_paged = True

    @extend_schema(
        operation_id="admin_approved_scopes_list",
        parameters=[PageSerializer],
        responses=ApprovedScopesSerializer(many=True),
    )
    def get(self, request: Request, user: str) -> Response:
        """Scopes that a person has approved, by application, the newest first."""
        return self.page(lambda of_person: of_person.approved_scopes, ApprovedScopesSerializer)


class OneApproval(GrantsOfPerson):
    @extend_schema(operation_id="admin_approved_scopes_delete", **ENDING)
    def delete(self, request: Request, user: str, client: str) -> Response:
        """Remove an approval and end the application's tokens for this person."""
        person = self.person_to_end()
        rows = [row for row in grants.load_grants(person).approved_scopes if row.application.client_id == client]
        if not rows:
            raise Http404
        dry_run = dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            grants.end_approved(person, rows[0], who=self.viewer, address=client_address(request._request))
        return ended_response(ApprovedScopesSerializer(rows[0]).data, dry_run=dry_run)


def require_right_to_end(person: User, viewer: User) -> None:
    if not grant_views.may_end(viewer, person):
        raise PermissionDenied(f"You need the permissions {' and '.join(grant_views.MAY_END)} for this.")
