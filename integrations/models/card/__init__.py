"""One alias as one person sees it: the single table of states for the card, the API and the tests.

The section follows the seed's rule alone (a valid token or none); everything else is a badge on top. Writes nothing.

    states    the table and its words        scopes    scopes in words
    card      one integration                rows      all of a person's
    endings   how a sign-in can end          outcomes  what is true afterwards, in words
"""

from integrations.models.card.endings import ENDINGS, Ending, ending_of
from integrations.models.card.integration import Integration
from integrations.models.card.outcomes import Outcome, compose
from integrations.models.card.queries import assemble, integration_named, integration_of, integrations_of
from integrations.models.card.states import QUICK_ATTEMPTS, REVOKING_AT_MOST, STATES, State, StateRow

__all__ = [
    "ENDINGS",
    "QUICK_ATTEMPTS",
    "REVOKING_AT_MOST",
    "STATES",
    "Ending",
    "Integration",
    "Outcome",
    "State",
    "StateRow",
    "assemble",
    "compose",
    "ending_of",
    "integration_named",
    "integration_of",
    "integrations_of",
]
