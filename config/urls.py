"""URLs of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.urls import api_urlpatterns, server_urlpatterns, sign_in_urlpatterns
from config import failures, health, metrics, security_contact
from integrations.admin.site import view_on_site

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="integrations:dashboard")),
    path("", include("integrations.urls")),
    path("api/v1/", include("integrations.api.urls")),
    path("api/v1/admin/", include("integrations.admin_api.urls")),
    path("api/v1/", include((api_urlpatterns, "accounts-api"))),
    path("api/<path:rest>", failures.api_not_found),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include(sign_in_urlpatterns)),
    path("", include((server_urlpatterns, "oauth2_provider"))),
    path("admin/r/<path:content_type_id>/<path:object_id>/", admin.site.admin_view(view_on_site)),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path(".well-known/security.txt", security_contact.security_txt),
    path("metrics", metrics.serve_metrics),
]
handler400, handler403 = failures.bad_request, failures.permission_denied
handler404, handler500 = failures.not_found, failures.server_error
if settings.DEMO:
    urlpatterns.append(path("demo/", include("demo.urls")))
