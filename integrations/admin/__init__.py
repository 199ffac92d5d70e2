"""Set-up and supervision in Django's own admin. Translates forms into rows; what a token goes through is told below."""

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList

from integrations.admin import (
    aliases,
    credentials,
    flows,
    registries,
    remote_tables,
    revocations,
    searching,
    sign_in,
    templates,
    tokens,
)

__all__ = ["aliases", "credentials", "flows", "registries", "remote_tables", "revocations", "templates", "tokens"]

# One door for everybody: whatever the site's own sign-in asks for, nobody gets around it here.
admin.site.login = sign_in.login  # type: ignore[method-assign]  # less than an AdminSite of our own
admin.site.password_change = sign_in.password_change  # type: ignore[assignment,method-assign]  # as above
# Every list, also those of other apps.
ChangeList.search_form_class = searching.SearchForm
