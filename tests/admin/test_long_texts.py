"""Texts without end in the admin: searched for, or typed into the fields of any form."""

import json
from collections.abc import Iterator
from time import process_time

import pytest
from django.contrib import admin as django_admin
from django.test import Client
from django.urls import reverse

from integrations.admin.searching import LONGEST_SEARCH
from integrations.models import Alias
from tests.admin.forms import opened, submitted
from tests.integrations.flowing import open_incidents

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db]

LONG = {"letters": "x" * 100_000, "an address": "https://a.example/" + "a/" * 50_000, "braces": "{{ " * 30_000}


def models() -> Iterator[str]:
    for model in django_admin.site._registry:
        yield f"admin:{model._meta.app_label}_{model._meta.model_name}"


@pytest.mark.parametrize("text", ["x" * 60_000, "a " * 30_000], ids=["letters", "words"])
def test_no_list_is_searched_for_a_text_without_end(text: str, as_admin: Client, northwind: object) -> None:
    for model in models():
        answer = as_admin.get(reverse(f"{model}_changelist"), {"q": text})
        assert answer.status_code == 200, model
        assert f"at most {LONGEST_SEARCH} characters" in answer.content.decode(), model


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_text_without_end_is_refused_or_kept_in_each_field(text: str, as_admin: Client, northwind: object) -> None:
    """Twenty fields at a time: more would be refused for their size alone."""
    forms = 0
    for model in models():
        address = reverse(f"{model}_add")
        if as_admin.get(address).status_code != 200:
            continue
        fields = opened(as_admin, address).fields
        names = [name for name in fields if not name.endswith(("_FORMS", "-id", "csrfmiddlewaretoken"))]
        for start in range(0, len(names), 20):
            typed = dict.fromkeys(names[start : start + 20], text)
            assert as_admin.post(address, {**fields, **typed, "_save": "Save"}).status_code == 200, model
        forms += 1
    assert forms > 8


def test_a_list_without_end_is_refused_in_each_field_of_an_action(as_admin: Client, northwind: Alias) -> None:
    action = open_incidents(northwind)
    lists = {
        "inputs": [{"name": f"a{number}", "type": "text"} for number in range(15_000)],
        "outputs": [{"name": f"a{number}", "path": "steps"} for number in range(15_000)],
        "steps-0-query": [["a", "b"]] * 15_000,
        "steps-0-headers": [["a", "b"]] * 15_000,
    }
    typed = {name: json.dumps(rows) for name, rows in lists.items()}
    began = process_time()
    answer = submitted(as_admin, f"/admin/integrations/action/{action.pk}/change/", {}, also=typed)
    assert process_time() - began < 5
    assert answer.context["adminform"].form.errors.keys() == {"inputs", "outputs"}
    assert answer.context["inline_admin_formsets"][0].formset.forms[0].errors.keys() == {"query", "headers"}
