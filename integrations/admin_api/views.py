"""Base of the views of the administration API: who may use them, how they write, and dry runs."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.db import IntegrityError, transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import scopes
from accounts.api.authentication import BearerToken
from accounts.api.permissions import HasScopes
from accounts.audit import log
from accounts.models import User
from accounts.sign_in.middleware import client_address
from integrations.admin_api.admin_requests import AdminRequest
from integrations.admin_api.apply import Applied
from integrations.admin_api.errors import Conflict, PreconditionFailed
from integrations.admin_api.serializers import (
    DryRunAnswerSerializer,
    DryRunSerializer,
)
from integrations.api.serializers import PageSerializer

NOT_THERE = "There is nothing of this name, or you may not see it."
NO_STORE = {"Cache-Control": "no-store"}
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag that was read: 412 if the row is another now."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="`*`: only create, 412 if the row is there."
)
# The OpenAPI description of the end of a token or the like.
ENDING: dict[str, Any] = {"parameters": [DryRunSerializer], "responses": {200: DryRunAnswerSerializer, 204: None}}


class IsAdministrator(BasePermission):
    """Allows staff, as the admin does. What they may do there, the permissions of each model decide."""

    message = "Only administrators may use this part of the API."

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_active and request.user.is_staff)


class AdminView(APIView):
    """Base of the views. No sessions: there, a sensitive page asks for the password again."""

    authentication_classes = [BearerToken]
    permission_classes = [HasScopes, IsAdministrator]
    scopes: ClassVar[dict[str, list[str]]] = {
        method: [scopes.ADMINISTRATION_SCOPE] for method in ("GET", "POST", "PUT", "DELETE")
    }
    filters: ClassVar[dict[str, str]] = {}  # query parameters of a list, and their lookups
    is_paged = False
    page_parameters: ClassVar[type[PageSerializer]] = PageSerializer
    may_conflict = True

    def initial(self, request: Request, *arguments: Any, **names: Any) -> None:
        super().initial(request, *arguments, **names)
        if request.method != "GET":
            check_query(request, ["dry_run"])
        elif self.is_paged:
            check_query(request, [*self.page_parameters().fields, *self.filters])

    def needed_scopes(self, method: str) -> list[str]:
        return self.scopes.get("GET" if method == "HEAD" else method, [])

    def handle_exception(self, exc: Exception) -> Response:
        """Answer 404 in words that fit any row, where the rest of the API speaks of integrations."""
        return super().handle_exception(NotFound(NOT_THERE) if isinstance(exc, Http404) else exc)


def admin_request(request: Request) -> AdminRequest:
    return AdminRequest(request.user, request.META)


@contextmanager
def change_by(request: Request, *, dry_run: bool = False) -> Iterator[None]:
    """One transaction, attributed to the caller in the audit log. A dry run is rolled back."""
    user, address = cast(User, request.user), client_address(request._request)
    try:
        with transaction.atomic(), log.attributed_to(user, address):
            yield
            if dry_run:
                transaction.set_rollback(True)
    except IntegrityError:
        raise Conflict("Somebody else changed this at the same time. Read it again.") from None


def check_preconditions(request: Request, etag: str | None) -> None:
    """Compare the ETag of the stored row with the headers If-Match and If-None-Match (RFC 9110 §13.1).

    `etag`: None if there is no row.
    """
    matches, none_matches = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if matches is not None and (etag is None or not names_etag(matches, etag)):
        raise PreconditionFailed("The row has changed since you read it, or doesn’t exist. Read it again.")
    if none_matches is not None and etag is not None and names_etag(none_matches, etag):
        raise PreconditionFailed("The row exists already.")


def names_etag(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [each.strip() for each in header.split(",")]


def check_query(request: Request, names: Collection[str]) -> None:
    """Raise `ValidationError` for query parameters that would be ignored: a change would take a misspelt dry run."""
    for name, values in request.query_params.lists():
        if name not in names:
            raise ValidationError({name: [f"Not known here. There are: {', '.join(names)}."]})
        if len(values) > 1:
            raise ValidationError({name: ["Given more than once."]})


def dry_run_in(request: Request) -> bool:
    if request.query_params.get("dry_run") == "":  # the framework would take the default
        raise ValidationError({"dry_run": ["Say true or false."]})
    parameters = DryRunSerializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    return bool(parameters.validated_data["dry_run"])


def ended_response(*documents: Any, dry_run: bool) -> Response:
    """Return the answer to the end of a token or the like. `documents`: what was there, for a dry run."""
    if not dry_run:
        return Response(status=204)
    changes = [{"path": "", "before": document, "after": None} for document in documents]
    applied = Applied(is_new=False, document=None, changes=changes)
    return Response(DryRunAnswerSerializer(applied).data, headers=NO_STORE)
