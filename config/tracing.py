"""Start of traces in processes that serve: web, worker and beat. `config.spans` makes them, if there are any."""

from typing import Any

from celery.signals import beat_init, worker_init, worker_process_shutdown
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@worker_init.connect(dispatch_uid="keyrack.traces.worker")
@beat_init.connect(dispatch_uid="keyrack.traces.beat")
def start_tracing(**_arguments: Any) -> None:
    """Trace this process if TRACES_ENDPOINT is set. A child that is forked later is traced too."""
    if not settings.TRACES_ENDPOINT:
        return
    try:
        from config import spans
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"TRACES_ENDPOINT needs requirements/traces.txt ({error.name} is missing). "
            "`python3 manage.py check` installs it."
        ) from error
    spans.install_tracing(spans.build_exporter())


@worker_process_shutdown.connect(dispatch_uid="keyrack.traces.flush")
def export_remaining_of_child(**_arguments: Any) -> None:
    """Export what a worker's child has left. It exits without the functions that other processes run at exit."""
    if settings.TRACES_ENDPOINT:
        from config import spans

        spans.export_remaining()
