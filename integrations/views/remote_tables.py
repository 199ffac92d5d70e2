"""Views of remote tables: rows read as the user, or the reason why there are none."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import remote_tables
from integrations.connections.renewal import NoUsableToken
from integrations.models.card import Integration
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables import Answer
from integrations.views.permissions import Request, for_people
from integrations.views.table_troubles import Trouble, trouble_of

ROWS_SHOWN = 25
LONGEST_NEXT = 500  # characters, the limit of a sign-in's `next`
FAILURES = (NoUsableToken, remote_tables.TurnedOff, OAuthError)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The result of reading a table: rows, a problem, or both if the rows are from the cache."""

    source: Integration | None
    answer: Answer | None
    trouble: Trouble | None


def get_table(request: Request, name: str) -> RemoteTable:
    """Return a table by name; 404 if it doesn't exist, is turned off or isn't available to the user."""
    table = RemoteTable.objects.available_to(request.user).whole().filter(name=name).first()
    if table is None:
        raise Http404
    return table


def read_table(request: Request, table: RemoteTable) -> Reading:
    source = remote_tables.source_of(table, request.user)
    try:
        answer = remote_tables.read_table(table, request.user, source, fresh="fresh" in request.GET)
    except FAILURES as error:
        cached = remote_tables.cached_answer(table, source) if isinstance(error, Unreachable) else None
        return Reading(source=source.main, answer=cached, trouble=trouble_of(error, table, source.main))
    return Reading(source=source.main, answer=answer, trouble=None)


@require_safe
@for_people
def remote_table_list(request: Request) -> HttpResponse:
    tables = sorted(RemoteTable.objects.available_to(request.user).whole(), key=lambda table: table.title.casefold())
    sources = remote_tables.sources_of(tables, request.user)
    rows = [(table, sources[table.pk].main if sources[table.pk].is_whole else None) for table in tables]
    return render(request, "integrations/remote_tables.html", {"rows": rows})


@require_safe
@for_people
def remote_table(request: Request, name: str) -> HttpResponse:
    """Show a table; to htmx only its changing part. Answers 204 while the problem that htmx shows remains."""
    table = get_table(request, name)
    reading = read_table(request, table)
    is_part = bool(request.htmx) and not request.htmx.history_restore_request
    if is_part and reading.trouble and reading.trouble.kind == request.headers.get("Keyrack-Seen"):
        return HttpResponse(status=204)
    context = {
        "table": table,
        "source": reading.source,
        "trouble": reading.trouble,
        "answer": reading.answer,
        "sign_in_url": sign_in_url(request, reading.source),
    }
    if reading.answer:
        context |= rows_context(request, table, reading.answer)
    if not is_part:
        return render(request, "integrations/remote_table.html", context)
    if request.htmx.target == "rows" and reading.answer and not reading.trouble:  # the page shows rows already
        return render(request, "integrations/_remote_rows.html", {**context, "alone": True})
    response = render(request, "integrations/remote_table.html#live", context)
    response["HX-Retarget"], response["HX-Reswap"] = "#live", "outerHTML"
    return response


def sign_in_url(request: Request, source: Integration | None) -> str:
    """Return the sign-in's address. It leads back to this table and its search."""
    here = request.get_full_path()
    if source is None:
        return ""
    url = source.more_access_url or source.initiator_url
    return f"{url}&{urlencode({'next': here})}" if len(here) <= LONGEST_NEXT else url


def rows_context(request: Request, table: RemoteTable, answer: Answer) -> dict[str, Any]:
    q, sort = request.GET.get("q", "").strip()[:200], request.GET.get("sort", "")
    rows = remote_tables.arrange_rows(answer, table, q=q, sort=sort)
    number = request.GET.get("page", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 9
    page, columns = rows.page(int(number) if is_number else 1, size=ROWS_SHOWN), column_heads(table, sort)
    lines = [list(zip(columns, row, strict=True)) for row in page.rows]
    context = {"q": q, "page": page, "lines": lines, "heads": columns, "found": rows.count, "total": rows.total}
    return context | {"is_at_limit": answer.why_cut == "limit"}


def column_heads(table: RemoteTable, sort: str) -> list[dict[str, Any]]:
    """Return each column with its current order and the one that a click leads to."""
    orders = {True: "ascending", False: "descending"}
    return [
        {
            "column": column,
            "order": orders[sort == column.name] if sort in (column.name, f"-{column.name}") else "",
            "next": f"-{column.name}" if sort == column.name else column.name,
        }
        for column in table.columns.all()
    ]


@require_safe
@for_people
def remote_table_csv(request: Request, name: str) -> HttpResponse | StreamingHttpResponse:
    """Return all matching rows as CSV. If there are none to read, redirect to the page, which says why."""
    table = get_table(request, name)
    reading = read_table(request, table)
    if reading.answer is None or reading.trouble:
        query = urlencode({name: str(request.GET[name]) for name in ("q", "sort") if name in request.GET})
        return redirect(f"{reverse('integrations:remote_table', args=[table.name])}?{query}".rstrip("?"))
    q, sort = request.GET.get("q", "").strip()[:200], request.GET.get("sort", "")
    rows = remote_tables.arrange_rows(reading.answer, table, q=q, sort=sort).rows
    name = f"{table.name}-incomplete.csv" if reading.answer.is_cut else f"{table.name}.csv"
    disposition = content_disposition_header(True, name) or "attachment"
    note = cut_note(reading.answer) if reading.answer.is_cut else ""
    return StreamingHttpResponse(
        remote_tables.csv_lines(table.columns.all(), rows, note=note),
        content_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": disposition},
    )


def cut_note(answer: Answer) -> str:
    message = _("INCOMPLETE: there are or may be more rows. Only the first %(count)d were read.")
    return message % {"count": len(answer.rows)}
