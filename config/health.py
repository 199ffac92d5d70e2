"""Is this process alive, and can it do its work? For load balancers and for `manage.py demo`."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from foundation import secrets_at_rest
from foundation.secrets_at_rest import rotation

SECONDS = 2  # until a part that has not answered counts as failing
SURVIVED = {"broker"}  # the site goes on without it: what has to be done is in the database
HEALTHZ = "/healthz"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody."""
    return HttpResponse("ok", content_type="text/plain")


def answer_healthz_first(application: WSGIApplication) -> WSGIApplication:
    """Answer /healthz in front of Django, which looks after its database connection before and after each request."""

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
    """503 if a part fails that a request needs, 200 otherwise; names the parts, without their details."""
    parts = {name: "ok" if works else "failing" for name, works in ask(PARTS).items()}
    failing = {name for name, state in parts.items() if state != "ok"}
    status = "failing" if failing - SURVIVED else "degraded" if failing else "ok"
    return JsonResponse({"status": status, **parts}, status=503 if status == "failing" else 200)


# Ask ------------------------------------------------------------------------------------------------------------------

_asked: dict[str, Future[bool]] = {}
_lock = Lock()
_threads = ThreadPoolExecutor(thread_name_prefix="readyz")  # replaced in a forked child, which has no threads of ours


def ask(parts: Mapping[str, Callable[[], bool]]) -> dict[str, bool]:
    """Ask all parts at once. One that does not answer in time has failed; it is not asked a second time meanwhile."""
    with _lock:
        for name, works in parts.items():
            if name not in _asked or _asked[name].done():
                _asked[name] = answered(works) if is_local(works) else _threads.submit(works)
        asked = {name: _asked[name] for name in parts}
    wait(asked.values(), timeout=SECONDS)
    return {name: future.done() and not future.exception() and future.result() for name, future in asked.items()}


def is_local(works: Callable[[], bool]) -> bool:
    """SQLite is a file: nothing to wait for, and a test's connection holds what nobody else sees."""
    return works in (database_answers, keys_open) and connection.vendor == "sqlite"


def answered(works: Callable[[], bool]) -> Future[bool]:
    future: Future[bool] = Future()
    try:
        future.set_result(works())
    except Exception as error:  # noqa: BLE001  any failure is the answer
        future.set_exception(error)
    return future


def _after_fork() -> None:
    global _threads
    _threads = ThreadPoolExecutor(thread_name_prefix="readyz")
    _asked.clear()


os.register_at_fork(after_in_child=_after_fork)


# Parts ----------------------------------------------------------------------------------------------------------------


def outside_the_pool(works: Callable[[], bool]) -> Callable[[], bool]:
    """Ask on a connection of its own: the pool may be used up, and its connections may hang."""

    def ask_there() -> bool:
        own = connection.copy()
        options = own.settings_dict["OPTIONS"]
        options.pop("pool", None)
        options["connect_timeout"] = SECONDS
        before = connections["default"]
        connections["default"] = own
        try:
            with transaction.atomic(), own.cursor() as cursor:  # no option of the connection: PgBouncer refuses those
                cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
                return works()
        finally:
            own.close()
            connections["default"] = before

    return works if connection.vendor == "sqlite" else ask_there


def database_answers() -> bool:
    executor = MigrationExecutor(connections["default"])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def keys_open() -> bool:
    """There is a key, and it is the right one: also other bytes under the same id are found out."""
    try:
        secrets_at_rest.keyring()
        return rotation.most_open()
    except secrets_at_rest.NoKeys:
        return False


def cache_keeps() -> bool:
    cache.set("readyz", "1", 5)
    return bool(cache.get("readyz") == "1")


def broker_takes() -> bool:
    """A message could be sent now. The queue of files is a folder that we can write into."""
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        return os.access(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]), os.W_OK)
    with current_app.connection_for_write() as broker:
        broker.connect()
    return True


PARTS: dict[str, Callable[[], bool]] = {
    "database": outside_the_pool(database_answers),
    "keys": outside_the_pool(keys_open),
    "cache": cache_keeps,
    "broker": broker_takes,
}
