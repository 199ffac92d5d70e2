"""Views that replace those of Django's admin site.

The sign-in and the password page redirect to the site's own, which ask for the second step and count attempts.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache


@never_cache
def login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Redirect to the site's sign-in. A signed-in user without access gets 403, not a redirect loop."""
    if admin.site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))


def password_change(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    return HttpResponseRedirect(reverse("account_change_password"))


def view_on_site(request: HttpRequest, content_type_id: str, object_id: str) -> HttpResponse:
    """Redirect to the page of a row. Django's view fails if the id is not of the form that the model has."""
    try:
        return shortcut(request, content_type_id, object_id)
    except ValidationError:
        raise Http404 from None
