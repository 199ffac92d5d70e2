"""May this person use that integration, and would a call work now? If not: which rule says no? Only reads rows.

names        who or what an administrator means      calls        lines: would a call work now?
access       lines: may the person use it?           explaining   all lines in order, and what follows
results      what an explanation consists of
"""

from integrations.provider_setup.explain_access.explaining import explain
from integrations.provider_setup.explain_access.names import Search, find_aliases, find_people, may_explain
from integrations.provider_setup.explain_access.results import Answer, Explanation, Line, Place, Verdict

__all__ = [
    "Answer",
    "Explanation",
    "Line",
    "Place",
    "Search",
    "Verdict",
    "explain",
    "find_aliases",
    "find_people",
    "may_explain",
]
