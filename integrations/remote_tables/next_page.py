"""Where a list continues, by the provider profile and by what is common (`default_paging`). Sends nothing.

An address is followed only below the connection's URL: it receives the person's token.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from django.views.decorators.debug import sensitive_variables

from foundation.oauth_client import default_paging as common
from foundation.oauth_client import json_pointers
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile, texts
from foundation.oauth_client.provider_profile.format import Paging
from foundation.oauth_client.registration import origin
from integrations.remote_tables.page_members import find_containers
from integrations.remote_tables.page_requests import END, Continuation, PageRead, PageRequest, with_parameter

LONGEST_CURSOR = 4000  # characters
LOOKS_LIKE_AN_ADDRESS = re.compile(r"https?://|/|\?", re.IGNORECASE)
CONTENT_RANGE = re.compile(r"(?:[\w-]+ ?[ =])?[0-9]{1,12}-[0-9]{1,12}/([0-9]{1,12})")  # items 0-49/1200
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
    requests = (*by_cursor(places, page, says_more=bool(own_sign or sign)), *by_position(places, page, says_more))
    if requests:
        return Continuation(requests=requests, is_certain=True)
    may_be_cut = paging is None and is_full(page) and not counts_all(places, first, page)
    return Continuation(is_certain=says_more or may_be_cut)


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
    values: list[Any] = [urljoin(page.url, link) for link in page.links]
    for place in places:
        for name in common.NEXT_ADDRESSES:
            value = place.get(name)
            if isinstance(value, str) and name in common.ALWAYS_ADDRESSES and A_RELATIVE_ADDRESS.match(value):
                value = urljoin(page.url, value)
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
                yield with_parameter(page, parameter, text, is_guess=True)


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


def common_sign(places: list[dict[str, Any]], page: PageRead) -> bool | None:
    """Whether the answer says that there is more, or that there is no more; None if it says neither."""
    signs = [sign for place in places for name in common.MORE if (sign := says_how_many(place.get(name))) is not None]
    signs += [not sign for place in places for name in common.LAST if (sign := read_truth(place.get(name))) is not None]
    signs += [True for place in places for name in common.MORE_IF_THERE if place.get(name)]
    signs += [True for name in common.MORE_IF_THERE_HEADERS if page.headers.get(name)]
    return any(signs) if signs else None


def says_how_many(value: object) -> bool | None:
    """The truth value of a sign of more, which may be 0, 1 or the number of further rows."""
    text = str(value)
    return int(text) > 0 if re.fullmatch(r"[0-9]{1,12}", text) else read_truth(value)


def read_truth(value: object) -> bool | None:
    """The truth value, also as text; None if it is none."""
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())


def has_larger_total(places: list[dict[str, Any]], first: PageRead, page: PageRead) -> bool:
    """Whether the answer counts more rows, or more pages, than were read."""
    total = largest_total(places, page)
    begins_later = first.request.number(common.PAGES_IN_QUERIES) or ("", 1)
    if total is not None and begins_later[1] <= 1 and total > skipped_rows(first) + page.counted_so_far:
        return True
    pages = page.header_number(common.TOTAL_PAGES_HEADERS)
    here = page.request.number(common.PAGES_IN_QUERIES) or ("", 1)
    return pages_are_left(places) or (pages is not None and pages > here[1])


def largest_total(places: list[dict[str, Any]], page: PageRead) -> int | None:
    values: list[Any] = [place.get(name) for place in places for name in common.TOTALS]
    # Elasticsearch; not the amount of an invoice, which has a currency
    values += [each.get("value") for each in values if isinstance(each, dict) and each.keys() <= {"value", "relation"}]
    values.append(page.header_number(common.TOTAL_HEADERS))
    if in_range := CONTENT_RANGE.fullmatch(page.headers.get("Content-Range", "").strip()):
        values.append(int(in_range[1]))
    values = [int(each) if isinstance(each, str) and re.fullmatch(r"[0-9]{1,12}", each) else each for each in values]
    return max((each for each in values if isinstance(each, int) and not isinstance(each, bool)), default=None)


def counts_all(places: list[dict[str, Any]], first: PageRead, page: PageRead) -> bool:
    """Whether the answer counts the rows of the whole list, and all were read. “count” may be that of the page."""
    totals = [
        place[name] for place in places for name in common.TOTALS if name != "count" and is_count(place.get(name))
    ]
    return bool(totals) and max(totals) <= skipped_rows(first) + page.counted_so_far


def pages_are_left(places: list[dict[str, Any]]) -> bool:
    """Whether the answer counts more pages than its own position."""
    for place in places:
        totals = [place[name] for name in common.TOTALS_OF_PAGES if is_count(place.get(name))]
        for paging in common.POSITIONS:
            number = place.get(str(paging.next))
            if paging.style == "page" and totals and is_count(number) and number - paging.start + 1 < max(totals):
                return True
    return False


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def skipped_rows(first: PageRead) -> int:
    """How many rows the table's own query skips."""
    name, offset = first.request.number(common.OFFSETS_IN_QUERIES) or ("", 0)
    return offset - 1 if name in common.COUNTED_FROM_ONE and offset else offset


def is_full(page: PageRead) -> bool:
    """Whether the page has exactly as many rows as the query asks for."""
    size = page.request.number(common.SIZES_IN_QUERIES)
    return size is not None and page.counted == size[1] > 0
