"""The rows of a remote table, for programs."""

from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils.http import urlencode
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import remote_tables
from integrations.api.serializers import RemoteRowsSerializer, RemoteTablePageSerializer
from integrations.api.views import ApiView, api_of
from integrations.connections.renewal import NoUsableToken
from integrations.models.remote_tables import RemoteTable
from integrations.personal_auth import NotAuthenticated
from integrations.remote_tables import Answer, Arranged, Source

ROWS = 100
LONGEST_WISH = 200  # characters
PARAMETERS: list[OpenApiParameter | type[RemoteTablePageSerializer]] = [
    OpenApiParameter("q", str, description="Only rows in which each of these words stands."),
    OpenApiParameter(
        "sort",
        str,
        description="A column’s name; with “-” before it in the other direction. Else the order is the third party’s.",
    ),
    RemoteTablePageSerializer,
]


class RemoteTableRows(ApiView):
    scopes = {"GET": ["remote-tables:read"]}
    needs_sign_in = asks_a_provider = True

    @extend_schema(operation_id="remote_table_rows", parameters=PARAMETERS, responses=RemoteRowsSerializer)
    def get(self, request: Request, name: str) -> Response:
        """One page of the rows that the third party shows to this person."""
        table = found(request, name)
        asked = RemoteTablePageSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        user = api_of(request).user
        answer = rows_of(table, user, remote_tables.source_of(table, user))
        rows = remote_tables.arranged(answer, table, **wishes(request))
        told = told_of(request, table, answer, rows, asked.validated_data["page"])
        return Response(RemoteRowsSerializer(told).data, headers={"Cache-Control": "no-store, private"})


def found(request: Request, name: str) -> RemoteTable:
    tables = RemoteTable.objects.available_to(request.user).whole()
    table = None if "\0" in name else tables.filter(name=name).first()
    if table is None:
        raise Http404
    return table


def rows_of(table: RemoteTable, user: Any, source: Source) -> Answer:
    """What is turned off is not there; an `OAuthError` is told by the one place that tells all of them."""
    try:
        return remote_tables.read(table, user, source)
    except NoUsableToken as error:
        raise NotAuthenticated(source.main.initiator_url if source.main else "", code=error.code) from error
    except remote_tables.TurnedOff:
        raise Http404 from None
    except remote_tables.NotAllowed:
        told = "The third party does not let this person's account read this."
        raise PermissionDenied(told, code="provider_forbids") from None


def told_of(request: Request, table: RemoteTable, answer: Answer, rows: Arranged, number: int) -> dict[str, Any]:
    page, columns = rows.page(number, size=ROWS), list(table.columns.all())
    shown, following = (page.rows, page.next) if number <= page.pages else ([], None)
    return {
        "columns": columns,
        "rows": [{column.name: cell.value for column, cell in zip(columns, row, strict=True)} for row in shown],
        "count": rows.count,
        "next": address(request, following) if following else None,
        "loaded_at": answer.read_at,
        "limited": answer.is_cut,
    }


def wishes(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "")[:LONGEST_WISH] for name in ("q", "sort")}


def address(request: Request, number: int) -> str:
    kept = {name: wish for name, wish in wishes(request).items() if wish}
    return f"{settings.SITE_URL}{request.path}?{urlencode(kept | {'page': str(number)})}"
