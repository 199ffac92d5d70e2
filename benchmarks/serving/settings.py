"""Keyrack's database and nothing of its middleware."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, REST_FRAMEWORK

ROOT_URLCONF = "benchmarks.serving.urls"
MIDDLEWARE = []
INSTALLED_APPS = ["benchmarks.serving.apps.Accounts" if app == "allauth.account" else app for app in INSTALLED_APPS]
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
