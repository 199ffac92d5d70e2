"""States of a provider: one table with everything that pages say and show in each state, the worst first.

To add one, add a row to `STATES` and its case in `Provider.state`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import pgettext_lazy


class Group(StrEnum):
    """Groups of states that the list is filtered by."""

    TO_FIX = "fix"
    READY = "ready"
    DRAFTS = "drafts"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class ProviderState:
    """Row of one state. `is_problem`: it is listed among what needs an administrator."""

    key: str
    badge: Any
    icon: str
    tone: str
    group: Group
    is_problem: bool = False


MISCONFIGURED = ProviderState(
    key="misconfigured",
    badge=pgettext_lazy("state of a provider", "Misconfigured"),
    icon="alert",
    tone="bad",
    group=Group.TO_FIX,
    is_problem=True,
)
NEW_ADDRESS = ProviderState(
    key="new_address",
    badge=pgettext_lazy("state of a provider", "New address"),
    icon="moved",
    tone="warn",
    group=Group.TO_FIX,
    is_problem=True,
)
HALF = ProviderState(
    key="half",
    badge=pgettext_lazy("state of a provider", "Half set up"),
    icon="open",
    tone="warn",
    group=Group.TO_FIX,
    is_problem=True,
)
DOWN = ProviderState(
    key="down",
    badge=pgettext_lazy("state of a provider", "Down"),
    icon="cloudoff",
    tone="warn",
    group=Group.TO_FIX,
    is_problem=True,
)
ENDING = ProviderState(  # beside the state of the provider
    key="ending",
    badge=pgettext_lazy("state of a provider", "Secret expires"),
    icon="clock",
    tone="idle",
    group=Group.TO_FIX,
    is_problem=True,
)
DRAFT = ProviderState(
    key="draft",
    badge=pgettext_lazy("state of a provider", "Draft"),
    icon="pencil",
    tone="idle",
    group=Group.DRAFTS,
)
UNTRIED = ProviderState(
    key="untried",
    badge=pgettext_lazy("state of a provider", "Not shown yet"),
    icon="eye",
    tone="idle",
    group=Group.DRAFTS,
)
READY = ProviderState(
    key="ready",
    badge=pgettext_lazy("state of a provider", "Ready"),
    icon="ok",
    tone="ok",
    group=Group.READY,
)
OFF = ProviderState(
    key="off",
    badge=pgettext_lazy("state of a provider", "Turned off"),
    icon="lock",
    tone="idle",
    group=Group.OFF,
)
STATES = (MISCONFIGURED, NEW_ADDRESS, HALF, DOWN, ENDING, DRAFT, UNTRIED, READY, OFF)
FILTERS = {
    Group.TO_FIX: pgettext_lazy("filter of providers", "To fix"),
    Group.READY: pgettext_lazy("filter of providers", "Ready"),
    Group.DRAFTS: pgettext_lazy("filter of providers", "Drafts"),
    Group.OFF: pgettext_lazy("filter of providers", "Turned off"),
}
