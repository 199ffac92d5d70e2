"""Texts of configuration templates in the reader's language.

They are stored in English: names of scopes, descriptions of aliases, and what a template asks. The catalogs have those
of the shipped templates; what an administrator wrote instead is shown as it is.
"""

from django.utils.translation import pgettext


def shown_scope_name(name: str) -> str:
    return pgettext("a scope", name)


def shown_description(description: str) -> str:
    return pgettext("an integration", description) if description else ""


def shown_question(text: str) -> str:
    """The label or the help of a question."""
    return pgettext("a question", text) if text else ""
