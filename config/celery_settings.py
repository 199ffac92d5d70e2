"""Settings of Celery: JSON only, ids as arguments, outcomes in our own rows.

The queue only speeds up delivery: everything that has to be done is stored in rows.
"""

from datetime import timedelta
from pathlib import Path

from config.environment import DATA_DIR, env, make_private_folder


def broker_options(url: str, queue_dir: Path) -> dict[str, object]:
    """Return the options of each kind of broker. Publishing is tried once: a page must not wait for the queue."""
    if url.startswith("redis"):
        return {"visibility_timeout": 300, "socket_connect_timeout": 2, "socket_timeout": 2, "max_retries": 0}
    if url.startswith("amqp"):
        return {"confirm_publish": True, "read_timeout": 2, "write_timeout": 2, "max_retries": 0}
    for folder in ("", "messages", "control", "processed"):
        make_private_folder(queue_dir / folder)
    return {
        "data_folder_in": str(queue_dir / "messages"),
        "data_folder_out": str(queue_dir / "messages"),
        "control_folder": str(queue_dir / "control"),
        "processed_folder": str(queue_dir / "processed"),
        "store_processed": False,
    }


CELERY_BROKER_URL = env.broker("CELERY_BROKER_URL", default="filesystem://localhost//")
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL, DATA_DIR / "queue")
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A worker outlives any outage of its broker: one that is away, and one that refuses commands, such as a Redis without
# memory or one that became a replica.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# One retry, on a new connection, since beat would keep a broken one for ever. Pages don't retry (max_retries above).
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# After a lost connection, Celery would prefetch less until all running tasks are acknowledged. That never happens on a
# lost connection, and the worker would wait for ever.
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
CELERY_IMPORTS = ["integrations.flows.background", "config.tracing"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "deliver due revocations": {
        "task": "integrations.sweep_revocations",
        "schedule": timedelta(seconds=env.number("REVOCATION_SWEEP_SECONDS", default=10, at_least=1)),
        "options": {"expires": 30},
    },
    "purge revocations given up long ago": {
        "task": "integrations.purge_revocations",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "end sign-ins of deactivated users": {
        "task": "integrations.end_sign_ins_of_deactivated",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "purge unfinished sign-ins": {
        "task": "integrations.purge_attempts",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "check providers that are down": {
        "task": "integrations.check_providers",
        "schedule": timedelta(seconds=20),
        "options": {"expires": 20},
    },
    "renew tokens in use before they expire": {
        "task": "integrations.keep_tokens_alive",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "repair deadlines of renewals": {
        "task": "integrations.repair_deadlines",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "give up lost subflow runs, start waiting ones": {
        "task": "integrations.sweep_subflow_runs",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "purge old outputs of subflows": {
        "task": "integrations.purge_subflow_runs",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "send notices about permanent tokens": {
        "task": "accounts.send_notices",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "purge refresh replays": {
        "task": "accounts.forget_refresh_replays",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "purge expired tokens of programs": {
        "task": "accounts.clear_expired_grants",
        "schedule": timedelta(hours=1),
        "options": {"expires": 600},
    },
    "purge what ended long ago": {
        "task": "accounts.forget_long_ended",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "send notices about integrations": {
        "task": "integrations.send_notices",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
}
