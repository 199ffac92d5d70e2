"""API views of the set-up, of people, groups and OAuth applications: one pair of addresses for each kind of rows."""

from typing import Any, ClassVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.admin_api.admin_requests import AdminRequest
from integrations.admin_api.apply import Applied, delete_row, write_row
from integrations.admin_api.documents import document_of, etag_of
from integrations.admin_api.errors import Conflict, missing_permission
from integrations.admin_api.resources import Resource
from integrations.admin_api.serializers import (
    DryRunSerializer,
    applied_serializer,
    paths_of,
    row_serializer,
)
from integrations.admin_api.views import (
    IF_MATCH,
    IF_NONE_MATCH,
    NO_STORE,
    AdminView,
    admin_request,
    change_by,
    check_preconditions,
    dry_run_in,
)
from integrations.api.serializers import PageSerializer
from integrations.api.views import page_of

PUT_DESCRIPTION = (
    "Create or change it. Members that are left out stay as they are. Repeating it changes nothing. Needs the same "
    "permissions as the form in the admin."
)


class RowView(AdminView):
    """Base of the views of one kind of rows."""

    resource: Resource
    serializer: ClassVar[type[Any]]
    applied: ClassVar[type[Any]]

    def parent_of(self, request: AdminRequest) -> Any:
        """Return the row that the address names before this kind; None for a kind without parent."""
        parent = self.resource.parent
        return find_row(parent, request, self.kwargs[parent.singular], None) if parent else None

    def write(self, request: Request, row: Any, members: dict[str, Any], parent: Any, dry_run: bool) -> Response:
        check_own_address(request, row, members)
        check_key(self.resource, row, members)
        applied = write_row(self.resource, admin_request(request), row, members, parent)
        if dry_run:
            applied.client_secret = ""  # of no application
        return self.applied_response(applied, status=201 if applied.is_new and not dry_run else 200)

    def applied_response(self, applied: Applied, *, status: int) -> Response:
        headers = {**NO_STORE, **({"ETag": etag_of(applied.document)} if applied.document else {})}
        return Response(self.applied(applied).data, status=status, headers=headers)

    def members_in(self, request: Request) -> dict[str, Any]:
        """Return the writable members that the body names. Raises `ValidationError`."""
        serializer = self.serializer(data=request.data)
        if not serializer.is_valid():
            raise ValidationError(dict(paths_of(serializer.errors)))
        return dict(serializer.validated_data)


class Rows(RowView):
    def get(self, request: Request, **_names: str) -> Response:
        web_request = admin_request(request)
        if not self.resource.model_admin.has_view_permission(web_request):
            raise missing_permission("view", self.resource.model)
        rows = self.resource.rows(web_request, self.parent_of(web_request))
        page, headers = page_of(request, cast(Any, rows))
        documents = [document_of(self.resource, row, web_request) for row in page]
        return Response(documents, headers={**headers, **NO_STORE})

    def post(self, request: Request, **_names: str) -> Response:
        members, dry_run = self.members_in(request), dry_run_in(request)
        key = self.resource.kind.key
        if not members.get(key):
            raise ValidationError({key: ["This field is required."]})
        check_key(self.resource, None, members)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            parent = self.parent_of(web_request)
            lock_names(self.resource.model)
            may_see = self.resource.model_admin.has_view_permission(web_request)
            if may_see and self.resource.find(web_request, members[key], parent) is not None:
                raise Conflict(f"“{members[key]}” exists already.")
            return self.write(request, None, members, parent, dry_run)


class OneRow(RowView):
    @property
    def reference(self) -> str:
        return str(self.kwargs[self.resource.singular])

    def get(self, request: Request, **_names: str) -> Response:
        web_request = admin_request(request)
        row = find_row(self.resource, web_request, self.reference, self.parent_of(web_request))
        document = document_of(self.resource, row, web_request)
        return Response(document, headers={**NO_STORE, "ETag": etag_of(document)})

    def put(self, request: Request, **_names: str) -> Response:
        members, dry_run = self.members_in(request), dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            parent = self.parent_of(web_request)
            row = self.locked_row(web_request, parent)
            check_row_preconditions(request, self.resource, row, web_request)
            key = self.resource.kind.key
            if row is None and self.resource.id_in(self.reference):
                raise Http404
            if row is None and key not in members and self.resource.is_ambiguous(self.reference):
                message = (
                    f"Is “{self.reference}” an id or a name? An id is id:{self.reference}. For a name, send it here."
                )
                raise ValidationError({key: [message]})
            if row is None and members.get(key, self.reference) != self.reference:
                raise ValidationError({key: ["The address names another row, which doesn’t exist."]})
            if (
                row is not None
                and getattr(row, key) == self.reference
                and members.get(key, self.reference) != self.reference
            ):
                raise ValidationError({key: ["To rename a row, name it by its id in the address."]})
            return self.write(
                request, row, {key: self.reference, **members} if row is None else members, parent, dry_run
            )

    def delete(self, request: Request, **_names: str) -> Response:
        dry_run = dry_run_in(request)
        with change_by(request, dry_run=dry_run):
            web_request = admin_request(request)
            row = self.locked_row(web_request, self.parent_of(web_request))
            if row is None and not self.resource.model_admin.has_view_permission(web_request):
                raise missing_permission("view", self.resource.model)
            if row is None:
                raise Http404
            check_row_preconditions(request, self.resource, row, web_request)
            applied = delete_row(self.resource, web_request, row)
            return self.applied_response(applied, status=200)

    def locked_row(self, request: AdminRequest, parent: Any) -> Any:
        """Return the row, locked until the transaction ends; None if there is none."""
        model_admin = self.resource.model_admin
        if not (model_admin.has_view_permission(request) or model_admin.has_add_permission(request)):
            raise missing_permission("view", self.resource.model)  # also if there is none: the name may exist or not
        row = self.resource.find(request, self.reference, parent)
        if row is None:
            lock_names(self.resource.model)
            row = self.resource.find(request, self.reference, parent)
        if row is None:
            return None
        if not model_admin.has_view_permission(request, row):
            raise missing_permission("view", self.resource.model)
        self.resource.model._base_manager.select_for_update().filter(pk=row.pk).first()
        return self.resource.rows(request, parent).filter(pk=row.pk).first()


def lock_names(model: type[Model]) -> None:
    """Lock the creation of rows of this kind until the transaction ends.

    The database refuses a second name for some kinds only. What is locked is the row of the content type.
    """
    kind = ContentType.objects.get_for_model(model)
    ContentType.objects.select_for_update(no_key=True).filter(pk=kind.pk).first()


def find_row(resource: Resource, request: AdminRequest, reference: str, parent: Any) -> Any:
    """Return a row that the caller may see, or raise 404; 403 for a kind that they may not see at all."""
    if not resource.model_admin.has_view_permission(request):
        raise missing_permission("view", resource.model)
    row = resource.find(request, reference, parent)
    if row is None or not resource.model_admin.has_view_permission(request, row):
        raise Http404
    return row


def check_own_address(request: Request, row: Any, members: dict[str, Any]) -> None:
    """Raise `PermissionDenied` if callers would change their own mail address, by which a password is set anew."""
    if row == request.user and members.get("email", row.email) != row.email:
        raise PermissionDenied("A token can’t change its owner’s mail address. Change it under Account Security.")


def check_key(resource: Resource, row: Any, members: dict[str, Any]) -> None:
    """Raise `ValidationError` for a new natural key that addresses would take for something else."""
    key = resource.kind.key
    value = members.get(key)
    if value and resource.is_reserved(value) and (row is None or value != getattr(row, key)):
        raise ValidationError({key: ["In addresses, this means something else. Choose another."]})


def check_row_preconditions(request: Request, resource: Resource, row: Any, web_request: AdminRequest) -> None:
    check_preconditions(request, etag_of(document_of(resource, row, web_request)) if row is not None else None)


# Addresses ------------------------------------------------------------------------------------------------------------


def views_of(resource: Resource) -> tuple[type[Rows], type[OneRow]]:
    """Return the views of a kind of rows, with their OpenAPI description."""
    serializer = row_serializer(resource)
    applied = applied_serializer(resource, serializer)
    attributes = {"resource": resource, "serializer": serializer, "applied": applied}
    rows: Any = type(f"{resource.title}Rows", (Rows,), {**attributes, "is_paged": True})
    row: Any = type(f"One{resource.title}", (OneRow,), attributes)
    label, parent = resource.kind.label, f"{resource.parent.singular}_" if resource.parent else ""
    name = f"admin_{parent}{resource.kind.name}"
    writing: dict[str, Any] = {"request": serializer, "responses": {200: applied, 201: applied}}
    of_rows = {
        "get": extend_schema(
            operation_id=f"{name}_list",
            description=f"{resource.model._meta.verbose_name_plural} that you may see.",
            parameters=[PageSerializer],
            responses=serializer(many=True),
        ),
        "post": extend_schema(
            operation_id=f"{name}_create",
            description=f"Create one ({label}).",
            parameters=[DryRunSerializer],
            **writing,
        ),
    }
    of_row = {
        "get": extend_schema(operation_id=f"{name}_retrieve", description=f"One ({label}).", responses=serializer),
        "put": extend_schema(
            operation_id=f"{name}_put",
            description=PUT_DESCRIPTION,
            parameters=[DryRunSerializer, IF_MATCH, IF_NONE_MATCH],
            **writing,
        ),
        "delete": extend_schema(
            operation_id=f"{name}_delete",
            description="Delete it, as the admin does. The answer has what was there.",
            parameters=[DryRunSerializer, IF_MATCH],
            responses={200: applied},
        ),
    }
    return extend_schema_view(**of_rows)(rows), extend_schema_view(**of_row)(row)
