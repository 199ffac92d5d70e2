"""JSON that can be read and not stored, or not be read at all, at each field of the admin that takes JSON."""

from typing import Any

import pytest
from django.test import Client

from integrations.models import ApplicationRegistry
from integrations.models.registry import validation
from tests.admin.forms import submitted
from tests.integrations.flowing import open_incidents, subflow_of

ACTION = "/admin/integrations/action"

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TEXTS = {
    "NUL": r'{"X-A": "a\u0000"}',
    "NUL in a name": r'{"a\u0000": "a"}',
    "half a character": r'{"X-A": "\ud800"}',
    "half a character in a name": r'{"x\udfff": "a"}',
    "endless nesting": '{"a": ' * 50_000,
    "endless number": '{"a": 1' + "0" * 5000 + "}",
    "endless list": "[" * 50_000,
}
each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


@pytest.mark.slow
@each_text
def test_a_registry_refuses_it_beside_each_field(text: str, as_admin: Client, registry: ApplicationRegistry) -> None:
    address = f"/admin/integrations/applicationregistry/{registry.pk}/change/"
    answer = submitted(as_admin, address, {}, also=dict.fromkeys(validation.JSON_FIELDS, text))
    assert answer.context["adminform"].form.errors.keys() == set(validation.JSON_FIELDS)


@pytest.mark.parametrize("odd", [{"X-A": "a\0"}, {"a\0": "a"}, {"X-A": "\ud800"}, {"\udfff": "a"}], ids=ascii)
@pytest.mark.parametrize("name", validation.JSON_FIELDS)
def test_no_other_door_lets_it_into_a_registry(name: str, odd: Any, registry: ApplicationRegistry) -> None:
    setattr(registry, name, odd)
    assert name in dict(validation.find_faults(registry))


@pytest.mark.slow
@each_text
def test_actions_and_tables_refuse_it_beside_each_field(text: str, as_admin: Client, northwind: Any) -> None:
    action = open_incidents(northwind)
    fields = ("inputs", "outputs", "steps-0-query", "steps-0-headers")
    answer = submitted(as_admin, f"{ACTION}/{action.pk}/change/", {}, also=dict.fromkeys(fields, text))
    assert {"inputs", "outputs"} <= answer.context["adminform"].form.errors.keys()
    [steps] = answer.context["inline_admin_formsets"]
    assert {"query", "headers"} <= steps.formset.forms[0].errors.keys()
    new = {"name": "a", "label": "A", "action": str(action.pk), "inputs": text}
    answer = submitted(as_admin, "/admin/integrations/remotetable/add/", {}, also=new)
    assert "inputs" in answer.context["adminform"].form.errors


@each_text
@pytest.mark.parametrize("kind", ["json", "text", "integer", "number"])
def test_the_test_of_a_subflow_takes_it_or_says_what_is_wrong(
    kind: str, text: str, as_admin: Client, northwind: Any
) -> None:
    subflow = subflow_of(open_incidents(northwind))
    subflow.inputs = [{"name": "limit", "type": kind}]
    subflow.save()
    for typed in (text, "9" * 5000, "1e400", "-" + "1" * 5000):
        answer = as_admin.post(f"/admin/integrations/subflow/{subflow.pk}/test/", {"input-limit": typed})
        assert answer.status_code == 200
