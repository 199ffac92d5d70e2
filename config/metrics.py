"""`/metrics` in Prometheus's format, for who presents METRICS_TOKEN. Without that variable there is no such page.

Web processes, workers and beat of one host count into files of one folder, one file for each process and type. The
page adds them up and reads the rest from the database. Files of processes that have ended are merged into one, so that
their number does not grow, and no sum becomes smaller.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config import health
from integrations.metrics import FIRST_SIZE, reserve_space
from integrations.monitoring.database_gauges import DatabaseGauges
from integrations.monitoring.label_limits import LimitedAliases

GetResponse = Callable[[HttpRequest], HttpResponseBase]
METRICS = "/metrics"
ENDED = "0"  # in place of the process id of a file that has the sums of all processes that have ended


@never_cache
@require_safe
def serve_metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics; 404 without METRICS_TOKEN, 401 without the right bearer."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(token.strip(), settings.METRICS_TOKEN):
        return HttpResponse(
            "This page needs METRICS_TOKEN as a bearer.\n", status=401, headers={"WWW-Authenticate": "Bearer"}
        )
    return HttpResponse(write_exposition(), content_type=CONTENT_TYPE_LATEST)


def answer_metrics_first(get_response: GetResponse) -> GetResponse:
    """Middleware that answers /metrics before redirects and host checks: Prometheus asks each host by its own name."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return serve_metrics(request) if request.path == METRICS else get_response(request)

    return middleware


def write_exposition() -> bytes:
    """Metrics of all processes of this host, of the parts that it needs, and those of the database."""
    database = DatabaseGauges()
    read_now = generate_latest(PartGauges()) + generate_latest(database)
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:  # a single process, as in tests
        return generate_latest(LimitedAliases(REGISTRY, database.aliases)) + read_now
    with lock_file(Path(folder, "lock")):
        merge_ended(Path(folder))
        counted = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        return generate_latest(LimitedAliases(counted, database.aliases)) + read_now


class PartGauges(Collector):
    """What /readyz says of parts that no other metric shows. Each host has its own view of them."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        parts = GaugeMetricFamily("keyrack_part_up", "1 if /readyz calls the part ok", labels=["part"])
        for name, works in health.check_parts({name: health.PARTS[name] for name in ("cache", "broker")}).items():
            parts.add_metric([name], works)
        yield parts


# Files of processes that have ended -----------------------------------------------------------------------------------


def merge_ended(folder: Path) -> None:
    """Add the files of processes that have ended to one file of each type. Their gauges are dropped."""
    for path in sorted(folder.glob("*.db")):
        kind, _, process = path.stem.rpartition("_")
        if process != ENDED and not is_running(process):
            try:
                if not kind.startswith("gauge"):
                    add_up(path, path.with_name(f"{kind}_{ENDED}.db"))
            except OSError:  # no space: this file stays and is read as it is
                continue
            path.unlink(missing_ok=True)


def add_up(source: Path, target: Path) -> None:
    reserve_space(target, max(FIRST_SIZE, used_bytes(source) + used_bytes(target)))
    sums = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
        before, _timestamp_before = sums.read_value(key)  # type: ignore[no-untyped-call]
        sums.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    sums.close()  # type: ignore[no-untyped-call]


def used_bytes(path: Path) -> int:
    """Return how much of a file has values. 0 if it does not exist."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return int.from_bytes(file.read(4), sys.byteorder)


def is_running(process: str) -> bool:
    """Tell whether a process runs. True on systems other than Linux, where files are never merged."""
    if not process.isdigit() or not Path("/proc/self").exists():
        return True
    try:
        state = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}  # zombie or dead


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
