"""Reads a list page by page: to its end, to the row limit, or as far as it gets in 20 seconds and 200 requests."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from django.views.decorators.debug import sensitive_variables
from requests import Response

from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.provider_profile import ProviderProfile
from integrations.remote_tables.bodies import NO_CONTENT
from integrations.remote_tables.next_page import find_continuation
from integrations.remote_tables.page_members import next_links
from integrations.remote_tables.page_requests import Continuation, PageRead, PageRequest

DEADLINE = 20.0  # seconds; the person sees an empty page until then
SHORTEST = 0.5  # seconds that another page is worth
MOST_PAGES = 200
LARGEST = 20 * 1024 * 1024  # bytes of all pages
REFUSES_A_SIZE = frozenset({400, 414, 422})
# Calls within so many seconds; returns the response, and the request if that is known only then.
ReadPage = Callable[[PageRequest, float], tuple[Response, PageRequest]]
FindRows = Callable[[Any, Response], list[Any]]  # in a document; raises if it has none
FindElements = Callable[[Any, list[Any]], list[Any]]  # of the list, of which the rows may be a selection


@dataclass(frozen=True, kw_only=True, repr=False)
class RowsRead:
    """Elements of the list. `why_cut`: "" if they are all, otherwise a key of `reading.WHY_CUT`."""

    rows: list[Any]
    why_cut: str = ""


@dataclass(kw_only=True, repr=False)
class ListReader:
    """`first`: the request for the first page. `rows_path`: the path to the list in the document of a page."""

    row_limit: int
    rows_path: str
    first: PageRequest
    profile: ProviderProfile
    read_page: ReadPage
    parse: Callable[[Response], Any]
    find_rows: FindRows
    find_elements: FindElements
    sets_size: bool = True  # of the first page, as the profile names it
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
            if len(self.rows) > self.row_limit:
                return self.end("limit")
            following = find_continuation(self.profile, self.pages[0], self.pages[-1])
            if not following.requests:
                return self.end("elsewhere" if following.leads_elsewhere else "unsaid" if following.is_certain else "")
            if following.is_certain and len(self.rows) == self.row_limit:
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
        return RowsRead(rows=self.rows[: self.row_limit], why_cut=why_cut)

    def read_first(self) -> None:
        """Read the first page, of the size that the profile names, unless that is refused."""
        own, sized = self.first, self.sized_request()
        response, request = self.send(sized)
        if sized != own and response.status_code in REFUSES_A_SIZE:
            response, request = self.send(own)
        self.add_page(request, response)

    def sized_request(self) -> PageRequest:
        """The first request with the size of a page, unless it names one."""
        own, paging = self.first, self.profile.paging
        name = paging.size_parameter if paging and paging.size and self.sets_size else ""
        if not paging or not name or name in own.parameters or f"{name}=" in own.path:
            return own
        size = min(paging.size, self.row_limit)
        return PageRequest(path=own.path, parameters={**own.parameters, name: [str(size)]})

    def read_next(self, following: Continuation) -> bool:
        """Read the next page. False if each request was made before, fails, or brings rows that were there already."""
        for request in sorted(following.requests, key=lambda each: each.guess != self.guess):
            if request.key in self.requested:
                continue
            try:
                response, _request = self.send(request)
                if self.add_page(request, response):
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
        document = self.parse(response)
        self.size += len(response.content)
        rows = [] if document is NO_CONTENT else self.find_rows(document, response)
        digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).digest()
        if rows and digest in self.digests:
            return False
        self.digests.add(digest)
        elements = self.find_elements(document, rows)
        page = PageRead(
            request=request,
            url=response.url or "",
            headers=response.headers,
            links=next_links(response),
            document=document,
            rows_path=self.rows_path,
            counted=len(elements),
            last=elements[-1] if elements else None,
            counted_before=self.pages[-1].counted_so_far if self.pages else 0,
        )
        self.pages = [*self.pages[:1], page] if self.pages else [page]
        self.rows += rows
        return True

    def send(self, request: PageRequest) -> tuple[Response, PageRequest]:
        response, sent = self.read_page(request, self.ends_at - monotonic())
        self.requested |= {request.key, sent.key}
        return response, sent
