"""URLs below /accounts/, of the REST API for accounts, and of Keyrack as an OAuth server."""

from uuid import UUID

from allauth.account import views as account
from allauth.mfa.base import views as second_step
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from django.contrib.auth.decorators import login_required
from django.urls import path, re_path, register_converter
from django.urls.converters import UUIDConverter
from django.views.decorators.http import require_POST
from oauth2_provider.views import RevokeTokenView

from accounts.api import leaked_tokens
from accounts.oauth_server import device_views, registration_views
from accounts.oauth_server import views as oauth_views
from accounts.security_pages import grant_views, preference_views, session_views, views
from accounts.sign_in.middleware import leaves_site
from accounts.sign_in.reauthentication import recently_authenticated


class RowIdConverter(UUIDConverter):
    """The id of a record as its 32 hexadecimal digits."""

    regex = "[0-9a-f]{32}"

    def to_url(self, value: UUID | str) -> str:
        return value.hex if isinstance(value, UUID) else value


register_converter(RowIdConverter, "row_id")

app_name = "accounts"
urlpatterns = [
    path("login/", account.login, name="login"),
    path("logout/", require_POST(account.logout), name="logout"),
    path("continue/", session_views.continue_to_page, name="continue"),
    path("sessions/<int:session_id>/end/", session_views.end_session, name="end_session"),
]

# Account Security: the user's own page, and below users/ another user's.
OWNER_PAGES = (
    ("", views.security, "security"),
    ("activity/", views.activity, "activity"),
    ("tokens/new/", views.new_token, "new-token"),
    ("tokens/<row_id:row_id>/delete/", views.delete_token, "delete-token"),
    ("tokens/<row_id:row_id>/release/", views.release_token, "release-token"),
    ("application-passwords/<row_id:row_id>/release/", views.release_password, "release-application-password"),
    ("application-passwords/<row_id:row_id>/delete/", views.delete_password, "delete-application-password"),
    ("refresh-tokens/<row_id:family>/delete/", grant_views.refresh_token, "end-refresh-token"),
    ("refresh-tokens/delete/", grant_views.refresh_tokens, "end-refresh-tokens"),
    ("approved-scopes/<int:application_id>/remove/", grant_views.approved_scopes, "end-approved-scopes"),
)
for route, view, name in OWNER_PAGES:
    urlpatterns += [
        path(f"security/{route}", view, name=name),
        path(f"users/<int:user_id>/security/{route}", view, name=f"{name}-of"),
    ]
urlpatterns += [
    path("security/application-passwords/new/", views.new_password, name="new-application-password"),
    path("security/language-and-time/", preference_views.edit_preferences, name="preferences"),
]

# django-allauth's views, under its own URL names. Left out: sign-up, social accounts, codes by mail.
sign_in_urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", require_POST(account.logout), name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("email/", session_views.own_addresses, name="account_email"),
    path(
        "confirm-email/<str:key>/",
        session_views.ConfirmAddress.as_view(http_method_names=["get", "post"]),
        name="account_confirm_email",
    ),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", recently_authenticated(account.password_set), name="account_set_password"),
    path("password/reset/", session_views.forgot_password, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    path("password/reset/key/done/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("2fa/", second_step.index, name="mfa_index"),
    path("2fa/authenticate/", second_step.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", second_step.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", recently_authenticated(app.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", recently_authenticated(app.deactivate_totp), name="mfa_deactivate_totp"),
    path("2fa/webauthn/", passkeys.list_webauthn, name="mfa_list_webauthn"),
    path("2fa/webauthn/add/", recently_authenticated(passkeys.add_webauthn), name="mfa_add_webauthn"),
    path("2fa/webauthn/login/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("2fa/webauthn/reauthenticate/", passkeys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path(
        "2fa/webauthn/keys/<int:pk>/remove/",
        recently_authenticated(passkeys.remove_webauthn),
        name="mfa_remove_webauthn",
    ),
    path("2fa/webauthn/keys/<int:pk>/edit/", recently_authenticated(passkeys.edit_webauthn), name="mfa_edit_webauthn"),
    path(
        "2fa/recovery-codes/",
        recently_authenticated(recovery_codes.view_recovery_codes),
        name="mfa_view_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/generate/",
        recently_authenticated(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path("sessions/", login_required(session_views.Sessions.as_view()), name="usersessions_list"),
]

api_urlpatterns = [path("leaked-tokens/", leaked_tokens.LeakedTokens.as_view(), name="leaked-tokens")]

# A choice of django-oauth-toolkit's URLs, in its namespace: with the others any user could register applications.
server_urlpatterns = [
    path(
        "o/authorize/",
        leaves_site(oauth_views.Consent.as_view(http_method_names=["get", "post"])),
        name="authorize",
    ),
    path("o/token/", oauth_views.Token.as_view(http_method_names=["post"]), name="token"),
    path("o/device/", device_views.enter_code, name="device"),
    path("o/device/answer/", device_views.answer_device, name="answer-device"),
    path("o/device/authorize/", device_views.authorize_device, name="device-authorization"),
    path("o/register/", registration_views.register, name="dcr-register"),
    path("o/revoke_token/", RevokeTokenView.as_view(http_method_names=["post"]), name="revoke-token"),
    path("o/introspect/", oauth_views.introspect, name="introspect"),
    path(
        ".well-known/oauth-authorization-server",
        oauth_views.Metadata.as_view(http_method_names=["get", "head"]),
        name="oauth-server-metadata",
    ),
]
