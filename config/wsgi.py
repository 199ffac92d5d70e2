"""What a WSGI server runs: `gunicorn config.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from config.health import answer_healthz_first  # noqa: E402 - has models, which can be imported now that Django is set up
from config.spare_threads import SpareThreads, server_threads  # noqa: E402
from integrations import tokens  # noqa: E402

application = answer_healthz_first(SpareThreads(django_application, server_threads()))

tokens.prepare()
