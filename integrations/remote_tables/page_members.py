"""Where an answer may say how its list continues: the objects around its rows, headers that hold an object, and Link.

Names are known in each of their usual spellings: nextPageToken is next_page_token and NextPageToken, total is $total
and opensearch:total.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from requests import Response

from foundation.oauth_client import default_paging as common
from foundation.oauth_client import json_pointers
from integrations.remote_tables.page_requests import PageRead

A_STEP = re.compile(r"\.?([\w-]+|\"[^\"\\]+\")|\[(\d{1,5})\]")
LONGEST_LINKS = 8000  # characters of the header Link that are read
A_LINK = re.compile(r"<([^<>]*)>((?:[^\"<,]|\"(?:[^\"\\]|\\.)*+(?:\"|\\?$))*+)")  # an open quote ends at the end
A_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s;,\"']*))")
BEFORE_A_NAME = re.compile(r"^[A-Za-z]*[:$@]+(?=[A-Za-z])")
LONGEST_NAME = 60  # characters
MOST_MEMBERS = 200  # of an object that is searched for names; one with more is data


def find_containers(page: PageRead) -> Iterator[dict[str, Any]]:
    """Objects that may say how the list continues: the answer and those around its rows, with their wrappers."""
    value, around, position = page.document, [page.document, *objects_in_headers(page.headers)], 0
    while step := A_STEP.match(page.rows_path, position):
        value = json_pointers.member_of(value, step[2] or step[1].strip('"'))
        around.append(value)
        position = step.end()
    for each in around:
        for wrapper in common.WRAPPERS:
            place = spell_as_known(each)
            for name in wrapper.split("/")[1:]:
                place = spell_as_known(place.get(name)) if isinstance(place, dict) else None
            if isinstance(place, dict):
                yield place


def objects_in_headers(headers: Mapping[str, str]) -> Iterator[object]:
    for name in common.HEADERS_WITH_AN_OBJECT:
        text = headers.get(name, "")
        if text.lstrip().startswith("{"):
            try:
                yield json.loads(text)
            except (ValueError, RecursionError):
                continue


def spell_as_known(value: object) -> object:
    """An object in which each member whose name is another spelling of one in `default_paging` has that name, too."""
    if not isinstance(value, dict) or len(value) > MOST_MEMBERS:
        return value
    unknown = {plain_name(name): name for name in value if name not in KNOWN_NAMES}
    added = {KNOWN_SPELLINGS[plain]: value[name] for plain, name in unknown.items() if plain in KNOWN_SPELLINGS}
    return {**added, **value} if added else value


def plain_name(name: str) -> str:
    """The name without case, separators and what some formats put before it."""
    return re.sub(r"[^a-z0-9]", "", BEFORE_A_NAME.sub("", name[:LONGEST_NAME]).lower())


def next_links(response: Response) -> tuple[str, ...]:
    """Addresses of the next page. Of several relations in one link, the first counts (§3.3)."""
    return tuple(address for address, parameters in links_of(response) if leads_on(parameters))


def leads_on(parameters: dict[str, str]) -> bool:
    is_empty = any(parameters.get(name) == value for name, value in common.NO_ROWS_THERE.items())
    return "next" in parameters.get("rel", "").lower().split() and not is_empty


def links_of(response: Response) -> Iterator[tuple[str, dict[str, str]]]:
    """The links: address and parameters. Names of parameters are lower case, because their case does not count."""
    whole = response.headers.get("Link", "")
    header = whole[:LONGEST_LINKS]
    if "<" not in header and len(whole) <= LONGEST_LINKS:
        yield from ((link["url"], link) for link in response.links.values())
    for link in A_LINK.finditer(header):
        parameters: dict[str, str] = {}
        for name, *values in A_PARAMETER.findall(link[2]):
            parameters.setdefault(name.lower(), "".join(values))
        if address := link[1].strip():
            yield address, parameters


def names_in_paging() -> Iterator[str]:
    yield from (step for wrapper in common.WRAPPERS for step in wrapper.split("/") if step)
    yield from common.NEXT_ADDRESSES
    yield from (name.partition("/")[0] for name in (*common.CURSORS, *common.CURSORS_IF_MORE))
    yield from (str(paging.next) for paging in common.POSITIONS)
    yield from (*common.MORE, *common.LAST, *common.MORE_IF_THERE, *common.TOTALS, *common.TOTALS_OF_PAGES)


KNOWN_NAMES = frozenset(names_in_paging())
KNOWN_SPELLINGS: dict[str, str] = {}
for _name in sorted(names_in_paging(), key=lambda name: plain_name(name) != name):  # next before __next
    KNOWN_SPELLINGS.setdefault(plain_name(_name), _name)
