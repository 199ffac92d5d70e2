"""Is this process alive, and can it do its work? For load balancers and for `manage.py demo`."""

from collections.abc import Callable

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations import keys, vault


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything that a request needs is there; else 503 and which part is not, without its details."""
    parts = {name: "ok" if works() else "failing" for name, works in PARTS.items()}
    is_ready = set(parts.values()) == {"ok"}
    return JsonResponse(parts, status=200 if is_ready else 503)


def database_answers() -> bool:
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError:
        return False
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def keys_open() -> bool:
    """There is a key, and it is the right one: also other bytes under the same id are found out."""
    try:
        vault.keyring()
        return keys.most_open()
    except (vault.NoKeys, DatabaseError):
        return False


def cache_keeps() -> bool:
    cache.set("readyz", "1", 5)
    return bool(cache.get("readyz") == "1")


PARTS: dict[str, Callable[[], bool]] = {"database": database_answers, "keys": keys_open, "cache": cache_keeps}
