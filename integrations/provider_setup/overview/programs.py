"""OAuth applications that wait for an administrator, as one row of what needs one: strangers can make them many."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from accounts.oauth_server import waiting_programs
from foundation.name_lists import join_names
from integrations.provider_setup.overview.states import Group, ProviderState

HOSTS_SHOWN = 3
WAITING = ProviderState(
    key="waiting",
    badge=pgettext_lazy("state of programs", "Waiting to be allowed"),
    icon="clock",
    tone="warn",
    group=Group.TO_FIX,
    is_problem=True,
)


@dataclass(frozen=True, kw_only=True)
class WaitingPrograms:
    """Names as those of `Provider`, for the template of problems."""

    count: int
    hosts: list[str]
    since: datetime
    registry: None = None
    key: str = "programs"
    tile_name: str = "programs"
    state: ProviderState = WAITING

    @property
    def name(self) -> str:
        return _("Programs")

    @property
    def hosts_in_words(self) -> str:
        names = join_names(self.hosts[:HOSTS_SHOWN])
        return f"{names}, …" if len(self.hosts) > HOSTS_SHOWN else names


def read_programs() -> WaitingPrograms | None:
    """Those that wait; None if there are none."""
    programs = list(waiting_programs.all_waiting().only("client_id", "registration_source", "created"))
    if not programs:
        return None
    return WaitingPrograms(count=len(programs), hosts=waiting_programs.hosts_of(programs), since=programs[0].created)
