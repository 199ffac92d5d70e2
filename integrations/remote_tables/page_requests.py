"""Requests for the pages of a list, and what was read of one. Their `repr` shows no rows, cursors or addresses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin

Parameters = Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True, repr=False)
class PageRequest:
    """`guess`: the parameter that carries the cursor or position, if only habit says that it does.

    `is_doubtful`: the cursor may as well be that of the page before.
    """

    path: str
    parameters: Parameters = field(default_factory=dict)
    guess: str = ""
    is_doubtful: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.path, repr(sorted(self.parameters.items()))

    @property
    def query(self) -> dict[str, str]:
        """The parameters, also those in the path; of several with one name, the last."""
        in_path = dict(parse_qsl(self.path.partition("?")[2]))
        return in_path | {name: values[-1] for name, values in self.parameters.items()}

    def number(self, names: tuple[str, ...]) -> tuple[str, int] | None:
        """The first of the parameters that is there and a number."""
        query = self.query
        numbers = ((name, query[name]) for name in names if name in query)
        return next(((name, int(text)) for name, text in numbers if re.fullmatch(r"[0-9]{1,9}", text)), None)


@dataclass(frozen=True, kw_only=True, repr=False)
class PageRead:
    """One page that was read. `counted`: its elements, before any filter in the path to the rows; `last`: of them."""

    request: PageRequest
    url: str
    headers: Mapping[str, str]
    links: tuple[str, ...]  # of the header Link, to the next page
    document: Any
    rows_path: str
    counted: int
    counted_before: int = 0  # on the pages before
    last: Any = None

    @property
    def counted_so_far(self) -> int:
        return self.counted_before + self.counted

    def header_number(self, names: tuple[str, ...]) -> int | None:
        """The first of the headers that is there and a number."""
        values = (self.headers.get(name, "").strip() for name in names)
        return next((int(text) for text in values if re.fullmatch(r"[0-9]{1,12}", text)), None)


@dataclass(frozen=True, kw_only=True, repr=False)
class Continuation:
    """Requests for the next page, the likeliest first. `is_certain`: the answer says that there is more."""

    requests: tuple[PageRequest, ...] = ()
    is_certain: bool = False
    leads_elsewhere: bool = False  # the next address is not below the connection's URL


END = Continuation()


def join_address(page: PageRead, address: str) -> str:
    """The address, which may be relative to the page; as it came if it can't be parsed, so that it is not followed."""
    try:
        return urljoin(page.url, address)
    except ValueError:
        return address


def with_parameter(page: PageRead, name: str, value: str, *, is_guess: bool = False) -> PageRequest:
    path = page.request.path
    pairs = parse_qsl(path.partition("?")[2], keep_blank_values=True)
    if any(key == name for key, _value in pairs):  # the path of a next address, or the table's own
        of_path = {key: [v for n, v in pairs if n == key] for key, _value in pairs}
        path, parameters = path.partition("?")[0], {**of_path, **page.request.parameters}
    else:
        parameters = dict(page.request.parameters)
    return PageRequest(path=path, parameters={**parameters, name: [value]}, guess=name if is_guess else "")
