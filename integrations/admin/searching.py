"""What may be searched for in a list of the admin."""

from typing import Any

from django import forms
from django.contrib.admin.views.main import SEARCH_VAR, ChangeListSearchForm

LONGEST_SEARCH = 500  # characters


class SearchForm(ChangeListSearchForm):
    """Django's, with an end: SQLite fails at long patterns and at thousands of words, and others are slow."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, strip=False, max_length=LONGEST_SEARCH)
