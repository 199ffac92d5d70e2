"""URLs below /api/v1/admin/."""

from collections.abc import Iterator

from django.urls import URLPattern, path

from integrations.admin_api import access_tokens, connect_links, grants, sign_ins, staff
from integrations.admin_api.resources import RESOURCES, Resource
from integrations.admin_api.row_views import views_of

app_name = "admin-api"


def addresses_of(resource: Resource) -> Iterator[URLPattern]:
    """Yield the addresses of a kind of rows. A scope may contain slashes."""
    prefix = f"{resource.parent.address}/<str:{resource.parent.singular}>/" if resource.parent else ""
    converter = "path" if resource.singular == "scope" else "str"
    address, rows_and_row = f"{prefix}{resource.address}/", views_of(resource)
    name = f"{resource.parent.singular}-{resource.singular}" if resource.parent else resource.singular
    yield path(address, rows_and_row[0].as_view(), name=f"{name}-list")
    yield path(f"{address}<{converter}:{resource.singular}>/", rows_and_row[1].as_view(), name=name)


OF_PERSON = "users/<str:user>"
urlpatterns = [
    *(pattern for resource in RESOURCES for pattern in addresses_of(resource)),
    path(f"{OF_PERSON}/permanenttokens/", access_tokens.PermanentTokens.as_view(), name="permanent-tokens"),
    path(
        f"{OF_PERSON}/permanenttokens/<str:token>/", access_tokens.OnePermanentToken.as_view(), name="permanent-token"
    ),
    path(f"{OF_PERSON}/permanenttokens/<str:token>/rotate/", access_tokens.RotateToken.as_view(), name="rotate-token"),
    path(
        f"{OF_PERSON}/permanenttokens/<str:token>/release/", access_tokens.ReleaseToken.as_view(), name="release-token"
    ),
    path("permanenttokens/", access_tokens.AllPermanentTokens.as_view(), name="all-permanent-tokens"),
    path("applicationpasswords/", access_tokens.AllApplicationPasswords.as_view(), name="all-passwords"),
    path(f"{OF_PERSON}/applicationpasswords/", access_tokens.ApplicationPasswords.as_view(), name="passwords"),
    path(
        f"{OF_PERSON}/applicationpasswords/<str:password>/",
        access_tokens.OneApplicationPassword.as_view(),
        name="password",
    ),
    path(
        f"{OF_PERSON}/applicationpasswords/<str:password>/release/",
        access_tokens.ReleasePassword.as_view(),
        name="release-password",
    ),
    path(f"{OF_PERSON}/refreshtokens/", grants.RefreshTokens.as_view(), name="refresh-tokens"),
    path(f"{OF_PERSON}/refreshtokens/<str:refresh_token>/", grants.OneRefreshToken.as_view(), name="refresh-token"),
    path(f"{OF_PERSON}/approvedscopes/", grants.ApprovedScopes.as_view(), name="approved-scopes"),
    # The client ID of a program with a document is an address.
    path(f"{OF_PERSON}/approvedscopes/<path:client>/", grants.OneApproval.as_view(), name="approval"),
    path("staff/", staff.Staff.as_view(), name="staff"),
    path("oauth-tokens/", sign_ins.OAuthTokens.as_view(), name="oauth-tokens"),
    path("oauth-tokens/<str:token>/", sign_ins.OneOAuthToken.as_view(), name="oauth-token"),
    path("connect-links/", connect_links.ConnectLinks.as_view(), name="connect-links"),
    path("connect-links/<str:link>/", connect_links.OneConnectLink.as_view(), name="connect-link"),
    path("revocations/", sign_ins.Revocations.as_view(), name="revocations"),
    path("revocations/<str:revocation>/", sign_ins.OneRevocation.as_view(), name="revocation"),
    path("revocations/<str:revocation>/retry/", sign_ins.RetryRevocation.as_view(), name="retry-revocation"),
]
