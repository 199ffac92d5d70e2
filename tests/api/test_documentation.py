"""The page about the API: a sentence and an example for each call, and every example is sent here."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.api import documentation
from integrations.api.examples import EXAMPLES, RUN, Example
from integrations.models import Alias, SubflowRun
from tests.api.conftest import Program
from tests.integrations import tables
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

PAGE = "/api/v1/docs/"
SCOPES = ["integrations:read", "integrations:revoke", "tokens:read", "service:*", "subflows:run", "remote-tables:read"]


@pytest.fixture
def site(signed_in: Alias, server: HostileServer, amira: User) -> None:
    """What the examples name: an integration, a table, a subflow and a run of it."""
    cache.clear()
    server.on("GET /api/contacts").always(json={"count": 2})
    server.on("POST /token").always(json={"access_token": "CANARY-2", "token_type": "Bearer", "expires_in": 3600})
    server.on(tables.ROWS).always(json={"result": tables.INCIDENTS})
    tables.incidents(signed_in)
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    subflow = subflow_of(open_incidents(signed_in))
    now = timezone.now()
    SubflowRun.objects.create(id=RUN, subflow=subflow, name=subflow.name, user=amira, status="succeeded", ends_by=now)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_answered_as_the_page_says(name: str, program: Program, site: None) -> None:
    example = EXAMPLES[name]
    answer = send(program(*SCOPES), example)
    assert answer.status_code == example.status, answer.content
    returned, documented = answer.json(), example.answer
    if isinstance(documented, list):
        returned, documented = returned[0], documented[0]
    assert set(returned) == set(documented)


def send(client: Client, example: Example) -> Any:
    method: Callable[..., Any] = getattr(client, example.method.lower())
    body = {} if example.body is None else {"data": example.body, "content_type": "application/json"}
    return method(f"{documentation.ROOT}{example.path}", **body)


@pytest.mark.slow
def test_every_call_has_a_sentence_an_example_and_its_scopes(as_amira: Client, db: None) -> None:
    calls = documentation.all_calls()
    assert [call.id for call in calls if not call.example or not call.sentence] == []
    page = as_amira.get(PAGE).content.decode()
    for call in calls:
        assert f'id="{call.id}"' in page
    assert re.search(r"GET POST PUT PATCH DELETE", page)
    assert 'id="nav-api" href="/api/v1/docs/" aria-current="page"' in page


def test_the_page_needs_a_sign_in(db: None) -> None:
    assert Client().get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
