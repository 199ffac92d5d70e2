"""Explains whether a user may use an integration, whether a call would work now, and which rule refuses. Read-only.

names       search for users and aliases        calls       lines: would a call work now?
access      lines: may the user use it?         explaining  all lines in order, and the programs
results     the parts of an explanation
"""

from integrations.provider_setup.explain_access.explaining import explain, programs_of
from integrations.provider_setup.explain_access.names import (
    Search,
    find_aliases,
    find_people,
    may_explain,
    suggest_aliases,
    suggest_people,
)
from integrations.provider_setup.explain_access.results import Explanation, Line, Place, Verdict

__all__ = [
    "Explanation",
    "Line",
    "Place",
    "Search",
    "Verdict",
    "explain",
    "find_aliases",
    "find_people",
    "may_explain",
    "programs_of",
    "suggest_aliases",
    "suggest_people",
]
