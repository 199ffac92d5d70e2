"""System checks of settings, queue, tasks and the set-up of integrations."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from celery import Task, current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.cache import cache
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connection
from django.db.utils import OperationalError
from django.http.request import validate_host
from django.utils import timezone
from psycopg import errors

from foundation.secrets_at_rest import NoKeys, keyring
from integrations.connections import tasks  # noqa: F401 - registers the tasks that are checked
from integrations.models import admission
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.models.registry.validation import find_shortcomings
from integrations.monitoring import broker

MOST_BETWEEN_CLOCKS = 5  # seconds
MOST_SECONDS = 60  # for which one task may occupy a worker
MOST_OF_A_RUN = 600  # seconds, of a task that isn't redelivered: a flow of many steps may take longer
SAFE = "Safe to repeat"  # the docstring of a task that may run twice begins so
DOCUMENTED_PROCESSES, DOCUMENTED_THREADS = 2, 64  # of the web server, in docs/operations.md
POSTGRES_CONNECTIONS = 97  # for ordinary roles, by PostgreSQL's defaults: 100 less 3 reserved
OTHER_CONNECTIONS = 10  # for workers, beat and commands
LIMITS = ["max_connections", "superuser_reserved_connections", "reserved_connections"]
CONTACT_URLS = ("https://", "mailto:", "tel:")
MAIL_ADDRESS = re.compile(r"[^@\s,]+@[^@\s,]+")
PROCESS_WIDE = ("OAUTHLIB_INSECURE_TRANSPORT", "OAUTHLIB_RELAX_TOKEN_SCOPE")


@register(Tags.security, deploy=True)
def no_process_wide_relaxation(**_options: Any) -> list[CheckMessage]:
    """Refuse oauthlib's insecure switches: they apply to the whole process."""
    return [
        Error(
            f"{name} is set.",
            hint="Remove it from the environment: it lets tokens travel unprotected.",
            id="keyrack.E001",
        )
        for name in PROCESS_WIDE
        if os.environ.get(name)
    ]


@register
def variables_have_their_names_of_today(**_options: Any) -> list[CheckMessage]:
    """Warn about variables that are set by an old name."""
    hint = "The old name works until the next major version."
    return [
        Warning(f"{old} is now called {new}.", hint=hint, id="keyrack.W006")
        for old, new in settings.OUTDATED_VARIABLES.items()
    ]


@register(Tags.security, deploy=True)
def keys_are_there(**_options: Any) -> list[CheckMessage]:
    """Report an error if TOKEN_ENCRYPTION_KEYS is missing or can't be parsed."""
    try:
        keyring()
    except NoKeys as error:
        return [Error(str(error), hint="Nothing can be stored or sent without it.", id="keyrack.E002")]
    return []


@register(Tags.security, deploy=True)
def site_is_https(**_options: Any) -> list[CheckMessage]:
    """Warn if the site is served without TLS."""
    if settings.SITE_IS_SECURE:
        return []
    return [Warning("SITE_URL is not https.", hint="Codes and cookies travel in the clear.", id="keyrack.W001")]


@register(Tags.security, deploy=True)
def host_is_allowed(**_options: Any) -> list[CheckMessage]:
    """Warn if the site would refuse the requests to its own address."""
    if settings.DEBUG or validate_host(urlsplit(settings.SITE_URL).hostname or "", settings.ALLOWED_HOSTS):
        return []
    hint = "Add it, or remove ALLOWED_HOSTS: the host of SITE_URL is its default."
    return [Warning("The host of SITE_URL is not in ALLOWED_HOSTS.", hint=hint, id="keyrack.W007")]


@register(Tags.security)
def addresses_reach_somebody(**_options: Any) -> list[CheckMessage]:
    """Warn of invalid addresses, at which reports and mails would reach nobody."""
    addresses = {
        "SECURITY_CONTACT": [each for each in settings.SECURITY_CONTACT if not each.startswith(CONTACT_URLS)],
        "ADMIN_EMAILS": [address for _name, address in settings.ADMINS],
        "DEFAULT_FROM_EMAIL": [parseaddr(settings.DEFAULT_FROM_EMAIL)[1]],
    }
    hint = "Use mail addresses, separated by commas. SECURITY_CONTACT may have https:// URLs too."
    return [
        Warning(f"{each!r} in {name} is not an address.", hint=hint, id="keyrack.W005")
        for name, values in addresses.items()
        for each in values
        if not MAIL_ADDRESS.fullmatch(each)
    ]


@register(Tags.security, deploy=True)
def limits_are_shared(**_options: Any) -> list[CheckMessage]:
    """Warn if several processes count rate limits and wrong codes in local memory."""
    if web_processes() == 1 or not settings.CACHES["default"]["BACKEND"].endswith("LocMemCache"):
        return []
    hint = "Set CACHE_URL to one Redis for all processes, or WEB_CONCURRENCY=1 if there is only one process."
    return [Warning("Each web process counts rate limits on its own.", hint=hint, id="keyrack.W002")]


@register(Tags.security, deploy=True)
def connections_suffice(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Warn if web processes leave too few database connections to workers, beat and commands.

    With --database, the limits are read from PostgreSQL.
    """
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
    text = f"Web processes may take {needed} connections of PostgreSQL, which allows {available}."
    hint = "Lower DATABASE_POOL, or raise max_connections of PostgreSQL: workers need connections too."
    return [Warning(text, hint=hint, id="keyrack.W003")]


def web_processes() -> int:
    """Return the number of web processes: from the servers' environment, else as documented in docs/operations.md."""
    return int(os.environ.get("WEB_CONCURRENCY") or os.environ.get("GRANIAN_WORKERS") or DOCUMENTED_PROCESSES)


@register("queue")
def check_queue(**_options: Any) -> list[CheckMessage]:
    """Check broker settings and tasks. Not only on deployment: the code promises these as much as the settings do."""
    ours = [task for name, task in sorted(current_app.tasks.items()) if not name.startswith("celery.")]
    of_tasks = (fault for task in ours for fault in task_shortcomings(task))
    longest = max(
        (task.time_limit or 0 for task in ours if task.acks_late), default=0
    )  # the broker doesn't redeliver the others
    return [Error(text, hint=hint, id=code) for text, hint, code in (*queue_shortcomings(longest), *of_tasks)]


def queue_shortcomings(longest: float) -> Iterator[tuple[str, str, str]]:
    """Yield text, hint and id for each unsafe broker setting. `longest`: seconds that a task may take."""
    conf = current_app.conf
    url, options = str(conf.broker_url), conf.broker_transport_options
    patience = options.get("visibility_timeout", 3600)  # kombu's own default
    if url.startswith(("redis", "sentinel")) and patience <= longest:
        text = f"Redis gives a task to a second worker after {patience} seconds, and one may take {longest}."
        yield text, "Raise visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS.", "keyrack.E030"
    if url.startswith(("amqp", "pyamqp")) and not options.get("confirm_publish"):
        text = "RabbitMQ does not confirm that it has accepted a message, and may drop one silently."
        yield text, "Turn confirm_publish on in CELERY_BROKER_TRANSPORT_OPTIONS.", "keyrack.E031"
    if {*conf.accept_content, conf.task_serializer, conf.result_serializer} != {"json"}:
        text = "The queue accepts more than JSON, so anyone who can write to it could run code here."
        yield text, "Leave serializers and CELERY_ACCEPT_CONTENT at json.", "keyrack.E032"


def task_shortcomings(task: Task[Any, Any]) -> Iterator[tuple[str, str, str]]:
    if not task.ignore_result:
        yield f"{task.name} keeps its result.", "Store outcomes in rows, and set ignore_result.", "keyrack.E033"
    most = MOST_SECONDS if task.acks_late else MOST_OF_A_RUN
    if not 0 < (task.time_limit or 0) <= most:
        yield f"{task.name} may take longer than {most} seconds.", "Give it a time_limit.", "keyrack.E034"
    if task.acks_late and not (task.__doc__ or "").startswith(SAFE):
        text = f"{task.name} runs again if its worker dies, and its docstring does not say that it may."
        yield text, f"Begin its docstring with “{SAFE}”, and make it true, or drop acks_late.", "keyrack.E035"


@register(Tags.database)
def database_answers(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Refuse a database that cannot be used, if one is named."""
    try:
        if databases:
            connection.ensure_connection()
    except DatabaseError as error:
        hint = "Check DATABASE_URL, and that the database runs."
        return [Error(f"The database cannot be used: {in_one_line(error)}", hint=hint, id="keyrack.E038")]
    return []


@register(Tags.database, deploy=True)
def cache_and_queue_answer(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Refuse a cache or a broker that cannot be used. Only with --database: other checks ask no server."""
    parts = (
        ("CACHE_URL", store_in_cache, "keyrack.E039"),
        ("CELERY_BROKER_URL", broker.send_test_message, "keyrack.E040"),
    )
    messages: list[CheckMessage] = []
    for name, use, code in parts if databases else ():
        try:
            use()
        except Exception as error:  # noqa: BLE001  each kind of server has its own
            hint = "Check its host, port and password, and that the server runs."
            messages.append(Error(f"{name} cannot be used: {in_one_line(error)}", hint=hint, id=code))
    return messages


def store_in_cache() -> None:
    cache.set("check", "1", 5)


def in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@register(Tags.database)
def prepared_statements_last(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Refuse a pooler that loses prepared statements, if a database is named."""
    if not databases or connection.vendor != "postgresql" or not settings.DATABASE_PREPARED_STATEMENTS:
        return []
    if keeps_prepared_statements():
        return []
    hint = "Set DATABASE_PREPARED_STATEMENTS=false, or max_prepared_statements in PgBouncer 1.22 or newer."
    text = "The database loses prepared statements: a pooler gives each transaction another connection."
    return [Error(text, hint=hint, id="keyrack.E037")]


def keeps_prepared_statements() -> bool:
    """Prepare a statement, let a transaction of another session take a connection, and use the statement again."""
    mine, other = connection.copy(), connection.copy()
    try:
        mine.ensure_connection()
        other.ensure_connection()
        mine.connection.execute("SELECT 37", prepare=True)
        with other.connection.transaction():
            other.connection.execute("SELECT 1", prepare=False)
            mine.connection.execute("SELECT 37", prepare=True)
    except errors.InvalidSqlStatementName:
        return False
    except (OperationalError, errors.OperationalError):  # away, or not permitted: another check says so
        return True
    finally:
        mine.close()
        other.close()
    return True


@register(Tags.database)
def clocks_agree(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Warn if the clock of this host differs from the database's, if a database is named."""
    if not databases or connection.vendor != "postgresql":
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            seconds = (timezone.now() - cursor.fetchone()[0]).total_seconds()
    except DatabaseError:  # another check says so
        return []
    if abs(seconds) <= MOST_BETWEEN_CLOCKS:
        return []
    side = "ahead of" if seconds > 0 else "behind"
    text = f"The clock of this host is {abs(seconds):.0f} seconds {side} the database's."
    hint = "Set the clocks of all hosts by NTP: what expires, and codes of authenticator apps, depend on them."
    return [Warning(text, hint=hint, id="keyrack.W008")]


@register(Tags.database)
def half_configured_rows(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **_options: Any
) -> list[CheckMessage]:
    """Warn about incomplete rows, if a database is named: `manage.py check --database default`."""
    try:
        return [*registry_messages(), *alias_messages()] if databases else []
    except DatabaseError:  # not migrated yet
        return []


def registry_messages() -> Iterator[CheckMessage]:
    for registry in ApplicationRegistry.objects.filter(active=True).prefetch_related("profiles"):
        yield from (Warning(text, obj=registry, id=code) for text, code in find_shortcomings(registry))


def alias_messages() -> Iterator[CheckMessage]:
    for alias in admission.annotate_switches(Alias.objects.filter(active=True)):
        if alias.effective_credential is None:
            yield Warning("It has no active connection.", obj=alias, id="keyrack.W020")
        elif not alias.is_on:
            yield Warning("Its credential or application registry is not active.", obj=alias, id="keyrack.W021")
