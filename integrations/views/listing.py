"""What the dashboard shows of a person's integrations: searched, filtered, in two sections, the first of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from accounts.models import DashboardView, User
from integrations.models.card import STATES, Integration, search

ROWS_FROM = 25  # integrations; fewer are always cards
SEARCH_FROM = 7
SHOWN_OF_MINE = 12
SHOWN_OF_OTHERS = {DashboardView.ROWS: 75, DashboardView.CARDS: 24}
LETTERS_FROM = 13  # rows
NAMED_IN_ATTENTION = 6
SECTIONS, ATTENTION = ("my", "available"), "attention"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the address asks for. Unknown values count as none."""

    query: str = ""
    show: str = ""  # a section, or those that need the person
    state: str = ""
    whole: tuple[str, ...] = ()  # sections that are shown in full

    @classmethod
    def from_parameters(cls, parameters: QueryDict) -> "Selection":
        show, state = parameters.get("show", ""), parameters.get("state", "")
        return cls(
            query=parameters.get("q", "").strip(),
            show=show if show in (*SECTIONS, ATTENTION) else "",
            state=state if state in STATES else "",
            whole=tuple(section for section in SECTIONS if section in parameters.getlist("all")),
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.query or self.show or self.state)

    def address(self, **changes: Any) -> str:
        """Query string of this selection with changes, or "" if it asks for nothing."""
        values = {"q": self.query, "show": self.show, "state": self.state, "all": self.whole} | changes
        parameters = urlencode({name: value for name, value in values.items() if value}, doseq=True)
        return f"?{parameters}" if parameters else ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the dashboard. `rows`: those that are visible, of `count`."""

    name: str
    rows: list[Integration]
    count: int
    letters: list[tuple[str, bool]]  # each letter, and whether its rows are shown
    more_address: str  # of the whole section, or of its beginning if all are shown; "" if there is no more
    first_hidden: str  # name of the alias from which on rows are left out, or would be

    @property
    def is_whole(self) -> bool:
        return len(self.rows) == self.count

    @property
    def hidden_count(self) -> int:
        return self.count - len(self.rows)

    @property
    def groups(self) -> list[tuple[str, list[Integration]]]:
        """The rows by letter; all under "" if there are too few."""
        if not self.letters:
            return [("", self.rows)]
        return [(letter, list(rows)) for letter, rows in groupby(self.rows, key=letter_of)]


def letter_of(integration: Integration) -> str:
    return search.letter_of(integration.title)


def view_of(user: User, count: int) -> DashboardView:
    """Rows or cards: what the user chose, else rows for many."""
    if count < ROWS_FROM or user.dashboard_view == DashboardView.CARDS:
        return DashboardView.CARDS
    return DashboardView.ROWS


def build_listing(user: User, integrations: Sequence[Integration], selection: Selection) -> dict[str, Any]:
    """Template context of the dashboard's part that updates itself."""
    matching_words = search.find_integrations(integrations, selection.query)
    attention = [row for row in integrations if row.needs_the_person]
    matching = [row for row in matching_words if is_selected(row, selection)]
    view = view_of(user, len(integrations))
    urgent = {row.alias.pk for row in attention[:NAMED_IN_ATTENTION]}
    context = {
        "selection": selection,
        "count": len(integrations),
        "matching_count": len(matching),
        "attention": attention[:NAMED_IN_ATTENTION],
        "attention_count": len(attention),
        "view": view,
        "is_many": len(integrations) >= ROWS_FROM,
        "has_search": len(integrations) >= SEARCH_FROM or selection.is_narrow,
        "filters": filters_of(matching_words, selection),
        "states": states_of(matching_words),
        "suggestions": [] if matching or not selection.query else suggestions_of(integrations, selection),
    }
    for name in SECTIONS:
        rows = [row for row in matching if row.section == name]
        context[name] = section_of(name, rows, selection, view, urgent, is_many=len(integrations) >= ROWS_FROM)
    return context


def is_selected(row: Integration, selection: Selection) -> bool:
    if selection.state and row.state != selection.state:
        return False
    if selection.show == ATTENTION:
        return row.needs_the_person
    return not selection.show or row.section == selection.show


def section_of(
    name: str, rows: list[Integration], selection: Selection, view: DashboardView, urgent: set[Any], *, is_many: bool
) -> Section:
    """The section, with its first rows and those that the person must not miss."""
    limit = (SHOWN_OF_MINE if name == "my" else SHOWN_OF_OTHERS[view]) if is_many else len(rows)
    has_more, is_whole = len(rows) > limit, name in selection.whole
    visible = rows if is_whole else [*rows[:limit], *(row for row in rows[limit:] if must_be_seen(row, urgent))]
    others = tuple(other for other in selection.whole if other != name)
    in_letters = name == "available" and view == DashboardView.ROWS and len(rows) >= LETTERS_FROM
    shown_letters = {letter_of(row) for row in visible}
    return Section(
        name=name,
        rows=visible,
        count=len(rows),
        letters=[(letter, letter in shown_letters) for letter in dict.fromkeys(map(letter_of, rows))]
        if in_letters
        else [],
        more_address=selection.address(all=others if is_whole else (*others, name)) if has_more else "",
        first_hidden=rows[limit].alias.name if has_more else "",
    )


def must_be_seen(row: Integration, urgent: set[Any]) -> bool:
    return row.alias.pk in urgent or row.is_moving or bool(row.ended)


def filters_of(matching_words: list[Integration], selection: Selection) -> list[dict[str, Any]]:
    """Links to the whole list, to what needs the person and to each section, with counts."""
    counts = {
        "": len(matching_words),
        ATTENTION: sum(row.needs_the_person for row in matching_words),
        **{name: sum(row.section == name for row in matching_words) for name in SECTIONS},
    }
    return [
        {
            "name": name,
            "count": count,
            "address": selection.address(show=name, state="", all=()),
            "is_current": name == selection.show,
        }
        for name, count in counts.items()
    ]


def states_of(matching_words: list[Integration]) -> list[dict[str, Any]]:
    """The states that there are, with counts, in the order of the table of states."""
    counts = {state: sum(row.state == state for row in matching_words) for state in STATES}
    return [
        {"name": str(state), "words": STATES[state].badge, "count": count} for state, count in counts.items() if count
    ]


def suggestions_of(integrations: Sequence[Integration], selection: Selection) -> list[dict[str, Any]]:
    suggestions = search.suggest_queries(integrations, selection.query)
    return [
        {"query": query, "count": count, "address": selection.address(q=query, show="", state="", all=())}
        for query, count in suggestions
    ]
