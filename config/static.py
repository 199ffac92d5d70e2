"""Which static files of the libraries are collected: those that a page of ours asks for."""

from django.contrib.staticfiles.apps import StaticFilesConfig

UNUSED = [
    "redoc",  # the API's pages are Swagger UI's
    "oauth2-redirect.*",  # ... and sign nobody in
    "rest_framework",  # it answers in JSON only
    "oauth2_provider",  # its pages are ours
]


class StaticFiles(StaticFilesConfig):
    ignore_patterns = [*StaticFilesConfig.ignore_patterns, *UNUSED]
