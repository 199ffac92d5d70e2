"""One alias as one person sees it: the single table of states for the card, the API and the tests.

The section follows the seed's rule alone (a valid token or none); everything else is a badge on top. Writes nothing.

    states    the table and its badges       scopes    scopes in words
    card      one integration                rows      all of a person's
"""

from integrations.models.integration.card import Integration
from integrations.models.integration.rows import assemble, integration_named, integration_of, integrations_of
from integrations.models.integration.states import BADGES, QUICK_ATTEMPTS, REVOKING_AT_MOST, State

__all__ = [
    "BADGES",
    "QUICK_ATTEMPTS",
    "REVOKING_AT_MOST",
    "Integration",
    "State",
    "assemble",
    "integration_named",
    "integration_of",
    "integrations_of",
]
