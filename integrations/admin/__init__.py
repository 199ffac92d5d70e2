"""Admin pages for set-up and supervision. Translates forms into rows; the life of tokens is implemented below."""

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList

from integrations.admin import (
    aliases,
    connect_links,
    credentials,
    flows,
    registries,
    remote_tables,
    revocations,
    searching,
    site,
    templates,
    tokens,
)

__all__ = [
    "aliases",
    "connect_links",
    "credentials",
    "flows",
    "registries",
    "remote_tables",
    "revocations",
    "templates",
    "tokens",
]

# The admin redirects to the site's sign-in, which asks for the second step and counts attempts.
admin.site.login = site.login  # type: ignore[method-assign]  # simpler than a custom AdminSite
admin.site.password_change = site.password_change  # type: ignore[assignment,method-assign]  # as above
# For every list, including those of other apps.
ChangeList.search_form_class = searching.SearchForm
