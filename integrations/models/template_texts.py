"""Texts of configuration templates in the reader's language.

They are stored in English, as names of scopes and descriptions of aliases. The catalogs have those of the shipped
templates; what an administrator wrote instead is shown as it is.
"""

from django.utils.translation import pgettext


def shown_scope_name(name: str) -> str:
    return pgettext("a scope", name)


def shown_description(description: str) -> str:
    return pgettext("an integration", description) if description else ""
