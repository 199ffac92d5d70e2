"""API view of a remote table's rows."""

from typing import Any

from django.conf import settings
from django.utils.http import urlencode
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import remote_tables
from integrations.api.serializers import RemoteRowsSerializer, RemoteTablePageSerializer
from integrations.api.views import ApiView, api_of
from integrations.connections.renewal import NoUsableToken
from integrations.models.remote_tables import RemoteTable
from integrations.personal_auth import NotAuthenticated
from integrations.remote_tables import Answer, ArrangedRows, Source

NO_TABLE = "There is no such remote table for you."
ROWS = 100
LONGEST_PARAMETER = 200  # characters
PARAMETERS: list[OpenApiParameter | type[RemoteTablePageSerializer]] = [
    OpenApiParameter("q", str, description="Only rows that contain all of these words."),
    OpenApiParameter(
        "sort",
        str,
        description="A column’s name, with “-” before it for descending order. Default: the third party’s order.",
    ),
    RemoteTablePageSerializer,
]


class RemoteTableRows(ApiView):
    scopes = {"GET": ["remote-tables:read"]}
    needs_sign_in = asks_a_provider = True

    @extend_schema(operation_id="remote_table_rows", parameters=PARAMETERS, responses=RemoteRowsSerializer)
    def get(self, request: Request, name: str) -> Response:
        """One page of the rows that the third party returns for this person."""
        table = get_table(request, name)
        parameters = RemoteTablePageSerializer(data=request.query_params)
        parameters.is_valid(raise_exception=True)
        check_sort(request, table)
        user = api_of(request).user
        answer = rows_of(table, user, remote_tables.source_of(table, user))
        rows = remote_tables.arrange_rows(answer, table, **search_parameters(request))
        body = answer_body(request, table, answer, rows, parameters.validated_data["page"])
        return Response(RemoteRowsSerializer(body).data, headers={"Cache-Control": "no-store, private"})


def get_table(request: Request, name: str) -> RemoteTable:
    tables = RemoteTable.objects.available_to(request.user).whole()
    table = None if "\0" in name else tables.filter(name=name).first()
    if table is None:
        raise NotFound(NO_TABLE)
    return table


def rows_of(table: RemoteTable, user: Any, source: Source) -> Answer:
    """Read the rows. Answers 404 for what is turned off; lets `OAuthError` through to the exception handler."""
    try:
        return remote_tables.read_table(table, user, source)
    except NoUsableToken as error:
        raise NotAuthenticated(source.main.initiator_url if source.main else "", code=error.code) from error
    except remote_tables.TurnedOff:
        raise NotFound(NO_TABLE) from None
    except remote_tables.NotAllowed:
        message = "The third party doesn't allow this person's account to read this."
        raise PermissionDenied(message, code="provider_forbids") from None


def answer_body(
    request: Request, table: RemoteTable, answer: Answer, rows: ArrangedRows, number: int
) -> dict[str, Any]:
    page, columns = rows.page(number, size=ROWS), list(table.columns.all())
    page_rows, next_page = (page.rows, page.next) if number <= page.pages else ([], None)
    return {
        "columns": columns,
        "rows": [
            {column.name: cell.exact_value for column, cell in zip(columns, row, strict=True)} for row in page_rows
        ],
        "count": rows.count,
        "next": page_url(request, next_page) if next_page else None,
        "loaded_at": answer.read_at,
        "limited": answer.is_cut,
    }


def check_sort(request: Request, table: RemoteTable) -> None:
    """Raises ValidationError for a column that the table doesn't have: the rows would come in another order."""
    names = [column.name for column in table.columns.all()]
    if search_parameters(request)["sort"].removeprefix("-") not in ("", *names):
        raise ValidationError({"sort": [f"There is no such column. Columns: {', '.join(names)}."]})


def search_parameters(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "")[:LONGEST_PARAMETER] for name in ("q", "sort")}


def page_url(request: Request, number: int) -> str:
    parameters = {name: value for name, value in search_parameters(request).items() if value}
    return f"{settings.SITE_URL}{request.path}?{urlencode(parameters | {'page': str(number)})}"
