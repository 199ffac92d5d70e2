"""What a ASGI server runs."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.requests import ASGIApplication  # noqa: E402 - after the set-up

application = ASGIApplication()
