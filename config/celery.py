"""The Celery application: `celery -A config worker`, `celery -A config beat`."""

import os

from celery import Celery

from config import file_queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
file_queue.install()
app = Celery("keyrack")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
