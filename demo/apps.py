"""The demo as an app of the site: its commands, its one task, its one page."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"
    verbose_name = "Demo"
