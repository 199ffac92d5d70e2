"""What set-up must look like: `manage.py check` says in words what is half configured, and by whom it is mended."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from celery import Task, current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connection

from foundation.secrets_at_rest import NoKeys, keyring
from integrations.connections import tasks  # noqa: F401 - whose tasks are looked at
from integrations.models import admission
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.registry.validation import shortcomings

MOST_SECONDS = 60  # that one task may hold a worker for
MOST_OF_A_RUN = 600  # seconds, of a task that comes once: what an administrator composed may take longer
SAFE = "Safe to repeat"  # how the docstring of a task begins that may come twice
DOCUMENTED_PROCESSES, DOCUMENTED_THREADS = 2, 64  # of the web server, in docs/operations.md
POSTGRES_CONNECTIONS = 97  # that PostgreSQL gives to anybody unless it is set up otherwise
OTHER_CONNECTIONS = 10  # of workers, beat and commands
LIMITS = ["max_connections", "superuser_reserved_connections", "reserved_connections"]
PROCESS_WIDE = ("OAUTHLIB_INSECURE_TRANSPORT", "OAUTHLIB_RELAX_TOKEN_SCOPE")


@register(Tags.security, deploy=True)
def no_process_wide_relaxation(**_options: Any) -> list[CheckMessage]:
    """oauthlib's switches hold for the whole process and switch off what protects tokens."""
    return [
        Error(
            f"{name} is set.",
            hint="Remove it from the environment: it lets tokens travel unprotected.",
            id="keyrack.E001",
        )
        for name in PROCESS_WIDE
        if os.environ.get(name)
    ]


@register(Tags.security, deploy=True)
def keys_are_there(**_options: Any) -> list[CheckMessage]:
    try:
        keyring()
    except NoKeys as error:
        return [Error(str(error), hint="Nothing can be stored or sent without it.", id="keyrack.E002")]
    return []


@register(Tags.security, deploy=True)
def site_is_https(**_options: Any) -> list[CheckMessage]:
    if settings.SITE_IS_SECURE:
        return []
    return [Warning("SITE_URL is not https.", hint="Codes and cookies travel in the clear.", id="keyrack.W001")]


@register(Tags.security, deploy=True)
def limits_are_shared(**_options: Any) -> list[CheckMessage]:
    """A cache in memory counts the calls and wrong codes of one process only."""
    if web_processes() == 1 or not settings.CACHES["default"]["BACKEND"].endswith("LocMemCache"):
        return []
    hint = "Set CACHE_URL to one Redis for all processes, or WEB_CONCURRENCY=1 if there is one process only."
    return [Warning("Each web process counts limits for itself.", hint=hint, id="keyrack.W002")]


@register(Tags.security, deploy=True)
def connections_suffice(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Web processes leave connections of PostgreSQL to workers, beat and commands. With --database, it is asked."""
    if connection.vendor != "postgresql":
        return []
    threads = int(os.environ.get("GRANIAN_BLOCKING_THREADS", DOCUMENTED_THREADS))
    needed = web_processes() * (min(settings.DATABASE_POOL, threads) or threads)
    available = POSTGRES_CONNECTIONS
    if databases:
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT name, setting::int FROM pg_settings WHERE name LIKE ANY (%s)", [LIMITS])
            limits = dict(cursor.fetchall())
            available = 2 * limits["max_connections"] - sum(limits.values())
    if needed + OTHER_CONNECTIONS <= available:
        return []
    text = f"Web processes may take {needed} connections of PostgreSQL, which gives {available}."
    hint = "Set DATABASE_POOL lower, or max_connections of PostgreSQL higher: workers need some as well."
    return [Warning(text, hint=hint, id="keyrack.W003")]


def web_processes() -> int:
    """As gunicorn and Granian read it; else as docs/operations.md starts them."""
    return int(os.environ.get("WEB_CONCURRENCY") or os.environ.get("GRANIAN_WORKERS") or DOCUMENTED_PROCESSES)


@register("queue")
def queue_keeps_its_word(**_options: Any) -> list[CheckMessage]:
    """Always, not only before a deployment: these are promises of the code as much as of its settings."""
    ours = [task for name, task in sorted(current_app.tasks.items()) if not name.startswith("celery.")]
    of_tasks = (fault for task in ours for fault in task_shortcomings(task))
    longest = max((task.time_limit or 0 for task in ours if task.acks_late), default=0)  # others are not held back
    return [Error(text, hint=hint, id=code) for text, hint, code in (*queue_shortcomings(longest), *of_tasks)]


def queue_shortcomings(longest: float) -> Iterator[tuple[str, str, str]]:
    """What the broker was not told. `longest` is how many seconds a task may take."""
    conf = current_app.conf
    url, options = str(conf.broker_url), conf.broker_transport_options
    patience = options.get("visibility_timeout", 3600)  # kombu's own default
    if url.startswith(("redis", "sentinel")) and patience <= longest:
        text = f"Redis gives a task to a second worker after {patience} seconds, and one may take {longest}."
        yield text, "Raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS.", "keyrack.E030"
    if url.startswith(("amqp", "pyamqp")) and not options.get("confirm_publish"):
        text = "RabbitMQ is not asked whether it has taken a message, and may drop one without a word."
        yield text, "Turn confirm_publish on in CELERY_BROKER_TRANSPORT_OPTIONS.", "keyrack.E031"
    if {*conf.accept_content, conf.task_serializer, conf.result_serializer} != {"json"}:
        text = "The queue speaks more than JSON, so whoever can write into it could run code here."
        yield text, "Leave serializers and CELERY_ACCEPT_CONTENT at json.", "keyrack.E032"


def task_shortcomings(task: Task[Any, Any]) -> Iterator[tuple[str, str, str]]:
    if not task.ignore_result:
        yield f"{task.name} keeps its result.", "Outcomes belong into rows: ignore_result.", "keyrack.E033"
    most = MOST_SECONDS if task.acks_late else MOST_OF_A_RUN
    if not 0 < (task.time_limit or 0) <= most:
        yield f"{task.name} may take longer than {most} seconds.", "Give it a time_limit.", "keyrack.E034"
    if task.acks_late and not (task.__doc__ or "").startswith(SAFE):
        text = f"{task.name} comes again when its worker dies, and does not say that it may."
        yield text, f"Begin its docstring with “{SAFE}”, and make it true, or drop acks_late.", "keyrack.E035"


@register(Tags.database)
def half_configured_rows(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **_options: Any
) -> list[CheckMessage]:
    """Only where a database is asked for: `manage.py check --database default`."""
    try:
        return [*registry_messages(), *alias_messages()] if databases else []
    except DatabaseError:  # not migrated yet: there is nothing to look at
        return []


def registry_messages() -> Iterator[CheckMessage]:
    for registry in ApplicationRegistry.objects.filter(active=True).prefetch_related("profiles"):
        yield from (Warning(text, obj=registry, id=code) for text, code in shortcomings(registry))


def alias_messages() -> Iterator[CheckMessage]:
    for alias in admission.with_switches(Alias.objects.filter(active=True)):
        if alias.effective_credential is None:
            yield Warning("It has no active connection.", obj=alias, id="keyrack.W020")
        elif not alias.is_on:
            yield Warning("Its credential or application registry is not active.", obj=alias, id="keyrack.W021")
