"""Addresses of the integrations app. Ids are the 32 hexadecimal digits of a record's UUID."""

from uuid import UUID

from django.urls import path, register_converter

from integrations.admin import add_provider, consent_expiries, describe_provider, explain_access, providers, trial
from integrations.mcp import views as mcp
from integrations.views import connect, consent_calendar, dashboard, remote_tables, sign_in


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
    path("integrations/view/", dashboard.choose_view, name="choose_view"),
    path("integrations/keys/", dashboard.show_keys, name="keys"),
    path("integrations/calendar/", consent_calendar.consent_calendar, name="consent_calendar"),
    path("integrations/calendar/revoke/", consent_calendar.revoke_feed, name="revoke_calendar_feed"),
    path("integrations/calendar/<str:secret>.ics", consent_calendar.calendar_feed, name="calendar_feed"),
    path("integrations/logos/<sys_id:registry_id>/", dashboard.logo, name="logo"),
    path("integrations/done/<sys_id:attempt_id>/", sign_in.done, name="done"),
    path("integrations/connect/", connect.connect_page, name="connect"),
    path("integrations/connect/<str:secret>/", connect.open_link, name="open_connect_link"),
    path("integrations/<sys_id:alias_id>/", dashboard.detail, name="detail"),
    path("integrations/<sys_id:alias_id>/revoke/", dashboard.revoke, name="revoke"),
    path("integrations/<sys_id:alias_id>/confirm-address/", dashboard.confirm_address, name="confirm_address"),
    path("integrations/<sys_id:alias_id>/ask-about-address/", dashboard.ask_about_address, name="ask_about_address"),
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
    path("admin/", providers.page, name="providers"),
    path("admin/providers/add/", add_provider.show_catalogue, name="add_provider"),
    path("admin/providers/add/any/", describe_provider.any_server, name="any_server"),
    path("admin/providers/add/by-hand/", describe_provider.by_hand, name="by_hand"),
    path("admin/providers/drafts/<sys_id:draft_id>/", add_provider.edit_draft, name="provider_draft"),
    path("admin/providers/drafts/<sys_id:draft_id>/discard/", add_provider.discard_draft, name="discard_draft"),
    path("admin/providers/<sys_id:registry_id>/try/", trial.try_provider, name="try_provider"),
    path("admin/providers/<sys_id:registry_id>/remind/", providers.remind, name="remind_people"),
    path("admin/records/", providers.all_records_page, name="all_records"),
    path("admin/consent-expiries/", consent_expiries.page, name="consent_expiries"),
    path("admin/explain-access/", explain_access.page, name="explain_access"),
    path("oauth_redirect.do/<sys_id:registry_id>", sign_in.callback, name="redirect"),
    path("mcp", mcp.Door.as_view(), name="mcp"),
    path("mcp/<slug:name>", mcp.Door.as_view(), name="mcp_set"),
    path(".well-known/oauth-protected-resource", mcp.ProtectedResource.as_view(), name="protected_resource"),
    path(".well-known/oauth-protected-resource/api/v1", mcp.ProtectedResource.as_view()),
    path(".well-known/oauth-protected-resource/mcp", mcp.ProtectedResource.as_view()),
    path(".well-known/oauth-protected-resource/mcp/<slug:name>", mcp.ProtectedResource.as_view()),
]
