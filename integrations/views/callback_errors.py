"""Pages about authorization responses that belong to no sign-in of the person, one for each error."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from integrations.connections import authorization


@dataclass(frozen=True, kw_only=True)
class Page:
    heading: Any
    text: Any
    button: Any  # leads to the dashboard


GO, START = _("Go to my integrations"), _("Start again")
PAGES: dict[type[Exception], Page] = {
    authorization.OtherPersonsCallback: Page(
        heading=_("This sign-in belongs to somebody else"),
        text=_(
            "Another person started it, and only that person can use it. Nothing was stored for you. To connect your "
            "own account, start from your integrations."
        ),
        button=GO,
    ),
    authorization.OtherBrowsersCallback: Page(
        heading=_("This sign-in started somewhere else"),
        text=_(
            "It can only be finished by the person who started it, in the same browser, while signed in to Keyrack. "
            "Nothing was stored."
        ),
        button=START,
    ),
    authorization.BegunElsewhere: Page(
        heading=_("Start this sign-in here"),
        text=_(
            "You come from the provider’s side, for example after installing an app there. For your safety, Keyrack "
            "accepts only sign-ins that you start here. Nothing was stored. Go to your integrations, choose the "
            "provider there and connect it."
        ),
        button=GO,
    ),
    authorization.UnassignedError: Page(
        heading=_("The provider reported an error"),
        text=_(
            "It didn’t say which sign-in it is about, so nothing was changed or stored. Start again; if it happens "
            "again, tell an administrator."
        ),
        button=START,
    ),
}
TOO_LATE = Page(
    heading=_("This sign-in took too long"),
    text=_("For your safety each sign-in works once and for 10 minutes. Nothing was stored."),
    button=START,
)


def page_about(error: Exception) -> Page:
    return PAGES.get(type(error), TOO_LATE)
