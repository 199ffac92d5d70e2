"""Tools of an agent count as calls under way, like calls of the proxy: with progress until the stream is closed."""

from collections import defaultdict
from typing import Any

import pytest
from pytest_django import Settings

from accounts.api.permissions import Rights
from accounts.models import User
from integrations.api import calls_at_once
from tests.integrations.mcp.agents import META, Agent

pytestmark = pytest.mark.django_db
RUN: dict[str, Any] = {"name": "run_my_open_incidents", "arguments": {"limit": 1}}


@pytest.fixture(autouse=True)
def one_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_CALLS_AT_ONCE = 1
    monkeypatch.setattr(calls_at_once, "_running", defaultdict(set))  # without what another test has left open


def test_an_agent_at_its_limit_is_refused_in_words(agent: Agent, amira: User) -> None:
    end_call = calls_at_once.begin_call(amira, Rights(scopes=frozenset(), client_id="digest"))
    refused = agent.send("tools/call", **RUN)
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert refused["Retry-After"] == "5"
    assert agent.send("tools/list").status_code == 200, "nothing is called"
    end_call()
    for _each in range(3):
        assert agent.send("tools/call", **RUN).status_code == 200
    assert not calls_at_once._running


def test_a_call_with_progress_counts_until_its_stream_is_closed(agent: Agent) -> None:
    stream: Any = agent.send("tools/call", **RUN, _meta={**META, "progressToken": "p"})
    assert stream["Content-Type"] == "text/event-stream"
    assert agent.send("tools/call", **RUN).status_code == 429
    for close in stream._resource_closers:  # as the server does; `close` itself would end the test's transaction
        close()
    assert agent.send("tools/call", **RUN).status_code == 200
    assert not calls_at_once._running
