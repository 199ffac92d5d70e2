"""Reads a list page by page: to its end, to the row limit, or as far as it gets in 20 seconds and 200 requests."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from django.views.decorators.debug import sensitive_variables
from requests import Response

from accounts.models import User
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.provider_profile import ProviderProfile
from integrations import calls
from integrations.models.registry import HttpConnection
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables.bodies import NO_CONTENT, parse_body
from integrations.remote_tables.errors import TableMisconfigured
from integrations.remote_tables.next_page import find_continuation
from integrations.remote_tables.page_requests import Continuation, PageRead, PageRequest

DEADLINE = 20.0  # seconds; the person sees an empty page until then
SHORTEST = 0.5  # seconds that another page is worth
MOST_PAGES = 200
LARGEST = 20 * 1024 * 1024  # bytes of all pages
REFUSES_A_SIZE = frozenset({400, 414, 422})
FindRows = Callable[[Any, Response], list[Any]]  # in a document; raises if it has none
CountRows = Callable[[Any, list[Any]], int]


@dataclass(frozen=True, kw_only=True, repr=False)
class RowsRead:
    """Elements of the list. `why_cut`: "" if they are all, otherwise a key of `reading.WHY_CUT`."""

    rows: list[Any]
    why_cut: str = ""


@dataclass(kw_only=True, repr=False)
class ListReader:
    table: RemoteTable
    user: User
    connection: HttpConnection
    profile: ProviderProfile
    find_rows: FindRows
    count_rows: CountRows
    ends_at: float = field(default_factory=lambda: monotonic() + DEADLINE)
    rows: list[Any] = field(default_factory=list)
    pages: list[PageRead] = field(default_factory=list)
    requested: set[tuple[str, str]] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)  # of the rows of each page
    size: int = 0
    guess: str = ""  # the last parameter that worked

    @sensitive_variables()
    def read(self) -> RowsRead:
        self.read_first()
        while True:
            if len(self.rows) > self.table.row_limit:
                return self.end("limit")
            following = find_continuation(self.profile, self.pages[0], self.pages[-1])
            if not following.requests:
                return self.end("elsewhere" if following.leads_elsewhere else "unsaid" if following.is_certain else "")
            if following.is_certain and len(self.rows) == self.table.row_limit:
                return self.end("limit")
            if self.ends_at - monotonic() < SHORTEST or len(self.requested) >= MOST_PAGES or self.size > LARGEST:
                return self.end("stopped")
            try:
                is_read = self.read_next(following)
            except Unreachable:
                return self.end("failed")
            if not is_read:
                return self.end("unsaid" if following.is_certain else "")

    def end(self, why_cut: str) -> RowsRead:
        return RowsRead(rows=self.rows[: self.table.row_limit], why_cut=why_cut)

    def read_first(self) -> None:
        """Read the table's own path, in pages of the size that the profile names, unless that is refused."""
        own, sized = self.first_requests()
        response = self.send(sized)
        if sized != own and response.status_code in REFUSES_A_SIZE:
            sized, response = own, self.send(own)
        self.add_page(sized, response)

    def first_requests(self) -> tuple[PageRequest, PageRequest]:
        """The request as the table has it, and with the size of a page."""
        own = PageRequest(path=self.table.path, parameters=self.table.parameters)
        paging = self.profile.paging
        name = paging.size_parameter if paging and paging.size else ""
        if not paging or not name or name in own.parameters or f"{name}=" in self.table.path:
            return own, own
        size = min(paging.size, self.table.row_limit)
        return own, PageRequest(path=own.path, parameters={**own.parameters, name: [str(size)]})

    def read_next(self, following: Continuation) -> bool:
        """Read the next page. False if each request was made before, fails, or brings rows that were there already."""
        for request in sorted(following.requests, key=lambda each: each.guess != self.guess):
            if request.key in self.requested:
                continue
            try:
                if self.add_page(request, self.send(request)):
                    self.guess = request.guess
                    return True
            except Unreachable:
                raise
            except OAuthError:  # what only the first page must not be
                continue
        return False

    @sensitive_variables()
    def add_page(self, request: PageRequest, response: Response) -> bool:
        """Add the rows of a page; False if another page had the same."""
        document = parse_body(response, self.profile)
        self.size += len(response.content)
        rows = [] if document is NO_CONTENT else self.find_rows(document, response)
        digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).digest()
        if rows and digest in self.digests:
            return False
        self.digests.add(digest)
        counted = self.count_rows(document, rows)
        page = PageRead(
            request=request,
            url=response.url or "",
            headers=response.headers,
            links=next_links(response),
            document=document,
            rows_path=self.table.rows_path,
            counted=counted,
            counted_before=self.pages[-1].counted_so_far if self.pages else 0,
        )
        self.pages = [*self.pages[:1], page] if self.pages else [page]
        self.rows += rows
        return True

    def send(self, request: PageRequest) -> Response:
        self.requested.add(request.key)
        try:
            return calls.send(
                self.user,
                self.connection,
                "GET",
                request.path,
                params=request.parameters,
                headers={"Accept": "application/json, text/csv;q=0.5"},
                timeout=self.ends_at - monotonic(),
                used_by=self.table.title,
            )
        except calls.BadPath as error:
            raise TableMisconfigured("bad_path", str(error)) from None


def next_links(response: Response) -> tuple[str, ...]:
    """Addresses of the next page in the header Link (RFC 8288)."""
    return tuple(link["url"] for relation, link in response.links.items() if "next" in relation.lower().split())
