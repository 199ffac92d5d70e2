"""The ASGI application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.middleware import ASGIApplication  # noqa: E402 - needs Django set up

application = ASGIApplication()
