"""API views to run subflows and read their runs. Users see only their own runs."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from integrations import flows
from integrations.api.serializers import StartSerializer, SubflowRunSerializer
from integrations.api.views import ApiView
from integrations.models.flows import SubflowRun
from integrations.models.registry.aliases import id_in

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
