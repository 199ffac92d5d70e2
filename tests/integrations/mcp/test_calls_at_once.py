"""Tools of an agent count as calls under way, like calls of the proxy: with progress until the call is over."""

import threading
from collections import defaultdict
from threading import Event
from typing import Any

import pytest
from pytest_django import Settings

from accounts.api.permissions import Rights
from accounts.models import User
from integrations.api import calls_at_once
from integrations.mcp import streaming
from tests.integrations.mcp.agents import META, Agent

pytestmark = pytest.mark.django_db
RUN: dict[str, Any] = {"name": "run_my_open_incidents", "arguments": {"limit": 1}}


@pytest.fixture(autouse=True)
def one_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_CALLS_AT_ONCE = 1
    monkeypatch.setattr(calls_at_once, "_running", defaultdict(set))  # without what another test has left open


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_call_whose_stream_is_closed_before_it_begins_is_over(agent: Agent) -> None:
    stream: Any = agent.send("tools/call", **RUN, _meta={**META, "progressToken": "p"})
    assert stream["Content-Type"] == "text/event-stream"
    assert agent.send("tools/call", **RUN).status_code == 429
    for close in stream._resource_closers:  # as the server does; `close` itself would end the test's transaction
        close()
    assert agent.send("tools/call", **RUN).status_code == 200
    assert not calls_at_once._running


@pytest.mark.slow
def test_a_call_with_progress_counts_until_it_is_over_although_its_stream_is_closed(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an agent that leaves and comes back has any number of calls under way."""
    has_begun, may_end = Event(), Event()

    def answer_call(*_arguments: Any) -> dict[str, Any]:
        has_begun.set()
        assert may_end.wait(60)
        return {}

    monkeypatch.setattr(streaming, "answer_call", answer_call)
    stream: Any = agent.send("tools/call", **RUN, _meta={**META, "progressToken": "p"})
    assert next(iter(stream)) == streaming.SIGN_OF_LIFE
    assert has_begun.wait(60)
    for close in stream._resource_closers:
        close()
    assert agent.send("tools/call", **RUN).status_code == 429
    may_end.set()
    [thread] = [each for each in threading.enumerate() if each.name == "mcp-call"]
    thread.join(60)
    assert not calls_at_once._running
