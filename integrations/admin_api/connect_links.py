"""API views of connect links, by the form and permissions of the admin. Only the answer to a creation has the link."""

from typing import Any

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.strict_fields import Text
from accounts.models import User
from integrations.admin_api.admin_requests import add_by_admin, delete_by_admin
from integrations.admin_api.people import read_body
from integrations.admin_api.serializers import DryRunSerializer, Members, Whole
from integrations.admin_api.sign_ins import SupervisedView
from integrations.admin_api.views import ENDING, NO_STORE, admin_request, change_by, dry_run_in, ended_response
from integrations.api.serializers import PageSerializer
from integrations.models.tokens import ConnectLink
from integrations.provider_setup.configuration.kinds import ALIAS, Kind, Link

CONNECT_LINKS = Kind(
    name="connect_links", model=ConnectLink, links={"user": Link(model=User, by=("username",)), "alias": ALIAS}
)
LIFETIMES = [1, 24, 24 * 7]  # hours


class ConnectLinkSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="hex", help_text="32 hexadecimal digits.")
    user = serializers.CharField(source="user.username", help_text="Whose integration is connected.")
    alias = serializers.CharField(source="alias.name")
    created_by = serializers.CharField(source="created_by.username", default="")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    helper = serializers.CharField(source="helper.username", default="", help_text="Who opened it first, or empty.")
    used_at = serializers.DateTimeField(allow_null=True)


class NewConnectLinkSerializer(ConnectLinkSerializer):
    url = serializers.CharField(help_text="The link itself, in this answer only.")


class MakeConnectLinkSerializer(Members):
    user = Text(help_text="Username.")
    alias = Text(help_text="Name of the alias.")
    hours = Whole(default=24, help_text=f"How long it works: {', '.join(map(str, LIFETIMES))}.")


class ConnectLinks(SupervisedView):
    model, serializer, is_paged = ConnectLink, ConnectLinkSerializer, True
    filters = {"user": "user__username", "alias": "alias__name"}

    @extend_schema(
        operation_id="admin_connect_links_list",
        parameters=[PageSerializer, OpenApiParameter("user", str), OpenApiParameter("alias", str)],
        responses=ConnectLinkSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Connect links, the newest first. Never the links themselves."""
        return self.page(request, ("-created_at", "pk"))

    @extend_schema(
        operation_id="admin_connect_links_create",
        parameters=[DryRunSerializer],
        request=MakeConnectLinkSerializer,
        responses={200: NewConnectLinkSerializer, 201: NewConnectLinkSerializer},
    )
    @sensitive_variables("link", "kept_back", "document")
    def post(self, request: Request) -> Response:
        """Make a connect link. The answer has the address, this once; by a dry run there is none."""
        body, dry_run = read_body(MakeConnectLinkSerializer, request), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            link: Any = add_by_admin(self.model_admin, admin_request(request), CONNECT_LINKS, body)
        kept_back = {"id": "", "url": ""} if dry_run else {"url": link.address}
        document = {**ConnectLinkSerializer(link).data, **kept_back}
        return Response(document, status=200 if dry_run else 201, headers=NO_STORE)


class OneConnectLink(SupervisedView):
    model, serializer = ConnectLink, ConnectLinkSerializer

    @extend_schema(operation_id="admin_connect_links_retrieve", responses=ConnectLinkSerializer)
    def get(self, request: Request, link: str) -> Response:
        """One connect link."""
        return Response(ConnectLinkSerializer(self.get_row(admin_request(request), link)).data, headers=NO_STORE)

    @extend_schema(operation_id="admin_connect_links_delete", **ENDING)
    def delete(self, request: Request, link: str) -> Response:
        """Withdraw a connect link. What was connected by it stays."""
        dry_run = dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            row = self.get_row(web_request, link)
            document = ConnectLinkSerializer(row).data
            delete_by_admin(self.model_admin, web_request, row)
        return ended_response(document, dry_run=dry_run)
