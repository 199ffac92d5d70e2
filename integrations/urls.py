"""Addresses of the integrations app. Ids are the 32 hexadecimal digits of a record's UUID."""

from uuid import UUID

from django.urls import path, register_converter

from integrations.admin import explain_access
from integrations.views import dashboard, remote_tables, sign_in


class SysIdConverter:
    regex = "[0-9a-f]{32}"

    def to_python(self, value: str) -> UUID:
        return UUID(value)

    def to_url(self, value: UUID | str) -> str:
        return value.hex if isinstance(value, UUID) else value


register_converter(SysIdConverter, "sys_id")

app_name = "integrations"
urlpatterns = [
    path("integrations/", dashboard.dashboard, name="dashboard"),
    path("integrations/logos/<sys_id:registry_id>/", dashboard.logo, name="logo"),
    path("integrations/done/<sys_id:attempt_id>/", sign_in.done, name="done"),
    path("integrations/<sys_id:alias_id>/", dashboard.detail, name="detail"),
    path("integrations/<sys_id:alias_id>/revoke/", dashboard.revoke, name="revoke"),
    path("integrations/<sys_id:alias_id>/confirm-address/", dashboard.confirm_address, name="confirm_address"),
    path("integrations/<sys_id:alias_id>/forget/", dashboard.forget, name="forget"),
    path("integrations/<sys_id:alias_id>/cancel/", dashboard.cancel, name="cancel"),
    path("integrations/<sys_id:alias_id>/retry-revocation/", dashboard.retry_revocation, name="retry_revocation"),
    path("integrations/<sys_id:alias_id>/dismiss/", dashboard.dismiss, name="dismiss"),
    path("integrations/<sys_id:alias_id>/check/", dashboard.check, name="check"),
    path("remote-tables/", remote_tables.remote_table_list, name="remote_table_list"),
    path("remote-tables/<slug:name>/", remote_tables.remote_table, name="remote_table"),
    path("remote-tables/<slug:name>/rows.csv", remote_tables.remote_table_csv, name="remote_table_csv"),
    path("oauth_initiator.do", sign_in.initiator, name="initiator"),
    path("oauth_password_input.do", sign_in.password, name="password"),
    path("admin/explain-access/", explain_access.page, name="explain_access"),
    path("oauth_redirect.do/<sys_id:registry_id>", sign_in.callback, name="redirect"),
]
