"""Views of remote tables: rows read as the user, or the reason why there are none, for the user and administrators."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from foundation.name_lists import sentence_separator
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable
from integrations import remote_tables
from integrations.connections.renewal import NoUsableToken
from integrations.models.card import Integration
from integrations.models.registry import ApplicationRegistry
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import consent
from integrations.remote_tables import LIMITED, Answer, NotAllowed, ProviderError, TableMisconfigured, TurnedOff
from integrations.views.permissions import Request, for_people

OF_REGISTRY = "integration_misconfigured"  # the code of an action
ROWS_SHOWN = 25
LONGEST_NEXT = 500  # characters, the limit of a sign-in's `next`
FAILURES = (NoUsableToken, remote_tables.TurnedOff, OAuthError)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    # connect, sign_in_again, address_changed, revoking, off, forbidden, wait, down, misconfigured, unusable, wrong
    kind: str
    icon: str
    heading: str
    text: str
    for_administrator: str = ""
    wait_seconds: int = 0
    is_of_registry: bool = False  # the Application Registry has to be fixed, not the table

    @property
    def asks_to_sign_in(self) -> bool:
        return self.kind in {"connect", "sign_in_again", "revoking"}

    @property
    def can_be_tried_again(self) -> bool:
        return self.kind in {"down", "wait", "unusable", "forbidden"}


def trouble_of(error: Exception, table: RemoteTable, source: Integration | None) -> Trouble:
    names = {"table": table.title, "provider": source.title if source else table.title}
    if isinstance(error, TurnedOff):
        return turned_off(source, names)
    if isinstance(error, NoUsableToken) and source:
        if error.code == consent.CHANGED:
            return moved(names)
        return less_access(source, names) if error.code == "insufficient_scope" else signed_out(source, names)
    if isinstance(error, NotAllowed):
        return Trouble(
            kind="forbidden",
            icon="lock",
            heading=_("You may not see %(table)s at %(provider)s") % names,
            text=_("Your %(provider)s account may not read this. Ask the people who run %(provider)s.") % names,
        )
    if isinstance(error, Unreachable):
        return unreachable(error, names)
    if source and is_of_registry(error, source.registry):
        return misconfigured(names)
    if isinstance(error, ProviderError):
        return provider_error(error, names)
    return unusable(error, names) if isinstance(error, Unusable) else wrong(error)


def is_of_registry(error: Exception, registry: ApplicationRegistry) -> bool:
    """Tell whether the provider refuses our registration, to the table itself or to a step of its action.

    A renewal records this, so the row is read again. Anything else is a fault of the table or its connection.
    """
    is_of_table = isinstance(error, TableMisconfigured) and error.code != OF_REGISTRY
    if not isinstance(error, Misconfigured) or is_of_table:
        return False
    registry.refresh_from_db(fields=registry.PROBLEM)
    return registry.cannot_renew


def misconfigured(names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="misconfigured",
        icon="alert",
        heading=_("%(provider)s isn’t set up correctly here") % names,
        text=_("Your sign-in is kept. Only an administrator can fix this."),
        is_of_registry=True,
    )


def turned_off(source: Integration | None, names: dict[str, str]) -> Trouble:
    text = _("%(provider)s was turned off by an administrator.") % names
    if source and source.alias.inactive_reason:
        text += " " + _("They say: “%(reason)s”") % {"reason": source.alias.inactive_reason}
    return Trouble(kind="off", icon="lock", heading=_("%(provider)s is turned off") % names, text=text)


def signed_out(source: Integration, names: dict[str, str]) -> Trouble:
    if source.row.is_blocked:
        return Trouble(
            kind="revoking",
            icon="spin",
            heading=_("%(provider)s is being told to cancel your token") % names,
            text=_("You can authenticate again when that has finished. It takes a few seconds."),
        )
    if source.has_token:
        return Trouble(
            kind="sign_in_again",
            icon="key",
            heading=_("%(provider)s no longer accepts your sign-in") % names,
            text=_("Authenticate again to see %(table)s. Your search is kept.") % names,
        )
    message = _(
        "This table is read from %(provider)s with your own account, so it shows what you may see there."
        " Connecting takes about a minute."
    )
    heading = _("Connect %(provider)s to see %(table)s") % names
    return Trouble(kind="connect", icon="key", heading=heading, text=message % names)


def moved(names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="address_changed",
        icon="moved",
        heading=_("%(provider)s was moved to another address") % names,
        text=_("Nothing of yours is sent there until you confirm the new address. Then you’ll see %(table)s again.")
        % names,
    )


def less_access(source: Integration, names: dict[str, str]) -> Trouble:
    """The third party has just said what is missing, if it says so at all."""
    if source.token:
        source.token.refresh_from_db(fields=["lacking_scopes"])
    lacking = sorted(source.lacking_scopes)
    unknown = sorted(set(lacking) - set(source.grantable_scopes))
    add_first = _("Add these scopes to the Application Registry, so that people can grant them: %(scopes)s")
    return Trouble(
        kind="sign_in_again",
        icon="key",
        heading=_("%(provider)s gave less access than %(table)s needs") % names,
        text=sentence_separator().join(
            [
                *([_("It says that this is missing: %(scopes)s.") % {"scopes": ", ".join(lacking)}] if lacking else []),
                _("Authenticate again and allow everything that is asked for."),
            ]
        ),
        for_administrator=add_first % {"scopes": ", ".join(unknown)} if unknown else "",
    )


def unreachable(error: Unreachable, names: dict[str, str]) -> Trouble:
    if error.code == LIMITED:
        return Trouble(
            kind="wait",
            icon="clock",
            heading=_("%(provider)s asks us to wait") % names,
            text=_("We’ve asked it too often. Your sign-in is fine."),
            wait_seconds=int(error.retry_after or 0),
        )
    return Trouble(
        kind="down",
        icon="cloudoff",
        heading=_("%(provider)s doesn’t answer") % names,
        text=_("Your connection is kept. Try again in a few minutes."),
        for_administrator=_("Code: %(code)s") % {"code": error.code},
    )


def unusable(error: Unusable, names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="unusable",
        icon="alert",
        heading=_("%(provider)s answered in a way that Keyrack can’t read") % names,
        text=_("Try again. If that doesn’t help, tell your administrator."),
        for_administrator=sentence(error),
    )


def provider_error(error: ProviderError, names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="unusable",
        icon="alert",
        heading=_("%(provider)s answered with an error") % names,
        text=_("Your sign-in is kept. Try again. If that doesn’t help, tell your administrator."),
        for_administrator=sentence(error),
    )


def wrong(error: Any) -> Trouble:
    return Trouble(
        kind="wrong",
        icon="alert",
        heading=_("This table isn’t set up correctly"),
        text=_("Only an administrator can fix this."),
        for_administrator=sentence(error),
    )


def sentence(error: Any) -> str:
    description = error.description if isinstance(error, Misconfigured | Unusable) else ""
    return description or _("Code: %(code)s") % {"code": getattr(error, "code", type(error).__name__)}


# Pages ----------------------------------------------------------------------------------------------------------------


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
        cached = remote_tables.kept(table, source) if isinstance(error, Unreachable) else None
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
