"""Sentences of failed runs: stored in English, and shown in the reader's language.

Those of the catalogue, and the others that name an action, a step or a status. What an expression complains about and
what a third party says stay as they were stored.
"""

from functools import cache

from django.utils import translation
from django.utils.translation import gettext_noop

from foundation.stored_texts import StoredTexts
from integrations.models.failures import ANSWERS

_texts = StoredTexts()
_register = _texts.register

LIMITED = _register(gettext_noop("“%(alias)s” limits how often it can be called (%(code)s). Try again later."))
NOT_FOLLOWED = _register(gettext_noop("“%(alias)s” answered %(status)d: redirects are not followed."))
STATUS_AND_REASON = _register(gettext_noop("“%(alias)s” answered %(status)d. %(reason)s"))
STATUS = _register(gettext_noop("“%(alias)s” answered %(status)d."))
LACKS_UNKNOWN = _register(gettext_noop("The access that was granted doesn’t include what this needs."))
ADD_FIRST = _register(
    gettext_noop("%(missing)s An administrator has to add this to the Application Registry first: %(scopes)s.")
)
LACKS = _register(gettext_noop("The access that was granted lacks: %(scopes)s."))
STEP_LACKS = _register(
    gettext_noop("“%(alias)s” was not granted what the step “%(step)s” needs: %(scopes)s. Nothing was called.")
)
PERSONAL_AS_SYSTEM = _register(
    gettext_noop(
        "401 Unauthorized: the credential of “%(alias)s” has the Integration Type Personal, and this runs as "
        "System User, which can’t use a person’s token."
    )
)
OUTPUTS_OF_ACTION = _register(gettext_noop("The outputs of “%(action)s”: %(why)s"))
OUTPUTS = _register(gettext_noop("The outputs: %(why)s"))
TURNED_OFF = _register(gettext_noop("The action “%(action)s” is turned off."))
IN_ACTION = _register(gettext_noop("The action “%(action)s”: %(why)s"))
NO_INPUT = _register(gettext_noop("There is no input “%(name)s”. There are: %(there)s."))
NO_INPUTS = _register(gettext_noop("There is no input “%(name)s”: none are declared."))
NO_NAMES = _register(gettext_noop("The inputs must be a mapping of names to values."))
REQUIRED = _register(gettext_noop("The input “%(name)s” is required."))
WRONG_TYPE = _register(gettext_noop("The input “%(name)s” isn’t of type %(type)s."))
NO_JSON = _register(gettext_noop("The input “%(name)s” isn’t valid JSON."))
BAD_INPUT = _register(gettext_noop("The input “%(name)s”: %(why)s"))
INPUTS = _register(gettext_noop("The inputs: %(why)s"))


@cache
def with_catalogue() -> StoredTexts:
    """Add the sentences of the catalogue, whose lazy texts can't be read while modules are imported."""
    with translation.override("en"):
        for answer in ANSWERS.values():
            for text in filter(None, map(str, (answer.in_run, answer.in_system_run))):
                _register(text)
    return _texts


def in_words(sentence: str) -> str:
    return with_catalogue().in_words(sentence)
