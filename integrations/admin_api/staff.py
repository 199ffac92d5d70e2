"""API view of what holds for everybody with staff status: whether they must use two-step sign-in.

In the admin this is a row of *Required two-step sign-in* without a group. Its permissions and ranks hold.
"""

from typing import Any

from django.contrib import admin
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.strict_fields import YesOrNo
from accounts.sign_in import mfa
from accounts.sign_in.models import TwoStepRequirement
from integrations.admin_api.admin_requests import AdminRequest, add_by_admin, delete_by_admin
from integrations.admin_api.apply import Applied, warn_of_own_second_step
from integrations.admin_api.documents import etag_of
from integrations.admin_api.errors import missing_permission
from integrations.admin_api.people import read_body
from integrations.admin_api.serializers import DryRunSerializer, Members, applied_fields, make_serializer
from integrations.admin_api.views import (
    IF_MATCH,
    NO_STORE,
    AdminView,
    admin_request,
    change_by,
    check_preconditions,
    dry_run_in,
)
from integrations.provider_setup.configuration.kinds import STAFF_MEMBERS, Kind

REQUIRES_TWO_STEPS = STAFF_MEMBERS[0]
REQUIREMENTS = Kind(name="two_step_requirements", model=TwoStepRequirement)


class StaffSerializer(Members):
    requires_two_steps = YesOrNo(required=False, help_text="Everybody with staff status must use two-step sign-in.")


StaffAppliedSerializer = make_serializer("StaffApplied", applied_fields(StaffSerializer), serializers.Serializer)


class Staff(AdminView):
    @property
    def model_admin(self) -> Any:
        return admin.site.get_model_admin(TwoStepRequirement)

    @extend_schema(operation_id="admin_staff_retrieve", responses=StaffSerializer)
    def get(self, request: Request) -> Response:
        """What holds for everybody with staff status."""
        self.require_view_permission(admin_request(request))
        document = staff_document()
        return Response(document, headers={**NO_STORE, "ETag": etag_of(document)})

    @extend_schema(
        operation_id="admin_staff_put",
        parameters=[DryRunSerializer, IF_MATCH],
        request=StaffSerializer,
        responses=StaffAppliedSerializer,
    )
    def put(self, request: Request) -> Response:
        """Change it. Repeating it changes nothing. Only superusers may, as in the admin."""
        body, dry_run = read_body(StaffSerializer, request), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            self.require_view_permission(web_request)
            before = staff_document()
            check_preconditions(request, etag_of(before))
            if body.get(REQUIRES_TWO_STEPS, before[REQUIRES_TWO_STEPS]) != before[REQUIRES_TWO_STEPS]:
                self.switch(web_request)
            document = staff_document()
            names = [name for name in document if document[name] != before[name]]
            applied = Applied(is_new=False, document=document, warnings=web_request.warnings)
            applied.changes = [{"path": name, "before": before[name], "after": document[name]} for name in names]
        headers = {**NO_STORE, "ETag": etag_of(document)}
        return Response(StaffAppliedSerializer(applied).data, headers=headers)

    def require_view_permission(self, web_request: AdminRequest) -> None:
        if not self.model_admin.has_view_permission(web_request):
            raise missing_permission("view", TwoStepRequirement)

    def switch(self, web_request: AdminRequest) -> None:
        """Create or delete the row that exists while it is required."""
        requirement = TwoStepRequirement.objects.select_for_update().filter(group=None).first()
        if requirement is not None:
            delete_by_admin(self.model_admin, web_request, requirement)
            return
        if self.model_admin.is_above(web_request, TwoStepRequirement()):
            raise missing_permission("add", TwoStepRequirement)
        add_by_admin(self.model_admin, web_request, REQUIREMENTS, {})
        warn_of_own_second_step(web_request)


def staff_document() -> dict[str, Any]:
    return {REQUIRES_TWO_STEPS: mfa.is_required_of_staff()}
