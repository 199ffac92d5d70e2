"""The WSGI application: `gunicorn config.wsgi`.

Everything that the process needs is loaded here, also the URLs, and then left alone by the garbage collector. A full
collection would look at all of it, about 200 000 objects, while every thread waits for a fifth of a second.
"""

import gc
import os

import django

gc.disable()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.urls import get_resolver  # noqa: E402

from config import tracing  # noqa: E402
from config.health import answer_healthz_first  # noqa: E402 - imports models, so it needs Django set up
from config.middleware import WSGIApplication  # noqa: E402
from config.spare_threads import SpareThreads, server_threads  # noqa: E402
from foundation import batched_writes  # noqa: E402
from integrations.calls import running_streams  # noqa: E402
from integrations.connections import renewal  # noqa: E402

tracing.start_tracing()  # before the application reads MIDDLEWARE
application = answer_healthz_first(SpareThreads(WSGIApplication(), server_threads()))

renewal.prepare()
batched_writes.start_collecting()
running_streams.start_watching()

get_resolver().url_patterns  # noqa: B018 - a property that imports all views
gc.freeze()
gc.enable()
