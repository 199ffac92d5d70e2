"""Addresses of the demo authorization server. Of django-oauth-toolkit's own only those that are named here."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path
from oauth2_provider.views import JwksInfoView, UserInfoView

from demo.provider.views import api, endpoints, pages, registering

# The namespace is the one under which django-oauth-toolkit looks for its own addresses.
oauth = [
    path("o/authorize/", pages.Consent.as_view(), name="authorize"),
    path("o/token/", endpoints.Token.as_view(), name="token"),
    path("o/revoke_token/", endpoints.Revocation.as_view(), name="revoke-token"),
    path("o/introspect/", endpoints.introspect, name="introspect"),
    path("o/userinfo/", UserInfoView.as_view(), name="user-info"),
    path(".well-known/jwks.json", JwksInfoView.as_view(), name="jwks-info"),
    path(".well-known/openid-configuration", endpoints.metadata, name="oidc-connect-discovery-info"),
    path(".well-known/oauth-authorization-server", endpoints.metadata, name="oauth-server-metadata"),
]

urlpatterns = [
    path("", include((oauth, "oauth2_provider"))),
    path("", pages.board, name="board"),
    path("live/", pages.live, name="live"),
    path("new-application/", registering.register, name="register"),
    path("switch/", pages.switch, name="switch"),
    path("clients/<int:client>/remove-access/", pages.remove_access, name="remove-access"),
    path("login/", pages.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    # With and without the slash: programs follow no redirect of an API.
    re_path(r"^api/whoami/?\Z", api.whoami, name="whoami"),
    re_path(r"^api/notes/?\Z", api.notes, name="notes"),
    re_path(r"^api/contacts/?\Z", api.contacts, name="contacts"),
]
