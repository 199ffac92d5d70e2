"""Whether an answer says, in a common way, that its list has more rows than were read."""

import re
from typing import Any, TypeGuard

from foundation.oauth_client import default_paging as common
from integrations.remote_tables.page_requests import PageRead

CONTENT_RANGE = re.compile(r"(?:[\w-]+ ?[ =])?[0-9]{1,12}-[0-9]{1,12}/([0-9]{1,12})")  # items 0-49/1200


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
