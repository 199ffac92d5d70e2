"""Search form of the admin's lists."""

from typing import Any

from django import forms
from django.contrib.admin.views.main import SEARCH_VAR, ChangeListSearchForm

LONGEST_SEARCH = 500  # characters


class SearchForm(ChangeListSearchForm):
    """Django's form with a length limit: SQLite fails on long patterns and thousands of words, others are slow."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields[SEARCH_VAR] = forms.CharField(required=False, strip=False, max_length=LONGEST_SEARCH)
