"""Remote tables as pages: load, read the rows as the person, show them or say why there are none."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.views.decorators.http import require_safe

from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import remote_tables
from integrations.connections.renewal import NoUsableToken
from integrations.models.card import Integration
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables import Answer
from integrations.views.permissions import Request, for_people
from integrations.views.remote_table_problems import Trouble, trouble_of

ROWS_SHOWN = 25
LONGEST_NEXT = 500  # characters, as a sign-in remembers them
FAILURES = (NoUsableToken, remote_tables.TurnedOff, OAuthError)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a table came to: rows, a trouble, or with a kept answer both."""

    source: Integration | None
    answer: Answer | None
    trouble: Trouble | None


def found(request: Request, name: str) -> RemoteTable:
    """Not there, turned off and not for this person look alike."""
    table = RemoteTable.objects.available_to(request.user).whole().filter(name=name).first()
    if table is None:
        raise Http404
    return table


def look(request: Request, table: RemoteTable) -> Look:
    source = remote_tables.source_of(table, request.user)
    try:
        answer = remote_tables.read(table, request.user, source, fresh="fresh" in request.GET)
    except FAILURES as error:
        older = remote_tables.kept(table, source) if isinstance(error, Unreachable) else None
        return Look(source=source.main, answer=older, trouble=trouble_of(error, table, source.main))
    return Look(source=source.main, answer=answer, trouble=None)


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
    """For htmx the rows alone; where there are none, all that tells why. Nothing while still nobody has signed in."""
    table = found(request, name)
    seen = look(request, table)
    is_part = bool(request.htmx) and not request.htmx.history_restore_request
    if is_part and seen.trouble and seen.trouble.kind == request.headers.get("Keyrack-Seen"):
        return HttpResponse(status=204)
    context = {
        "table": table,
        "source": seen.source,
        "trouble": seen.trouble,
        "answer": seen.answer,
        "sign_in_url": sign_in_url(request, seen.source),
    }
    if seen.answer:
        context |= arranged(request, table, seen.answer)
    return partly(request, context) if is_part else render(request, "integrations/remote_table.html", context)


def sign_in_url(request: Request, source: Integration | None) -> str:
    """Which leads back to this table, with what was searched for."""
    here = request.get_full_path()
    if source is None:
        return ""
    return f"{source.initiator_url}&{urlencode({'next': here})}" if len(here) <= LONGEST_NEXT else source.initiator_url


def partly(request: Request, context: dict[str, Any]) -> HttpResponse:
    """The rows fit into the page that shows rows; everything else takes the place of the whole."""
    if request.htmx.target == "rows" and context["answer"] and not context["trouble"]:
        return render(request, "integrations/_remote_rows.html", {**context, "alone": True})
    response = render(request, "integrations/remote_table.html#live", context)
    response["HX-Retarget"], response["HX-Reswap"] = "#live", "outerHTML"
    return response


def arranged(request: Request, table: RemoteTable, answer: Answer) -> dict[str, Any]:
    q, sort = request.GET.get("q", "").strip()[:200], request.GET.get("sort", "")
    rows = remote_tables.arranged(answer, table, q=q, sort=sort)
    page, columns = rows.page(number_in(request.GET.get("page", "")), size=ROWS_SHOWN), heads(table, sort)
    lines = [list(zip(columns, row, strict=True)) for row in page.rows]
    return {"q": q, "page": page, "lines": lines, "heads": columns, "found": rows.count, "total": rows.total}


def number_in(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def heads(table: RemoteTable, sort: str) -> list[dict[str, Any]]:
    """Each column with the order that it is in, and the one that pressing it leads to."""
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
    """The rows that were found, all of them. Where there are none to have, the page says why."""
    table = found(request, name)
    seen = look(request, table)
    if seen.answer is None or seen.trouble:
        query = urlencode({name: str(request.GET[name]) for name in ("q", "sort") if name in request.GET})
        return redirect(f"{reverse('integrations:remote_table', args=[table.name])}?{query}".rstrip("?"))
    q, sort = request.GET.get("q", "").strip()[:200], request.GET.get("sort", "")
    rows = remote_tables.arranged(seen.answer, table, q=q, sort=sort).rows
    disposition = content_disposition_header(True, f"{table.name}.csv") or "attachment"
    return StreamingHttpResponse(
        remote_tables.csv_lines(table.columns.all(), rows),
        content_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": disposition},
    )
