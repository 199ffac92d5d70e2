"""Search, filter, order and pages of the list of providers."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator

from integrations.provider_setup.overview import states
from integrations.provider_setup.overview.providers import Provider

PAGE_SIZE = 50
TOOLS_FROM = 8  # providers
_ORDER = {state.key: number for number, state in enumerate(states.STATES)}
SORTS: dict[str, Callable[[Provider], Any]] = {
    "state": lambda row: (_ORDER[row.state.key], row.name.casefold()),
    "name": lambda row: row.name.casefold(),
    "people": lambda row: (-row.people.total, row.name.casefold()),
    "call": lambda row: (-row.people.last_call.timestamp() if row.people.last_call else 0.0, row.name.casefold()),
}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of the list. `counts`: what the search matches, by group of states."""

    page: Page[Provider]
    total: int  # of all providers, whatever the search
    matching: int
    counts: Counter[str]
    words: str
    group: str
    sort: str

    @property
    def has_tools(self) -> bool:
        return self.total >= TOOLS_FROM

    @property
    def filters(self) -> list[tuple[str, Any, int]]:
        return [(group, label, self.counts[group]) for group, label in states.FILTERS.items()]


def list_providers(
    providers: Sequence[Provider], *, words: str = "", group: str = "", sort: str = "", page: str = ""
) -> Listing:
    """Return one page of the providers that have all words, in any order and without regard to accents and case."""
    wanted_words = fold_text(words).split()
    matching = [row for row in providers if all(word in fold_text(row.search_text) for word in wanted_words)]
    in_group = [row for row in matching if row.state.group == group] if group in states.FILTERS else matching
    sort = sort if sort in SORTS else "state"
    return Listing(
        page=Paginator(sorted(in_group, key=SORTS[sort]), PAGE_SIZE).get_page(page),
        total=len(providers),
        matching=len(matching),
        counts=Counter(row.state.group for row in matching),
        words=words.strip(),
        group=group if group in states.FILTERS else "",
        sort=sort,
    )


def fold_text(text: str) -> str:
    """Return the text without accents and in one case."""
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
