"""Running subflows over REST, and reading how they went. Each person sees their own runs only."""

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
NO_RUN = "There is no such run of yours."


def told(run: SubflowRun, *, status: int) -> Response:
    """Outputs are the person's: no cache keeps them."""
    return Response(SubflowRunSerializer(run).data, status=status, headers={"Cache-Control": "no-store"})


class Runs(ApiView):
    scopes = {"POST": ["subflows:run"]}

    @extend_schema(
        operation_id="subflows_run",
        request=StartSerializer,
        responses={201: SubflowRunSerializer, 202: SubflowRunSerializer},
    )
    def post(self, request: Request, name: str) -> Response:
        """Run a subflow: now, and 201 says how it went; or in the background, and 202 says under which id to ask."""
        asked = StartSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        in_background, inputs = asked.validated_data["background"], asked.validated_data["inputs"]
        start = flows.start_subflow if in_background else flows.run_subflow
        try:
            run = start(name, user=cast(User, request.user), inputs=inputs, origin="REST API")
        except flows.NotAvailable:
            raise NotFound(NO_SUBFLOW) from None
        except flows.BadInputs as error:
            raise ValidationError(str(error)) from None
        return told(run, status=202 if in_background else 201)


class OneRun(ApiView):
    scopes = {"GET": ["subflows:run"]}

    @extend_schema(operation_id="subflow_runs_retrieve", responses=SubflowRunSerializer)
    def get(self, request: Request, run_id: str) -> Response:
        """How a run went so far. Outputs are kept for a time only."""
        found = id_in(run_id)
        mine = SubflowRun.objects.filter(user=cast(User, request.user))
        run = mine.filter(pk=found).first() if found else None
        if run is None:
            raise NotFound(NO_RUN)
        return told(run, status=200)
