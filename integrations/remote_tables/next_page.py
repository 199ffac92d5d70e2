"""Where a list continues, by the provider profile and by what is common (`default_paging`). Sends nothing.

An address is followed only below the connection's URL: it receives the person's token.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from django.views.decorators.debug import sensitive_variables

from foundation.oauth_client import default_paging as common
from foundation.oauth_client import json_pointers
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile, texts
from foundation.oauth_client.provider_profile.format import Paging
from foundation.oauth_client.registration import origin
from integrations.remote_tables.page_members import find_containers
from integrations.remote_tables.page_requests import (
    END,
    Continuation,
    PageRead,
    PageRequest,
    join_address,
    with_parameter,
)
from integrations.remote_tables.signs_of_more import (
    common_sign,
    counts_all,
    has_larger_total,
    is_count,
    is_full,
    largest_total,
    skipped_rows,
)

LONGEST_CURSOR = 4000  # characters
LOOKS_LIKE_AN_ADDRESS = re.compile(r"https?://|/|\?", re.IGNORECASE)
KEPT_IN_PATHS = "!#$%&'()*+,/:;=?@[]~"  # as requests quotes URLs
A_RELATIVE_ADDRESS = re.compile(r"[\w./~%()'-]{1,2000}\?\S*=", re.IGNORECASE)


@sensitive_variables()
def find_continuation(profile: ProviderProfile, first: PageRead, page: PageRead) -> Continuation:
    """Where the list continues after `page`. `first`: the first page, which was read at the table's own path."""
    paging = profile.paging
    if paging and paging.style == "none":
        return END
    own_sign = sign_of(paging.more, page) if paging and paging.more else None
    if own_sign is False:
        return END
    if paging and (own := continue_by_profile(paging, first, page, says_more=own_sign)):
        return own
    if not profile.default_rules:
        return Continuation(is_certain=bool(own_sign))
    places = list(find_containers(page))
    sign = common_sign(places, page)
    if sign is False:
        return END
    says_more = bool(own_sign) or sign is True or has_larger_total(places, first, page)
    if found_by_address := continue_at(next_addresses(page, places), first, page):
        return found_by_address
    requests = (*by_cursor(places, page, says_more=says_more), *by_position(places, page, says_more))
    may_be_cut = paging is None and is_full(page) and not counts_all(places, first, page)
    is_certain = says_more or may_be_cut or not all(request.is_doubtful for request in requests)
    return Continuation(requests=requests, is_certain=is_certain)


def says_more(document: Any, rows_path: str, counted: int) -> bool:
    """Whether a document that no further page can be read of says that there is one."""
    page = PageRead(
        request=PageRequest(path=""),
        url="",
        headers={},
        links=(),
        document=document,
        rows_path=rows_path,
        counted=counted,
    )
    following = find_continuation(STANDARD, page, page)
    return following.is_certain or bool(following.requests)


# By the profile -------------------------------------------------------------------------------------------------------


def continue_by_profile(
    paging: Paging, first: PageRead, page: PageRead, *, says_more: bool | None
) -> Continuation | None:
    if paging.style == "link":
        return continue_at(page.links, first, page)
    in_header = page.headers.get(paging.next_header) if paging.next_header else None
    if in_header is not None and not in_header.strip():
        return END  # the header is there on the last page, too
    source = page.last if paging.style == "last_row" else page.document
    pointed_at = (json_pointers.resolve(source, pointer) for pointer in texts(paging.next))
    values = [value for value in (in_header, *pointed_at) if value]
    if paging.style == "next_url":
        return continue_at([value for value in values if isinstance(value, str)], first, page)
    if paging.style in {"cursor", "last_row"}:
        cursors = [text for value in values if (text := cursor_text(value))]
        requests = tuple(with_parameter(page, paging.parameter, text) for text in cursors[:1] if paging.parameter)
        is_certain = paging.style == "cursor" or bool(says_more)
        return Continuation(requests=requests, is_certain=is_certain) if cursors else None
    if not page.counted or not paging.parameter:
        return None
    here = page.request.number((paging.parameter,))
    position = here[1] if here else paging.start
    pages = page.header_number((paging.pages_header,)) if paging.pages_header else None
    if pages is not None and position - paging.start + 1 >= pages:
        return END
    step = page.counted if paging.style == "offset" else 1
    request = with_parameter(page, paging.parameter, str(position + step))
    if pages is not None:
        return Continuation(requests=(request,), is_certain=True)
    total = largest_total(list(find_containers(page)), page)
    if total is not None and says_more is None and skipped_rows(first) + page.counted_so_far >= total:
        return END
    return Continuation(requests=(request,), is_certain=bool(says_more) or total is not None)


def sign_of(pointer: str, page: PageRead) -> bool | None:
    value = json_pointers.resolve(page.document, pointer)
    return None if value is None else value not in (False, 0, "", "false", "False", "no", "0")


# By what is common ----------------------------------------------------------------------------------------------------


def next_addresses(page: PageRead, places: list[dict[str, Any]]) -> list[str]:
    values: list[Any] = [join_address(page, link) for link in page.links]
    for place in places:
        for name in common.NEXT_ADDRESSES:
            value = place.get(name)
            if isinstance(value, str) and name in common.ALWAYS_ADDRESSES and A_RELATIVE_ADDRESS.match(value):
                value = join_address(page, value)
            values += [value.get(each) for each in common.IN_AN_OBJECT] if isinstance(value, dict) else [value]
        cursors = (place.get(name) for name in common.CURSORS)
        values += [cursor for cursor in cursors if isinstance(cursor, str) and cursor.startswith("?")]  # a whole query
        for pointer, relation, address in common.LINK_LISTS:
            links = place.get(pointer.removeprefix("/"))
            of_list = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
            values += [link.get(address) for link in of_list if link.get(relation) == "next"]
    return [value for value in values if isinstance(value, str) and LOOKS_LIKE_AN_ADDRESS.match(value)]


def continue_at(addresses: Sequence[str], first: PageRead, page: PageRead) -> Continuation | None:
    """The first address that may be followed; None if there is no address at all."""
    requests = [request for address in addresses if (request := request_below(address, first, page))]
    if not addresses:
        return None
    return Continuation(requests=tuple(requests[:1]), is_certain=True, leads_elsewhere=not requests)


def request_below(address: str, first: PageRead, page: PageRead) -> PageRequest | None:
    """The request for an address below the connection's URL; None if it is elsewhere.

    Behind a gateway, servers know neither https nor the beginning of the path. Then the query is that of the next page.
    """
    try:
        url = urlsplit(quote(urljoin(page.url, address), safe=KEPT_IN_PATHS))
        started = urlsplit(first.url)
    except ValueError:
        return None
    own_path = quote(first.request.path.partition("?")[0].lstrip("/"), safe=KEPT_IN_PATHS)
    if not started.path.endswith(own_path) or url.hostname != started.hostname or url.username:
        return None
    base = started.path.removesuffix(own_path).rstrip("/")
    is_below = origin(url.geturl()) == origin(first.url) and (url.path == base or url.path.startswith(f"{base}/"))
    is_this_list = url.path.endswith(f"/{own_path}") or started.path.endswith(url.path)
    if not is_below and not (is_this_list and own_path and url.query):
        return None
    path = url.path.removeprefix(base).lstrip("/") if is_below else own_path
    if not path:
        names = parse_qsl(url.query, keep_blank_values=True)
        return PageRequest(path="", parameters={name: [v for n, v in names if n == name] for name, _value in names})
    return PageRequest(path=f"{path}?{url.query}" if url.query else path)


def cursor_text(value: object) -> str:
    """A cursor as text; "" if the value is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        return ""
    text = str(value)
    return text if len(text) <= LONGEST_CURSOR and text.lower() not in common.NO_CURSOR else ""


def by_cursor(places: list[dict[str, Any]], page: PageRead, *, says_more: bool) -> Iterator[PageRequest]:
    names = {**common.CURSORS, **(common.CURSORS_IF_MORE if says_more else {})}
    sent = set(page.request.query.values())  # some APIs echo the cursor
    for header, parameters in common.CURSOR_HEADERS.items():
        if (text := cursor_text(page.headers.get(header, "").strip())) and text not in sent:
            yield from (with_parameter(page, parameter, text, is_guess=True) for parameter in parameters)
    for name, parameters in names.items():
        for place in places:
            value = json_pointers.resolve(place, f"/{name}")
            text = cursor_text(value)
            is_position = name == "offset" and (isinstance(value, int) or text.isdigit())
            is_address = name in common.NEXT_ADDRESSES and LOOKS_LIKE_AN_ADDRESS.match(text)
            if not text or text in sent or is_position or is_address:
                continue
            for parameter in parameters if not text.isdigit() or name != "next" else ("page",):
                request = with_parameter(page, parameter, text, is_guess=True)
                yield replace(request, is_doubtful=name in common.CURSORS_OF_SOME_PAGE)


def by_position(places: list[dict[str, Any]], page: PageRead, says_more: bool) -> Iterator[PageRequest]:
    """Requests for the page after this one, if the answer says its position, or the query has one already."""
    if (next_page := page.header_number(common.NEXT_PAGE_HEADERS)) is not None:
        yield with_parameter(page, "page", str(next_page), is_guess=True)
    if not says_more or not page.counted:
        return
    for names, step in ((common.OFFSETS_IN_QUERIES, page.counted), (common.PAGES_IN_QUERIES, 1)):
        if here := page.request.number(names):
            yield with_parameter(page, here[0], str(here[1] + step))
    for paging in common.POSITIONS:
        for place in places:
            if (position := next_position(paging, place.get(str(paging.next)), page)) is not None:
                yield with_parameter(page, paging.parameter, str(position), is_guess=True)
    if page.header_number(common.TOTAL_PAGES_HEADERS) and not page.request.number(common.PAGES_IN_QUERIES):
        yield with_parameter(page, "page", "2", is_guess=True)


def next_position(paging: Paging, value: object, page: PageRead) -> int | None:
    """The position of the next page, if the value is that of this page, or already that of the next one."""
    step = page.counted if paging.style == "offset" else 1
    here = page.request.number((paging.parameter,))
    starts = (here[1],) if here else (0, 1)
    if not is_count(value):
        return None
    if value in starts:
        return value + step
    return value if value - step in starts else None
