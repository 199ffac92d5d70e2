"""Static files: leaves out those of libraries that no page uses."""

from django.contrib.staticfiles.apps import StaticFilesConfig

UNUSED = [
    "rest_framework",  # its browsable API is off
    "oauth2_provider",  # its pages have templates of ours
]


class StaticFiles(StaticFilesConfig):
    ignore_patterns = [*StaticFilesConfig.ignore_patterns, *UNUSED]
