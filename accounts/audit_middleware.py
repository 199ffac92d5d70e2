"""Middleware that attributes changes made in the admin to the signed-in user."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from accounts.audit import log
from accounts.models import User
from accounts.sign_in.lockout import client_address


def attribute_admin_changes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" or not request.path_info.startswith(reverse("admin:index")):
            return get_response(request)
        if not isinstance(request.user, User):  # not signed in
            return get_response(request)
        with log.by(request.user, client_address(request)):
            return get_response(request)

    return middleware
