"""The WSGI entry of the demo authorization server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.provider.settings")
application = get_wsgi_application()
