"""Card: one alias as one person sees it, with the one table of states for pages, API and tests. Read-only.

The section of the dashboard depends only on whether there is a valid token; everything else is shown as a badge.

    integration        one integration                    token_details      its token
    queries            all integrations of a person       scopes             its scopes
    states             states, a row each                 parts              notes and controls of a card
    moved_addresses    changed addresses
    endings            how sign-ins end, and the texts    search             words and letters
    outcomes           result of a sign-in                outcome_sentences  its sentences
"""

from integrations.models.card.endings import DECISIONS, ENDINGS, Ending, ending_of, ending_of_failure
from integrations.models.card.integration import Integration
from integrations.models.card.outcomes import Outcome, compose_outcome
from integrations.models.card.queries import (
    build_integrations,
    integration_named,
    integration_of,
    integrations_among,
    integrations_of,
    listed_ids,
    services_of,
)
from integrations.models.card.states import QUICK_ATTEMPTS, REVOKING_AT_MOST, STATES, State, StateRow

__all__ = [
    "DECISIONS",
    "ENDINGS",
    "QUICK_ATTEMPTS",
    "REVOKING_AT_MOST",
    "STATES",
    "Ending",
    "Integration",
    "Outcome",
    "State",
    "StateRow",
    "build_integrations",
    "compose_outcome",
    "ending_of",
    "ending_of_failure",
    "integration_named",
    "integration_of",
    "integrations_among",
    "integrations_of",
    "listed_ids",
    "services_of",
]
