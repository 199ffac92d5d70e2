"""Addresses below /accounts/, and those of Keyrack as an OAuth server."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from oauth2_provider.views import OAuthServerMetadataView, RevokeTokenView, TokenView

from accounts import oauth_views

app_name = "accounts"
urlpatterns = [
    path(
        "login/", LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True), name="login"
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]

# Only these: django-oauth-toolkit has more, with which anybody could register applications. Its own namespace.
server_urlpatterns = [
    path("o/authorize/", oauth_views.Consent.as_view(http_method_names=["get", "post"]), name="authorize"),
    path("o/token/", TokenView.as_view(http_method_names=["post"]), name="token"),
    path("o/revoke_token/", RevokeTokenView.as_view(http_method_names=["post"]), name="revoke-token"),
    path("o/introspect/", oauth_views.introspect, name="introspect"),
    path(
        ".well-known/oauth-authorization-server",
        OAuthServerMetadataView.as_view(http_method_names=["get", "head"]),
        name="oauth-server-metadata",
    ),
]
