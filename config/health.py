"""Liveness and readiness, for load balancers and for `manage.py demo`."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.core.cache import cache
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from foundation import installation, secrets_at_rest
from foundation.secrets_at_rest import rotation
from integrations.monitoring import broker
from integrations.monitoring.heartbeats import background_works

PAGES = 64 * 1024  # bytes that SQLite needs at least for a small transaction
SECONDS = 2  # after which a part without an answer counts as failing
# The site runs without them: what has to be done is stored in the database, and calls are not limited without a cache.
DISPENSABLE = {"cache", "broker", "background", "installation"}
HEALTHZ = "/healthz"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer "ok", without database or other parts."""
    return HttpResponse("ok", content_type="text/plain")


def answer_healthz_first(application: WSGIApplication) -> WSGIApplication:
    """Answer /healthz before Django, which checks its database connections around each request."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != HEALTHZ or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return application(environ, start_response)
        headers = [("Content-Type", "text/plain"), ("Content-Length", "2"), ("Cache-Control", "no-store")]
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"ok"]

    return answer


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 503 if a part fails that a request needs, else 200. Names the parts, without details."""
    parts = {name: "ok" if works else "failing" for name, works in check_parts(PARTS).items()}
    failing = {name for name, state in parts.items() if state != "ok"}
    status = "failing" if failing - DISPENSABLE else "degraded" if failing else "ok"
    return JsonResponse({"status": status, **parts}, status=503 if status == "failing" else 200)


# Checks ---------------------------------------------------------------------------------------------------------------

_checks: dict[str, Future[bool]] = {}
_lock = Lock()
_threads = ThreadPoolExecutor(thread_name_prefix="readyz")  # replaced in a forked child, where no threads exist


def check_parts(parts: Mapping[str, Callable[[], bool]]) -> dict[str, bool]:
    """Check all parts at once. One that does not answer in time has failed, and is not checked again until it does."""
    with _lock:
        for name, check in parts.items():
            if name not in _checks or _checks[name].done():
                _checks[name] = run_check(check) if is_local(check) else _threads.submit(check)
        futures = {name: _checks[name] for name in parts}
    wait(futures.values(), timeout=SECONDS)
    return {name: future.done() and not future.exception() and future.result() for name, future in futures.items()}


def is_local(check: Callable[[], bool]) -> bool:
    """Tell whether to check in this thread: SQLite answers at once, and only a test's own connection has its rows."""
    return check in (database_answers, keys_open, background_works, belongs_here) and connection.vendor == "sqlite"


def run_check(check: Callable[[], bool]) -> Future[bool]:
    future: Future[bool] = Future()
    try:
        future.set_result(check())
    except Exception as error:  # noqa: BLE001  any failure is a result
        future.set_exception(error)
    return future


def _after_fork() -> None:
    global _threads
    _threads = ThreadPoolExecutor(thread_name_prefix="readyz")
    _checks.clear()


os.register_at_fork(after_in_child=_after_fork)


# Parts ----------------------------------------------------------------------------------------------------------------


def outside_the_pool(check: Callable[[], bool]) -> Callable[[], bool]:
    """Run a check on a database connection of its own: the pool may be exhausted, and its connections may hang."""

    def check_there() -> bool:
        fresh = connection.copy()
        options = fresh.settings_dict["OPTIONS"]
        options.pop("pool", None)
        options["connect_timeout"] = SECONDS
        pooled = connections["default"]
        connections["default"] = fresh
        try:
            with transaction.atomic(), fresh.cursor() as cursor:
                # Not an option of the connection: PgBouncer refuses those
                cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
                return check()
        finally:
            fresh.close()
            connections["default"] = pooled

    return check if connection.vendor == "sqlite" else check_there


def database_answers() -> bool:
    """Tell whether the database is migrated and can be written to. A standby can only be read."""
    if connections["default"].vendor == "postgresql":
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() != ("off",):
                return False
    elif not (name := str(connections["default"].settings_dict["NAME"])).startswith((":", "file:")):
        try_disk(Path(name))
    executor = MigrationExecutor(connections["default"])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def try_disk(database: Path) -> None:
    """Raise `OSError` if SQLite could store nothing more. Takes no lock, and leaves no file."""
    if database.exists() and not os.access(database, os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, "The file of the database is read-only")
    with TemporaryFile(dir=database.parent, buffering=0) as file:
        if file.write(bytes(PAGES)) < PAGES:
            raise OSError(errno.ENOSPC, "The disk is full")


def keys_open() -> bool:
    """Tell whether the keys open stored values. Other bytes under a known id fail too."""
    try:
        secrets_at_rest.keyring()
        return rotation.keys_fit()
    except secrets_at_rest.NoKeys:
        return False


def cache_stores() -> bool:
    cache.set("readyz", "1", 5)
    return bool(cache.get("readyz") == "1")


def broker_accepts() -> bool:
    """Tell whether a message could be sent now."""
    broker.send_test_message()
    return True


def belongs_here() -> bool:
    """Tell whether the database is the one that this site last worked with."""
    return not installation.is_held()


PARTS: dict[str, Callable[[], bool]] = {
    "database": outside_the_pool(database_answers),
    "keys": outside_the_pool(keys_open),
    "cache": cache_stores,
    "broker": broker_accepts,
    "background": outside_the_pool(background_works),
    "installation": outside_the_pool(belongs_here),
}
