"""Every address of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.urls import server_urlpatterns
from config import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="integrations:dashboard")),
    path("", include("integrations.urls")),
    path("api/v1/", include("integrations.api.urls")),
    path("accounts/", include("accounts.urls")),
    path("", include((server_urlpatterns, "oauth2_provider"))),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("demo.urls")))
