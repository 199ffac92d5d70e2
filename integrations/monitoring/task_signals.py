"""Signal receivers of Celery: record each run of a task as a heartbeat and in metrics.

A message carries the moment at which it was sent, and the id of the request that sent it.
"""

import time
from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from celery.states import SUCCESS

from foundation.request_ids import accepted_request_id, current_request_id, request_id
from integrations import metrics
from integrations.monitoring import heartbeats

SENT_AT, REQUEST_ID = "keyrack_sent_at", "keyrack_request_id"


@before_task_publish.connect(dispatch_uid="keyrack.sent_at")
def stamp_message(headers: dict[str, Any] | None = None, **_arguments: Any) -> None:
    if headers is not None:
        headers[SENT_AT] = time.time()
        headers[REQUEST_ID] = current_request_id()


@task_prerun.connect(dispatch_uid="keyrack.prerun")
def note_start(task: Any, **_arguments: Any) -> None:
    sent_at = task.request.get(SENT_AT)
    task.request.keyrack_waited = max(time.time() - sent_at, 0.0) if isinstance(sent_at, int | float) else 0.0
    task.request.keyrack_started = time.monotonic()
    task.request.keyrack_context = ExitStack()
    task.request.keyrack_context.enter_context(request_id(accepted_request_id(task.request.get(REQUEST_ID))))


@task_postrun.connect(dispatch_uid="keyrack.postrun")
def note_end(task: Any, state: str | None = None, **_arguments: Any) -> None:
    started_at = task.request.get("keyrack_started")
    if started_at is None:
        return
    task.request.keyrack_context.close()
    seconds, waited_seconds = time.monotonic() - started_at, task.request.keyrack_waited
    failed = state != SUCCESS
    metrics.count_task(task.name, failed=failed, seconds=seconds, waited_seconds=waited_seconds)
    if task.name in heartbeats.task_intervals():
        heartbeats.record_run(task.name, failed=failed, seconds=seconds, waited_seconds=waited_seconds)
