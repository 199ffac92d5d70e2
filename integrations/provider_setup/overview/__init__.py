"""Overview of what is set up: each provider with its state and people, and what needs an administrator. Read-only.

states      states of a provider            reading     the rows, in a fixed number of queries
providers   one provider and its state      problems    what is wrong, in sentences, and the one thing to do
listing     search, filter, order, pages    health      whether the worker and the mail server do their work
programs    OAuth applications that wait    sentences   sentences with values that a page shows
"""

from integrations.provider_setup.overview.health import Health, read_health
from integrations.provider_setup.overview.listing import SORTS, Listing, list_providers
from integrations.provider_setup.overview.problems import Problem, find_problems
from integrations.provider_setup.overview.programs import WaitingPrograms, read_programs
from integrations.provider_setup.overview.providers import Provider
from integrations.provider_setup.overview.reading import read_provider, read_providers
from integrations.provider_setup.overview.sentences import Sentence

__all__ = [
    "SORTS",
    "Health",
    "Listing",
    "Problem",
    "Provider",
    "Sentence",
    "WaitingPrograms",
    "find_problems",
    "list_providers",
    "read_health",
    "read_programs",
    "read_provider",
    "read_providers",
]
