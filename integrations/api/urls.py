"""URLs below /api/v1/."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from integrations.api import documentation, proxy, remote_tables, views

app_name = "api"
urlpatterns = [
    path("integrations/", views.Integrations.as_view(), name="integrations"),
    path("integrations/<str:alias>/", views.OneIntegration.as_view(), name="integration"),
    path("integrations/<str:alias>/initiator-url/", views.InitiatorUrl.as_view(), name="initiator-url"),
    path("integrations/<str:alias>/token-valid/", views.TokenValid.as_view(), name="token-valid"),
    path("integrations/<str:alias>/revoke/", views.Revoke.as_view(), name="revoke"),
    path("integrations/<str:alias>/token/", views.Token.as_view(), name="token"),
    path("integrations/<str:alias>/token-refused/", views.TokenRefused.as_view(), name="token-refused"),
    re_path(r"^integrations/(?P<alias>[^/]+)/proxy/(?P<path>[\s\S]*)", proxy.Proxy.as_view(), name="proxy"),
    path("remote-tables/<str:name>/rows/", remote_tables.RemoteTableRows.as_view(), name="remote-table-rows"),
    path("subflows/<str:name>/runs/", views.Runs.as_view(), name="subflow-runs"),
    path("subflow-runs/<str:run_id>/", views.OneRun.as_view(), name="subflow-run"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", documentation.show_documentation, name="docs"),
]
