"""The site's addresses, and a resource of Keyrack as the provider that tests sign in to."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from oauth2_provider.oauth2_backends import get_oauthlib_core

from config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - Django looks for them here
from config.urls import urlpatterns as site


def whoami(request: HttpRequest) -> HttpResponse:
    """A protected resource of the provider."""
    is_valid, verified = get_oauthlib_core().verify_request(request, scopes=[])
    if not is_valid:
        return JsonResponse({"error": "invalid_token"}, status=401, headers={"WWW-Authenticate": "Bearer"})
    return JsonResponse({"username": verified.user.get_username(), "scope": verified.access_token.scope})


urlpatterns = [
    *site,
    path("provider/whoami/", whoami),
]
