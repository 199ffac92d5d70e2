"""What a WSGI server runs: `gunicorn config.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from integrations import tokens  # noqa: E402 - has models, which can be imported now that Django is set up

tokens.prepare()
