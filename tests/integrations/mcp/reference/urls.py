"""Addresses of the site, with the reference door at /mcp."""

from django.urls import include, path

from config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - Django looks for them here
from tests.integrations.mcp.reference.door import ReferenceDoor

urlpatterns = [path("mcp", ReferenceDoor.as_view()), path("", include("config.urls"))]
