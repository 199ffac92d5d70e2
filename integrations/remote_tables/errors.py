"""Why a table can't be read. The type of an exception says whose fault it is."""

from django.utils.translation import gettext as _

from foundation.exceptions import Explained
from foundation.oauth_client.errors import Misconfigured, Refused, Unusable


class TableMisconfigured(Misconfigured):
    """Only an administrator can fix this; `description` is for them. Holds names of members, never a value."""


class TurnedOff(Explained):
    """The alias, its credential or its registry is not active."""

    message = "The alias, its credential or its registry is turned off."


class NotAllowed(Refused):
    """The person's account at the third party may not read this."""


class NotRead(Unusable):
    """An answer of another kind than a table is read from. `for_programs` is in English, as the API is."""

    def __init__(self, media_type: str) -> None:
        names = {"type": media_type}
        if media_type:
            description = _("The third party answers %(type)s, not JSON.") % names
            self.for_programs = f"The third party answers {media_type}, not JSON."
        else:
            description = _("The answer isn’t JSON.")
        super().__init__("not_json", description)


class ProviderError(Unusable):
    """The third party says in a good answer that something went wrong. `description` has its words, without secrets."""

    def __init__(self, words: str) -> None:
        description = _("The third party answers with an error: %(words)s") if words else ""
        super().__init__("provider_error", description % {"words": words} if words else "")
